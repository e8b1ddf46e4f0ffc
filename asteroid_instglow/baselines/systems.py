"""Names of the systems, and loading of saved ones."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.checks import check_one_of
from ..weights.reading import read_package
from ..weights.registry import model_class

if TYPE_CHECKING:
    from .base import Baseline

# Name: class. Imported on demand: some need packages of the extra [baselines].
SYSTEMS = {
    "nmf": "KLNMF",
    "gan": "GanPrior",
    "conv-tasnet": "ConvTasNetBaseline",
    "open-unmix": "OpenUnmixBaseline",
    "demucs": "DemucsV2",
    "wave-u-net": "WaveUNet",
    "mixture": "EqualShares",
    "irm": "IdealRatioMask",
    "wiener": "IdealWiener",
    "mwf": "IdealMultichannelWiener",
}

# Options of a training that apply to baselines, see TrainingOptions.
TRAINING_OPTIONS = (
    *("n_steps", "batch_size", "segment", "lr", "validation_data", "val_every", "seed"),
    *("precision", "accelerator", "num_workers", "time_limit", "checkpoint_minutes"),
    *("resume", "other_data", "progress"),
)


def system_class(name: str) -> "type[Baseline]":
    """Returns the class of a system.

    Args:
        name (str): Key of :data:`SYSTEMS`.

    Returns:
        type: Subclass of :class:`~asteroid_instglow.baselines.base.Baseline`.

    Examples:
        >>> system_class("nmf").kind
        'source-only'
    """
    check_one_of("name", name, SYSTEMS)
    return model_class(SYSTEMS[name])


def load_baseline(where: str | Path) -> "Baseline":
    """Loads a trained baseline without executing anything it reads.

    Args:
        where (str | Path): Folder that :func:`~.training.train_baseline` wrote, or a repository on
            the Hub.

    Returns:
        Baseline: In evaluation mode.

    Raises:
        ValueError: If it is damaged, or holds something else.

    Examples:
        >>> system_class("irm")(["bass", "drums"]).save_pretrained("exp/irm")
        PosixPath('exp/irm')
        >>> load_baseline("exp/irm").sources
        ['bass', 'drums']
    """
    package = read_package(where)
    if package.get("model_name") not in SYSTEMS.values():
        raise ValueError(f"{where} must hold a baseline, got a {package.get('model_name')}")
    return model_class(package["model_name"]).from_pretrained(package)
