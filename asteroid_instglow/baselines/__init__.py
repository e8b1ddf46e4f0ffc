"""The systems of the paper's tables, trained and scored side by side with ours.

All share the interface :class:`~.base.Baseline`, which separates, saves and loads like
:class:`~asteroid_instglow.GenerativeSeparator`. :func:`~.training.train_baseline` trains them; it
is not imported here because it imports Lightning.

Examples:
    >>> from asteroid_instglow.baselines.training import train_baseline
    >>> train_baseline("nmf", "minislakh/train", "exp/nmf")  # doctest: +SKIP
    >>> load_baseline("exp/nmf").separate("song.mp3", "stems")  # doctest: +SKIP
"""

from .systems import SYSTEMS, load_baseline, system_class

__all__ = ["SYSTEMS", "load_baseline", "system_class"]
