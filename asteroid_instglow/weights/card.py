"""The model card: describes a model to readers of its repository and to the Hub's search."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Union

from huggingface_hub import ModelCard, ModelCardData

TAGS = ("asteroid", "audio", "audio-source-separation")
_LINK = re.compile(r"https?://[^\s<>()\[\]\"'`\\]+|\w[\w.-]*")
# Inside a word an underscore is only itself.
_MARKDOWN = re.compile(r"([\\`*\[\]<|$]|(?<!\w)_|_(?!\w))")
_REFERENCE = """\
"Music Source Separation with Generative Flow", Zhu, Darefsky, Jiang, Selitskiy, Duan, IEEE Signal
Processing Letters 2022, https://arxiv.org/abs/2204.09079"""


@dataclass(frozen=True)
class Card:
    """The author's description of a model; all fields may be left out.

    Args:
        title (str): Heading; by default made from the sources.
        description (str): Markdown, below the heading.
        license (str, optional): The Hub's identifier, "cc-by-4.0" say; "other" with a name. None:
            the card says that it is not stated.
        license_name (str, optional): Name, if the licence is "other".
        license_link (str, optional): URL of its text, or a file of the repository.
        datasets (Sequence[str]): Training data.
        training (dict): Training: steps, command, seeds, hardware, ... Dicts may be nested.
        results (dict): Name of each row to a dict of its columns, {"bass": {"SDR (dB)": 5.1}} say.
        results_on (str): Data and protocol of the results.

    Raises:
        ValueError: If a field is of a wrong type.

    Examples:
        >>> Card(license="cc-by-4.0", datasets=["mini-Slakh"]).license
        'cc-by-4.0'
    """

    title: str = ""
    description: str = ""
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    datasets: Sequence[str] = ()
    training: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    results_on: str = ""

    def __post_init__(self):
        for name in ("title", "description", "results_on"):
            self._check(isinstance(getattr(self, name), str), name, "a string")
        for name in ("license", "license_name", "license_link"):
            value = getattr(self, name)
            right = value is None or (isinstance(value, str) and value)
            self._check(right, name, "a string that is not empty")
        link = self.license_link
        self._check(link is None or _LINK.fullmatch(link), "license_link", "a URL or file name")
        for name in ("training", "results"):
            self._check(isinstance(getattr(self, name), dict), name, "a dict")
        rows = all(isinstance(row, dict) for row in self.results.values())
        self._check(rows, "results", "a dict of dicts, one per row")
        is_list = isinstance(self.datasets, (list, tuple))
        names = is_list and all(isinstance(d, str) and d for d in self.datasets)
        self._check(names, "datasets", "a list of names")
        object.__setattr__(self, "datasets", tuple(self.datasets))
        try:
            json.dumps([self.training, self.results])
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"model card: training and results: {error}") from error

    def _check(self, is_right, name, wanted):
        if not is_right:
            raise ValueError(f"model card: {name} must be {wanted}, got {getattr(self, name)!r}")

    @classmethod
    def of(cls, card: Union["Card", dict, None]) -> Union["Card", None]:
        """Returns a card from a card, from a dict of its fields, or None from None."""
        if card is None or isinstance(card, cls):
            return card
        if not isinstance(card, dict):
            raise ValueError(f"card must be a Card or a dict, got {type(card).__name__}")
        names = [f.name for f in fields(cls)]
        unknown = sorted(set(map(str, card)) - set(names))
        if unknown:
            raise ValueError(f"card has no {', '.join(unknown)}; it has {', '.join(names)}")
        return cls(**card)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields that are set, as plain types."""
        return {k: list(v) if k == "datasets" else v for k, v in asdict(self).items() if v}


def card_text(
    card: Card,
    model_name: str,
    sources: Sequence[str],
    sample_rate: float,
    n_parameters: int,
    name: str | None = None,
    is_separator: bool = False,
    with_bin: bool = False,
) -> str:
    """Writes ``README.md`` of a model and checks it with the Hub's own classes.

    Args:
        card (Card): The author's description.
        model_name (str): Name of the class.
        sources (Sequence[str]): Sources of a separator, or the one of a prior.
        sample_rate (float): Hz.
        n_parameters (int): Number of weights.
        name (str, optional): Name on the Hub, "user/name@v1" say; None: a local folder.
        is_separator (bool): Whether the model is a separator.
        with_bin (bool): Whether there is a file for plain Asteroid.

    Returns:
        str: Markdown with a YAML head.

    Raises:
        ValueError: If the Hub's classes refuse it.

    Examples:
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
    title = f"{'Separator' if is_separator else 'Generative prior'} of {_join(sources)}"
    body = [f"# {_escape(card.title) or title}"]
    if card.description:
        body.append(card.description.strip())
    body.append(_summary(is_separator, sources, sample_rate, n_parameters))
    body += ["## How to use", *_usage(model_name, is_separator, name, with_bin)]
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
            body.append(f"On {_escape(card.results_on)}.")
    body += ["## Licence", _licence(card), "## References", _REFERENCE]
    text = f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(body) + "\n"
    parsed = ModelCard(text).data.to_dict()
    if parsed != data.to_dict():
        raise ValueError(f"card cannot be written as YAML: {data.to_dict()} becomes {parsed}")
    return text


# Entries of training.json, by their path in it, and what a card calls them.
_TRAINING = {
    "steps": "steps",
    "best_step": "best step",
    "nll_before": "validation NLL before (nats/dim)",
    "nll_after": "validation NLL after (nats/dim)",
    "seconds": "training time (s)",
    "arguments.batch_size": "batch size",
    "arguments.segment": "segment (s)",
    "arguments.lr": "learning rate",
    "arguments.precision": "precision",
    "arguments.seed": "seed",
    "data.train.recordings": "training recordings",
    "data.train.seconds": "training audio (s)",
    "data.validation.recordings": "validation recordings",
    "data.validation.seconds": "validation audio (s)",
    "hardware.gpus": "GPUs",
    "hardware.machine": "machine",
    "versions.asteroid_instglow": "asteroid_instglow",
    "versions.torch": "torch",
}


def training_rows(record: dict[str, Any]) -> dict[str, Any]:
    """Returns what a card says of ``training.json``; folders are left out.

    Args:
        record (dict): What ``train_prior`` recorded.

    Returns:
        dict: For the field ``training`` of :class:`Card`.

    Examples:
        >>> training_rows({"steps": 600, "arguments": {"data": "music/solos", "lr": 1e-4}})
        {'steps': 600, 'learning rate': 0.0001}
    """
    values = {".".join(keys): value for keys, value in _walk(record)}
    plain = (str, int, float, list)
    rows = {label: values.get(path) for path, label in _TRAINING.items()}
    return {k: v for k, v in rows.items() if isinstance(v, plain) and v not in ("", [])}


def _summary(is_separator, sources, sample_rate, n_parameters):
    size = f"{n_parameters / 1e6:.2g} million weights, {sample_rate:g} Hz"
    if is_separator:
        return (
            f"Separates music into {_join(sources)} ({size}) with one generative prior per source, "
            "trained on solo recordings alone. Any subset works, and further priors can be added."
        )
    return (
        f"The density of solo recordings of {_join(sources)} ({size}), learnt without any mixture. "
        "It separates beside any other priors: each is trained alone, and an instrument is added "
        "without retraining the others."
    )


def _usage(model_name, is_separator, name, with_bin):
    # A name on the Hub has passed hub.parse_name: no quote, space or backtick is in it.
    where = name or "."
    begin = "With" if name else "In this folder, with"
    lines = [f"{begin} `asteroid_instglow` installed, and a recording song.wav:"]
    if is_separator:
        load = f'separator = {model_name}.from_pretrained("{where}")\n'
        imported, option = model_name, ""
    else:
        load = (
            f'prior = {model_name}.from_pretrained("{where}")\n'
            "separator = GenerativeSeparator({prior.source: prior}, residual=True)\n"
        )
        imported, option = f"GenerativeSeparator, {model_name}", " --residual"
    lines += [
        f"```python\nfrom asteroid_instglow import {imported}\n\n{load}"
        'separator.separate("song.wav", "stems")  # writes one file per source\n```',
        "or",
        f"```bash\ninstglow separate song.wav --priors {where}{option} -o separated\n```",
    ]
    if name and with_bin:
        lines += [
            "or with Asteroid's own classes:",
            "```python\nimport asteroid_instglow  # makes its models known to Asteroid\n"
            "from asteroid.models import BaseModel\n\n"
            f'model = BaseModel.from_pretrained("{name}")\n```',
        ]
    lines.append(
        "Loading runs none of these files: `model.safetensors` holds numbers, `config.json` plain "
        "settings."
    )
    return lines


def _licence(card):
    if card.license is None:
        return "The licence of these weights is not stated."
    name = _escape(card.license if card.license_name is None else card.license_name)
    return f"[{name}]({card.license_link})" if card.license_link else name


def _walk(values: dict, head: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _walk(value, (*head, str(key)))
        else:
            yield (*head, str(key)), value


def _flat(values):
    return [(", ".join(keys).replace("_", " "), value) for keys, value in _walk(values)]


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
    return str(value) if value == "---" else _escape(str(value))


def _escape(text):
    """Returns text on one line in which nothing is Markdown or HTML."""
    line = " ".join(text.split())
    line = "".join(c for c in line if c.isprintable())
    return _MARKDOWN.sub(r"\\\1", line).replace("&", "&amp;")


def _join(names):
    names = [_escape(name) for name in names]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
