"""Baselines with one model a source, each trained from that source's solos alone."""

import dataclasses

import torch
from torch import nn

from .base import Baseline

STATE = "training"  # folder of what each source needs to go on


class SourceOnly(Baseline):
    """A baseline to which sources can be added without retraining anything.

    Subclasses make the module of one source in ``_part()`` and train one in :meth:`fit_source`.

    Args:
        arguments (dict): As :class:`Baseline`'s.
    """

    kind = "source-only"
    sums_up = True

    def __init__(self, arguments):
        super().__init__(arguments)
        self.parts = nn.ModuleList(self._part() for _ in self.sources)

    def add(self, other):
        """Adds the sources of another model of this kind; nothing is retrained.

        Args:
            other (SourceOnly): Of the same class and arguments, its sources aside.
        """
        mine, its = self.get_model_args(), other.get_model_args()
        twice = sorted(set(mine.pop("sources")) & set(its.pop("sources")))
        if twice or type(other) is not type(self) or mine != its:
            raise ValueError(
                f"other must be a {type(self).__name__} of other sources and the same arguments "
                f"{mine}, got a {type(other).__name__} with {its}, {twice} in both"
            )
        self._arguments["sources"] += other.sources
        self.parts.extend(other.parts)

    def _part(self):
        """A module for one source, untrained."""
        raise NotImplementedError

    @classmethod
    def fit_source(cls, run, source, output):
        """Trains the model of one source; stopped, it goes on.

        Args:
            run (Run): As :meth:`fit`'s; its time limit is this source's.
            source (str): Name.
            output (Path): Folder for what it needs to go on.

        Returns:
            tuple: A model of this source alone, and the record of its training.
        """
        raise NotImplementedError

    @classmethod
    def fit(cls, run):
        """Trains one source after the other, each for an equal share of the time."""
        whole, records = None, {}
        share = None if run.time_limit is None else run.time_limit / len(run.sources)
        for source in run.sources:
            part = dataclasses.replace(run, time_limit=share)
            # So that a source is learnt alike, alone and among others.
            torch.manual_seed(run.seed)
            model, records[source] = cls.fit_source(part, source, run.output / STATE / source)
            if whole is None:
                whole = model
            else:
                whole.add(model)
        return whole, {
            "steps": min(record["steps"] for record in records.values()),
            "finished": all(record["finished"] for record in records.values()),
            "priors": records,
        }
