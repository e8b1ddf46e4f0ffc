"""Stage 2 of a recipe with another system than ours: trained on the same data, scored alike."""

import shlex
from pathlib import Path
from typing import Any

import yaml

from ..baselines import load_baseline
from ..baselines.base import Baseline
from ..baselines.training import train_baseline

MODEL = "model"


def train_system(
    name: str,
    data: str | Path,
    exp: str | Path,
    sources: list[str],
    sample_rate: int,
    options: str = "",
    progress: bool = True,
) -> Baseline:
    """Trains a baseline on prepared data, or resumes its training.

    Args:
        name (str): One of :data:`~asteroid_instglow.baselines.SYSTEMS`.
        data (str | Path): Prepared data set, what :func:`~.data.corpora.prepare.prepare` made.
        exp (str | Path): Folder for it; the model is in ``model/``.
        sources (list[str]): Names, in the order of the output.
        sample_rate (int): Sample rate of the data in Hz.
        options (str): Arguments of :func:`train_baseline`, "n_steps=2000 model.channels=16" say; by
            default those of the system's authors.
        progress (bool): Whether bars show on stderr.

    Returns:
        Baseline: In evaluation mode.
    """
    train, validation, output = Path(data) / "train", Path(data) / "validation", Path(exp) / MODEL
    model: dict[str, Any] = {"sample_rate": sample_rate}
    given: dict[str, Any] = {}
    for text in shlex.split(options):
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"options must be argument=value ..., got {text!r}")
        into = model if key.startswith("model.") else given
        into[key.removeprefix("model.")] = yaml.safe_load(value)
    # A part of the data set may lack a source: then some of the training recordings are set aside.
    whole = all((validation / source).is_dir() for source in sources)
    train_baseline(
        *(name, train, output, sources),
        validation_data=validation if whole else None,
        progress=progress,
        model=model,
        **given,
    )
    return load_baseline(output)
