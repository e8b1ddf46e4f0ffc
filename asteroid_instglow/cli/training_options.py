"""Options of trainings on the command line, read from the dataclass that defines them."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import Field, fields
from typing import Any

DATA_HELP = "folders of recordings; pieces are drawn from them by weight, from each by duration"


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the folders of recordings."""
    parser.add_argument("--data", nargs="+", required=True, metavar="DIR[:WEIGHT]", help=DATA_HELP)


def add_options(
    parser: argparse._ActionsContainer,
    cls: type,
    names: Collection[str] | None = None,
    prefix: str = "",
    defaults: bool = True,
) -> None:
    """Declares options, spelled as the fields of a dataclass.

    Args:
        parser (argparse.ArgumentParser): Parser, or a group of one.
        cls (type): Subclass of :class:`~asteroid_instglow.training.TrainingOptions`.
        names (Collection[str], optional): Fields to declare; by default all.
        prefix (str): Put before each name, "encoder_" say.
        defaults (bool): Whether the help names the defaults of the class.
    """
    for field in _chosen(cls, names):
        details = dict(field.metadata)
        flag = details.pop("flag", "--" + (prefix + field.name).replace("_", "-"))
        if defaults and field.default is not None and "action" not in details:
            details["help"] += f" (default: {_shown(field.default)})"
        # None if it is not given, so that the defaults are in one place.
        parser.add_argument(flag, dest=prefix + field.name, default=None, **details)


def read_options(
    args: argparse.Namespace, cls: type, names: Collection[str] | None = None, prefix: str = ""
) -> dict[str, Any]:
    """Reads the options that were given.

    Returns:
        dict: Fields of ``cls`` by name.
    """
    given: dict[str, Any] = {
        f.name: getattr(args, prefix + f.name, None) for f in _chosen(cls, names)
    }
    given = {name: value for name, value in given.items() if value is not None}
    if "validation_data" in given:
        given["validation_data"] = read_folders(given["validation_data"])
    return {n: tuple(v) if n == "gain_db" else v for n, v in given.items()}


def read_folders(texts: Sequence[str]) -> list[Any]:
    """Reads folders with weights."""
    from ..data import parse_folder

    return [parse_folder(text) for text in texts]


def _chosen(cls: type, names: Collection[str] | None) -> list[Field]:
    return [field for field in fields(cls) if names is None or field.name in names]


def _shown(default: Any) -> Any:
    return " ".join(map(str, default)) if isinstance(default, tuple) else default
