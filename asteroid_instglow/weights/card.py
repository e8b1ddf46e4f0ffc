"""The card of a model: its author's description, and the records of its training."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Union

_LINK = re.compile(r"https?://[^\s<>()\[\]\"'`\\]+|\w[\w.-]*")


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

    def __post_init__(self) -> None:
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

    def _check(self, is_right: object, name: str, wanted: str) -> None:
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


# Entries of training.json, by their path in it, and what a card calls them.
_TRAINING = {
    "steps": "steps",
    "best_step": "best step",
    "nll_before": "validation NLL before (nats/dim)",
    "nll_after": "validation NLL after (nats/dim)",
    "loss_before": "error before (bel)",
    "loss_after": "error after (bel)",
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
    """Returns the rows of a card that describe ``training.json``; folders are left out.

    Args:
        record (dict): Record of ``train_prior``.

    Returns:
        dict: For the field ``training`` of :class:`Card`.

    Examples:
        >>> training_rows({"steps": 600, "arguments": {"data": "music/solos", "lr": 1e-4}})
        {'steps': 600, 'learning rate': 0.0001}
    """
    values = {".".join(keys): value for keys, value in walk(record)}
    plain = (str, int, float, list)
    rows = {label: values.get(path) for path, label in _TRAINING.items()}
    return {k: v for k, v in rows.items() if isinstance(v, plain) and v not in ("", [])}


def walk(values: dict, head: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Yields each value of nested dicts with the keys that lead to it."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from walk(value, (*head, str(key)))
        else:
            yield (*head, str(key)), value
