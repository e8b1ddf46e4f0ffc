"""Baselines with one model per source, trained from the solos of that source only."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import masking
from ..audio.stft import istft, stft
from ..utils.progress import SeparationProgress
from .base import Baseline, build_bounded, channels_apart
from .runs import Run

STATE = "training"  # folder of what each source needs to resume


class SourceOnly(Baseline):
    """A baseline to which sources can be added without retraining.

    Subclasses build the module of one source in ``_part()``, train it in :meth:`fit_source`
    and explain magnitudes in ``_magnitudes()``.

    Args:
        arguments (dict): See :class:`Baseline`.
    """

    n_fft: int
    hop_length: int
    kind = "source-only"
    sums_up = True

    def __init__(self, arguments: dict):
        super().__init__(arguments)
        n = len(self.sources)
        self.parts: Any = nn.ModuleList(build_bounded(self._part, n) for _ in range(n))

    @property
    def _window(self) -> int:
        return self.n_fft

    def _solve(self, wav: torch.Tensor, options: Any, report: SeparationProgress) -> torch.Tensor:
        def separate(mono: torch.Tensor) -> torch.Tensor:
            spec = stft(mono, self.n_fft, self.hop_length)
            out = masking.shares(self._magnitudes(spec.abs(), report)) * spec
            return istft(out, self.n_fft, self.hop_length, mono.shape[-1]).movedim(0, 1)

        return channels_apart(wav, separate)

    def add(self, other: "SourceOnly") -> None:
        """Adds the sources of another model without retraining.

        Args:
            other (SourceOnly): Model of the same class, with the same arguments except the sources.
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

    def _magnitudes(self, mixture: torch.Tensor, report: SeparationProgress) -> torch.Tensor:
        """Explains (batch, n_freq, n_frames) by sources, (n_src, batch, n_freq, n_frames)."""
        raise NotImplementedError

    def _part(self) -> nn.Module:
        """Builds an untrained module for one source."""
        raise NotImplementedError

    @classmethod
    def fit_source(cls, run: Run, source: str, output: Path) -> tuple["SourceOnly", dict]:
        """Trains the model of one source alone, or resumes its training; returns its record, too.

        Args:
            run (Run): See :meth:`fit`; its time limit is that of this source.
            source (str): Name of the source.
            output (Path): Folder for what it needs to resume.
        """
        raise NotImplementedError

    @classmethod
    def fit(cls, run: Run) -> tuple["SourceOnly", dict]:
        """Trains one source after the other, each for an equal share of the time."""
        models, records = [], {}
        limit = run.options.time_limit
        share = None if limit is None else limit / len(run.sources)
        part = dataclasses.replace(run, options=dataclasses.replace(run.options, time_limit=share))
        for source in run.sources:
            # So that a source is learned in the same way, alone and among others.
            torch.manual_seed(run.options.seed)
            model, records[source] = cls.fit_source(part, source, run.output / STATE / source)
            models.append(model)
        for model in models[1:]:
            models[0].add(model)
        return models[0], {
            "steps": min(record["steps"] for record in records.values()),
            "finished": all(record["finished"] for record in records.values()),
            "priors": records,
        }
