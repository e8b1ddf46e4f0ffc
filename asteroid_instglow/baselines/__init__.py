"""The systems of the paper's tables, trained and scored side by side with ours.

Each is a class with one interface, :class:`~.base.Baseline`: it takes, gives, saves and loads what
:class:`~asteroid_instglow.GenerativeSeparator` does.

Example:
    >>> train_baseline("nmf", "minislakh/train", "exp/nmf")  # doctest: +SKIP
    >>> load_baseline("exp/nmf").separate("song.mp3", "stems")  # doctest: +SKIP
"""

from .systems import SYSTEMS, load_baseline, system_class
from .training import train_baseline

__all__ = ["SYSTEMS", "load_baseline", "system_class", "train_baseline"]
