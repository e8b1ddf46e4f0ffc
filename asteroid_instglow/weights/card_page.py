"""Writes the model card, for readers of a repository and for the Hub's search."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from huggingface_hub import ModelCard, ModelCardData

from .card import Card, walk
from .examples import FOLDER, NONE, Examples

TAGS = ("asteroid", "audio", "audio-source-separation")
# Inside a word, Markdown takes an underscore as it is.
_MARKDOWN = re.compile(r"([\\`*\[\]<|$]|(?<!\w)_|_(?!\w))")
_REFERENCE = """\
"Music Source Separation with Generative Flow", Zhu, Darefsky, Jiang, Selitskiy, Duan, IEEE Signal
Processing Letters 2022, https://arxiv.org/abs/2204.09079"""


def card_text(
    card: Card,
    model_name: str,
    sources: Sequence[str],
    sample_rate: float,
    n_parameters: int,
    name: str | None = None,
    is_separator: bool = False,
    with_bin: bool = False,
    examples: Examples = NONE,
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
        examples (Examples): Audio to listen to, the first of which the Hub's widget plays, and
            pictures.

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
        widget=_widget(examples, name),
    )
    title = f"{'Separator' if is_separator else 'Generative prior'} of {_join(sources)}"
    body = [f"# {_escape(card.title) or title}"]
    if card.description:
        body.append(card.description.strip())
    body.append(_summary(is_separator, sources, sample_rate, n_parameters))
    body += [f"![{_title(n)}]({_address(n)})" for n in examples.pictures]
    if examples.audio:
        rows = [[_title(n), _Html(_player(_address(n, name)))] for n in examples.audio]
        body += ["## Listen", _table(["", ""], rows)]
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


def _summary(
    is_separator: bool, sources: Sequence[str], sample_rate: float, n_parameters: int
) -> str:
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


def _usage(model_name: str, is_separator: bool, name: str | None, with_bin: bool) -> list[str]:
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


def _address(file: str, name: str | None = None) -> str:
    # Pictures show with a relative address, on the Hub, too; players and the widget need all of it.
    path = f"{FOLDER}/{quote(file)}"
    if name is None:
        return path
    repo_id, _, revision = name.partition("@")
    return f"https://huggingface.co/{repo_id}/resolve/{revision or 'main'}/{path}"


def _title(file: str) -> str:
    return _escape(PurePath(file).stem.replace("_", " "))


def _player(address: str) -> str:
    return f'<audio controls preload="none" src="{address}"></audio>'


def _widget(examples: Examples, name: str | None) -> list[dict] | None:
    # A model takes a mixture, which comes first.
    return [
        {"src": _address(file, name), "example_title": PurePath(file).stem}
        for file in examples.audio[:1]
    ] or None


def _licence(card: Card) -> str:
    if card.license is None:
        return "The licence of these weights is not stated."
    name = _escape(card.license if card.license_name is None else card.license_name)
    return f"[{name}]({card.license_link})" if card.license_link else name


def _flat(values: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(", ".join(keys).replace("_", " "), value) for keys, value in walk(values)]


def _table(head: list[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


class _Html(str):
    """Text of a table's cell that is HTML of our own."""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, _Html):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value)
    return str(value) if value == "---" else _escape(str(value))


def _escape(text: str) -> str:
    """Returns text on one line in which nothing is Markdown or HTML."""
    line = " ".join(text.split())
    line = "".join(c for c in line if c.isprintable())
    return _MARKDOWN.sub(r"\\\1", line).replace("&", "&amp;")


def _join(names: Sequence[str]) -> str:
    names = [_escape(name) for name in names]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
