"""Names of the systems, and loading of saved ones."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.checks import check_one_of
from ..weights.reading import read_package

if TYPE_CHECKING:
    from .base import Baseline

# Name: (module, class). Imported on demand: some need packages of the extra [baselines].
SYSTEMS = {
    "nmf": ("nmf", "KLNMF"),
    "gan": ("gan", "GanPrior"),
    "conv-tasnet": ("conv_tasnet", "ConvTasNetBaseline"),
    "open-unmix": ("open_unmix", "OpenUnmixBaseline"),
    "demucs": ("demucs_v2", "DemucsV2"),
    "wave-u-net": ("wave_u_net", "WaveUNet"),
    "mixture": ("oracles", "EqualShares"),
    "irm": ("oracles", "IdealRatioMask"),
    "wiener": ("oracles", "IdealWiener"),
    "mwf": ("oracles", "IdealMultichannelWiener"),
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
    module, cls = SYSTEMS[name]
    return getattr(importlib.import_module(f".{module}", __package__), cls)


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
    names = {cls: name for name, (_, cls) in SYSTEMS.items()}
    if package.get("model_name") not in names:
        raise ValueError(f"{where} must hold a baseline, got a {package.get('model_name')}")
    return system_class(names[package["model_name"]]).from_pretrained(package)
