"""The systems of the paper's tables, trained and scored side by side with ours.

Each is a class with one interface, :class:`~.base.Baseline`: it takes, gives, saves and loads what
:class:`~asteroid_instglow.GenerativeSeparator` does. They are trained by
:func:`~.training.train_baseline`, which is not imported here: it takes Lightning along.

Example:
    >>> from asteroid_instglow.baselines.training import train_baseline
    >>> train_baseline("nmf", "minislakh/train", "exp/nmf")  # doctest: +SKIP
    >>> load_baseline("exp/nmf").separate("song.mp3", "stems")  # doctest: +SKIP
"""

from .systems import SYSTEMS, load_baseline, system_class

__all__ = ["SYSTEMS", "load_baseline", "system_class"]
