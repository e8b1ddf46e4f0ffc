"""Priors and separators as the command line names them."""

from pathlib import Path

from ..separator import GenerativeSeparator
from ..weights.base import load_model


def load_separator(specs, residual=False):
    """Builds a separator from what ``--priors`` got.

    Args:
        specs (Sequence[str]): One folder, name or Hub id of a separator, or any number of priors,
            each ``DIR`` (named by the prior itself) or ``NAME=DIR``.
        residual (bool): Whether to add a residual source.

    Returns:
        GenerativeSeparator: In evaluation mode.
    """
    priors = {}
    for spec in specs:
        name, _, where = spec.rpartition("=")
        model = load_model(where)
        if isinstance(model, GenerativeSeparator):
            if len(specs) > 1 or name:
                raise ValueError(f"priors must be one separator or several priors, got {specs}")
            model.residual = model.residual or residual
            return model
        name = name or model.source
        if name in priors:
            raise ValueError(
                f"priors must have different names, got {name!r} twice: use NAME=DIR for one"
            )
        priors[name] = model
    return GenerativeSeparator(priors, residual).eval()


def check_output_folder(path, overwrite):
    """Refuses an output folder that is a file, or not empty without ``overwrite``."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"output must be a folder, got the file {path}")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise FileExistsError(f"output {path} is not empty: pass --overwrite to replace it")
    return path
