"""Priors and separators as the command line names them."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..separator import GenerativeSeparator


def add_priors_argument(parser: argparse.ArgumentParser, default: str = "band") -> None:
    """Declares the priors of the separator, see :func:`load_separator`."""
    parser.add_argument(
        "--priors",
        nargs="+",
        default=[default],
        metavar="DIR|NAME=DIR",
        help="folder, name or Hub id of a separator, or of priors (named by themselves or NAME); "
        f"default: {default}",
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Declares the device that the model runs on."""
    parser.add_argument("--device", default="auto", help="auto (CUDA, MPS, CPU), cpu, cuda, cuda:1")


def load_separator(specs: Sequence[str], residual: bool = False) -> "GenerativeSeparator":
    """Builds a separator from the arguments of ``--priors``.

    Args:
        specs (Sequence[str]): Folders, names or Hub ids of separators, whose priors are all taken,
            and of priors, each ``DIR`` (named by the prior itself) or ``NAME=DIR``.
        residual (bool): Whether to add a residual source.

    Returns:
        GenerativeSeparator: In evaluation mode, with the options of the first separator.
    """
    from ..separator import GenerativeSeparator
    from ..utils.checks import check_name
    from ..weights.base import load_model
    from ..weights.writing import priors_of

    priors: dict[str, Any] = {}
    first = None
    for spec in specs:
        name, where = split_spec(spec)
        model = load_model(where)
        if isinstance(model, GenerativeSeparator):
            if name:
                raise ValueError(f"priors: {where} is a separator, whose priors have names: {spec}")
            first, residual = first or model, residual or model.residual
            found = priors_of(model)
        elif hasattr(model, "log_prob"):
            found = {model.source if name is None else check_name("source", name): model}
        else:
            raise ValueError(f"priors: {where} is a {type(model).__name__}, not a prior")
        if twice := sorted(set(found) & set(priors)):
            raise ValueError(
                f"priors must have different names, got {twice[0]!r} twice: use NAME=DIR for one"
            )
        priors |= found
    if first is not None and len(specs) == 1:
        first.residual = residual
        return first
    options = {} if first is None else vars(first.options)
    return GenerativeSeparator(priors, residual, **options).eval()


def split_spec(spec: str) -> tuple[str | None, str]:
    """Splits ``NAME=DIR``, unless it is a path that has a "=" in it.

    Examples:
        >>> split_spec("low=priors/bass")
        ('low', 'priors/bass')
    """
    name, equals, where = spec.partition("=")
    # Not Path.exists, which refuses names that are too long.
    is_path = os.path.exists(spec) or ("/" in name and not os.path.exists(where))
    return (name, where) if equals and not is_path else (None, spec)


def check_output_folder(path: str | Path, overwrite: bool) -> Path:
    """Refuses an output folder that is a file, or not empty without ``overwrite``."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"output must be a folder, got the file {path}")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise FileExistsError(f"output {path} is not empty: pass --overwrite to replace it")
    return path
