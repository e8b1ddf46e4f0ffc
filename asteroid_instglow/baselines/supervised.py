"""Baselines that are trained on mixtures with known sources."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import Dataset

from ..data.mixtures import RandomMixtureDataset
from ..training.loaders import ENDLESS_ITEMS
from ..training.system import TrainingSystem
from ..utils.progress import SeparationProgress
from .base import Baseline, channels_apart
from .runs import Run, fit_module

VALIDATION_ITEMS = 48
SNR_FLOOR = 1e-3  # share of the mixture's energy: errors below -30 dB hardly count


class Supervised(Baseline):
    """A baseline that is trained on random and on real mixtures of solos.

    Subclasses define :meth:`estimate`, and :meth:`loss` or ``loss_name``.

    Args:
        arguments (dict): See :class:`Baseline`.
    """

    kind = "supervised"
    loss_name = "l1"
    clip = 5.0
    weight_decay = 0.0

    def estimate(self, mixture: torch.Tensor) -> torch.Tensor:
        """Maps mixtures (batch, time) to sources (batch, n_src, time), with gradients."""
        raise NotImplementedError

    def loss(self, sources: torch.Tensor) -> torch.Tensor:
        """Computes the training loss of each mixture.

        Args:
            sources (torch.Tensor): True sources, (batch, n_src, time).

        Returns:
            torch.Tensor: (batch,).
        """
        return LOSSES[self.loss_name](self.estimate(sources.sum(1)), sources)

    def prepare(self, dataset: Dataset) -> None:
        """Sets statistics of the data before the first step."""

    def _solve(self, wav: torch.Tensor, options: Any, report: SeparationProgress) -> torch.Tensor:
        return channels_apart(wav, self.estimate)

    @classmethod
    def fit(cls, run: Run) -> tuple["Supervised", dict]:
        """Trains on an endless stream of mixtures; keeps the weights of the best validation."""
        model = cls(**run.model)
        common = {
            "segment": run.options.segment,
            "sample_rate": run.model["sample_rate"],
            "progress": run.options.progress,
        }
        train = RandomMixtureDataset(
            run.files, n_items=ENDLESS_ITEMS, seed=run.options.seed, **common
        )
        validation = RandomMixtureDataset(
            run.held_out,
            n_items=VALIDATION_ITEMS,
            p_real=1.0,
            p_silent=0.0,
            p_speed=0.0,
            gain_db=(0.0, 0.0),
            **common,
        )
        model.prepare(train)
        record = fit_module(
            run,
            model,
            SupervisedSystem,
            run.output,
            train,
            validation,
            clip=cls.clip,
            name=cls.__name__,
            weight_decay=cls.weight_decay,
        )
        return model, {"songs": len(train.songs), **record}


class SupervisedSystem(TrainingSystem):
    """Lightning system that trains a supervised baseline on sources (batch, n_src, time)."""

    def loss_terms(self, batch: torch.Tensor) -> tuple[torch.Tensor, int]:  # noqa: D102
        return self.model.loss(batch.float()).sum(), len(batch)


def l1(estimates: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Computes the mean absolute error of each item."""
    return (estimates - sources).abs().mean((1, 2))


def mse(estimates: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Computes the mean square error of each item."""
    return (estimates - sources).square().mean((1, 2))


def negative_snr(estimates: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    r"""Computes the error relative to the mixture in dB, averaged over the sources.

    .. math:: 10 \log_{10} \frac{|\hat x - x|^2 + \tau |y|^2}{|y|^2}

    For sources that are not silent this is the negative signal-to-noise ratio plus a constant. It
    is also defined for silent sources, and small errors weigh less.

    Args:
        estimates, sources (torch.Tensor): (batch, n_src, time).
    """
    mixture = sources.sum(1, keepdim=True).square().mean(-1) + 1e-8
    error = (estimates - sources).square().mean(-1)
    return 10 * torch.log10(error / mixture + SNR_FLOOR).mean(1)


LOSSES: dict[str, Callable] = {"l1": l1, "mse": mse, "snr": negative_snr}
