"""The model card: what a reader of the repository, and the Hub's search, get to know of a model."""

import json
from dataclasses import asdict, dataclass, field, fields

from huggingface_hub import ModelCard, ModelCardData

TAGS = ("asteroid", "audio", "audio-source-separation")


@dataclass(frozen=True)
class Card:
    """What only the author of a model knows of it; all of it may be left out.

    Args:
        title (str): Heading; by default made from the sources.
        description (str): Markdown, below the heading.
        license (str, optional): The Hub's identifier, "cc-by-4.0" say; "other" with a name. None:
            the card says that it is not stated.
        license_name (str, optional): Where the licence is "other".
        license_link (str, optional): Its text.
        datasets (Sequence[str]): What the model was trained on.
        training (dict): How: steps, command, seeds, hardware, ... Dicts may be nested.
        results (dict): Name of each row to a dict of its columns, {"bass": {"SDR (dB)": 5.1}} say.
        results_on (str): Data and protocol of the results.

    Raises:
        ValueError: If a field is of a wrong type.

    Examples
        >>> Card(license="cc-by-4.0", datasets=["mini-Slakh"]).license
        'cc-by-4.0'
    """

    title: str = ""
    description: str = ""
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    datasets: tuple = ()
    training: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)
    results_on: str = ""

    def __post_init__(self):
        for name in ("title", "description", "results_on"):
            _check(isinstance(getattr(self, name), str), name, "a string", self)
        for name in ("license", "license_name", "license_link"):
            value = getattr(self, name)
            _check(value is None or (isinstance(value, str) and value), name, "a string", self)
        for name in ("training", "results"):
            _check(isinstance(getattr(self, name), dict), name, "a dict", self)
        rows = all(isinstance(row, dict) for row in self.results.values())
        _check(rows, "results", "a dict of dicts, one a row", self)
        is_list = isinstance(self.datasets, (list, tuple))
        names = is_list and all(isinstance(d, str) and d for d in self.datasets)
        _check(names, "datasets", "a list of names", self)
        object.__setattr__(self, "datasets", tuple(self.datasets))
        try:
            json.dumps([self.training, self.results])
        except TypeError as error:
            raise ValueError(f"card: training and results must be plain types: {error}") from error

    @classmethod
    def of(cls, card):
        """A card from a card, from a dict of its fields, or None from None."""
        if card is None or isinstance(card, cls):
            return card
        if not isinstance(card, dict):
            raise ValueError(f"card must be a Card or a dict, got {type(card).__name__}")
        names = [f.name for f in fields(cls)]
        unknown = sorted(set(card) - set(names))
        if unknown:
            raise ValueError(f"card has no {', '.join(unknown)}; it has {', '.join(names)}")
        return cls(**card)

    def to_dict(self):
        """The fields that are set, of plain types."""
        return {k: list(v) if k == "datasets" else v for k, v in asdict(self).items() if v}


def card_text(
    card, model_name, sources, sample_rate, n_parameters, name=None, priors=None, with_bin=False
):
    """``README.md`` of a model, checked by the Hub's own classes.

    Args:
        card (Card): From the author.
        model_name (str): Name of the class.
        sources (Sequence[str]): Of a separator; of a prior, the one it describes.
        sample_rate (float): Hz.
        n_parameters (int): Weights of the model.
        name (str, optional): What ``from_pretrained`` finds it by on the Hub, "user/name@v1" say;
            None: a local folder.
        priors (dict, optional): Of a separator: name of each prior to its repository, None where
            the prior is held here.
        with_bin (bool): Whether there is a file for plain Asteroid.

    Returns:
        str: Markdown with a YAML head.

    Raises:
        ValueError: If the Hub's classes refuse it.

    Examples
        >>> text = card_text(Card(), "GlowPrior", ["bass"], 22050, 1000, "user/bass")
        >>> ModelCard(text).data.pipeline_tag
        'audio-to-audio'
    """
    data = ModelCardData(
        license=card.license,
        license_name=card.license_name,
        license_link=card.license_link,
        library_name="asteroid",
        pipeline_tag="audio-to-audio",
        tags=list(TAGS),
        datasets=list(card.datasets) or None,
    )
    is_prior = priors is None
    title = card.title or (
        f"Generative prior of {sources[0]}" if is_prior else f"Separator of {_join(sources)}"
    )
    body = [f"# {_line(title)}"]
    if card.description:
        body.append(card.description.strip())
    body.append(_what(is_prior, sources, sample_rate, n_parameters))
    body += ["## How to use", *_use(model_name, is_prior, name, with_bin)]
    if not is_prior and any(priors.values()):
        rows = [[source, place or "here"] for source, place in priors.items()]
        body += ["## Priors", _table(["source", "repository"], rows)]
    if card.datasets or card.training:
        body.append("## Training")
        if card.datasets:
            body.append(f"Trained on {_join(card.datasets)}.")
        if card.training:
            body.append(_table(["", "value"], list(_flat(card.training))))
    if card.results:
        columns = list(dict.fromkeys(c for row in card.results.values() for c in row))
        rows = [[n, *(row.get(c) for c in columns)] for n, row in card.results.items()]
        body += ["## Results", _table(["", *columns], rows)]
        if card.results_on:
            body.append(f"On {_line(card.results_on)}.")
    body += ["## Licence", _licence(card), "## References", _REFERENCES]
    text = f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(body) + "\n"
    parsed = ModelCard(text).data.to_dict()
    if parsed != data.to_dict():
        raise ValueError(f"card cannot be written as YAML: {data.to_dict()} becomes {parsed}")
    return text


def training_rows(record):
    """What the card may say of ``training.json``: no paths, which are nobody's business.

    Args:
        record (dict): Of ``train_prior``.

    Returns:
        dict: For the field ``training`` of :class:`Card`.

    Examples
        >>> training_rows({"steps": 600, "arguments": {"data": "music/solos", "lr": 1e-4}})
        {'steps': 600, 'arguments.lr': 0.0001}
    """
    numbers = ("steps", "best_step", "nll_before", "nll_after", "seconds")
    kept = {key: record[key] for key in numbers if isinstance(record.get(key), (int, float))}
    for part in ("data", "arguments", "hardware", "versions"):
        if isinstance(record.get(part), dict):
            for key, value in _flat(record[part]):
                if not _PATHS & set(key.split(".")):
                    kept[f"{part}.{key}"] = value
    return kept


# Arguments and entries of training.json that name folders.
_PATHS = {"data", "validation_data", "output", "roots"}
_REFERENCES = """\
"Music Source Separation with Generative Flow", Zhu, Darefsky, Jiang, Selitskiy, Duan, IEEE Signal
Processing Letters 2022, https://arxiv.org/abs/2204.09079"""


def _what(is_prior, sources, sample_rate, n_parameters):
    size = f"{n_parameters / 1e6:.2g} million weights, {sample_rate:g} Hz"
    if is_prior:
        return (
            f"The density of solo recordings of {_join(sources)} ({size}), learnt without any "
            "mixture. It separates beside any other priors: each is trained alone, and an "
            "instrument is added without retraining the others."
        )
    return (
        f"Separates music into {_join(sources)} ({size}) with one generative prior a source, "
        "trained on solo recordings alone. Any subset works, and further priors can be added."
    )


def _use(model_name, is_prior, name, with_bin):
    where = name or "."
    lines = []
    if name is None:
        lines.append("In this folder, with `asteroid_instglow` installed and a recording song.wav:")
    else:
        lines.append("With `asteroid_instglow` installed, and a recording song.wav:")
    if is_prior:
        load = (
            f'prior = {model_name}.from_pretrained("{where}")\n'
            "separator = GenerativeSeparator({prior.source: prior}, residual=True)\n"
        )
        imported, option = f"GenerativeSeparator, {model_name}", " --residual"
    else:
        load = f'separator = {model_name}.from_pretrained("{where}")\n'
        imported, option = model_name, ""
    lines.append(
        f"```python\nfrom asteroid_instglow import {imported}\n\n{load}"
        'separator.separate("song.wav", "stems")  # writes one file a source\n```'
    )
    lines += [
        "or",
        f"```bash\ninstglow separate song.wav --priors {where}{option} -o separated\n```",
    ]
    if name and with_bin:
        code = (
            "import asteroid_instglow  # makes its models known to Asteroid\n"
            "from asteroid.models import BaseModel\n\n"
            f'model = BaseModel.from_pretrained("{name}")\n'
        )
        lines += ["or with Asteroid's own classes:", f"```python\n{code}```"]
    lines.append(
        "Nothing in these files is run when they are loaded: `model.safetensors` holds numbers, "
        "`config.json` plain settings."
    )
    return lines


def _licence(card):
    if card.license is None:
        return "The licence of these weights is not stated."
    name = card.license if card.license_name is None else card.license_name
    return f"[{_line(name)}]({card.license_link})" if card.license_link else _line(name)


def _flat(values, head=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{head}{key}.")
        else:
            yield f"{head}{key}", value


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value)
    return _line(str(value)).replace("|", "\\|")


def _line(text):
    return " ".join(text.split())


def _join(names):
    names = [_line(name) for name in names]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _check(is_right, name, wanted, card):
    if not is_right:
        raise ValueError(f"card: {name} must be {wanted}, got {getattr(card, name)!r}")
