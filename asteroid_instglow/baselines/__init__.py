"""The systems of the paper's tables, trained and scored side by side with ours.

All share the interface :class:`~.base.Baseline`, which separates, saves and loads like
:class:`~asteroid_instglow.GenerativeSeparator`. :func:`~.training.train_baseline` trains them; it
is not imported here because it imports Lightning.

Examples:
    >>> from asteroid_instglow.baselines.training import train_baseline
    >>> options = {"validation_data": "solos", "n_steps": 2, "progress": False}
    >>> record = train_baseline("nmf", "solos", "exp/nmf", **options)
    >>> load_baseline("exp/nmf").sources
    ['bass', 'drums']
"""

from .systems import SYSTEMS, load_baseline, system_class

__all__ = ["SYSTEMS", "load_baseline", "system_class"]
