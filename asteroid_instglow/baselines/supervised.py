"""Baselines that learn to separate from mixtures whose sources are known."""

import torch

from ..data.mixtures import RandomMixtureDataset
from ..training.fitting import ENDLESS
from ..training.system import TrainingSystem
from .base import Baseline, channels_apart
from .runs import fit_module

VALIDATION_ITEMS = 48
SNR_FLOOR = 1e-3  # of the mixture's energy: errors below -30 dB hardly count


class Supervised(Baseline):
    """A baseline that is trained on random mixtures of solos, and on real ones.

    Subclasses define :meth:`estimate`, and :meth:`loss` or ``loss_name``.

    Args:
        arguments (dict): As :class:`Baseline`'s.
    """

    kind = "supervised"
    loss_name = "l1"
    clip = 5.0
    weight_decay = 0.0

    def estimate(self, mixture):
        """Mixtures (batch, time) to sources (batch, n_src, time), with gradients."""
        raise NotImplementedError

    def loss(self, sources):
        """What is minimised.

        Args:
            sources (torch.Tensor): The true ones, (batch, n_src, time).

        Returns:
            torch.Tensor: (batch,).
        """
        return LOSSES[self.loss_name](self.estimate(sources.sum(1)), sources)

    def prepare(self, dataset):
        """Sets what is measured on the data before the first step."""

    def _solve(self, wav, options, report):
        return channels_apart(wav, self.estimate)

    @classmethod
    def fit(cls, run):
        """Trains on mixtures that have no end; the weights of the best validation are kept."""
        model = cls(**run.model)
        common = {
            "segment": run.segment,
            "sample_rate": run.model["sample_rate"],
            "progress": run.progress,
        }
        n_items = 2**16 * ENDLESS
        train = RandomMixtureDataset(run.files, n_items=n_items, seed=run.seed, **common)
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
            bar=cls.__name__,
            weight_decay=cls.weight_decay,
        )
        return model, {"songs": len(train.songs), **record}


class SupervisedSystem(TrainingSystem):
    """Fits a supervised baseline; the loaders give the true sources, (batch, n_src, time)."""

    def loss_terms(self, batch):  # noqa: D102
        return self.model.loss(batch.float()).sum(), len(batch)


def l1(estimates, sources):
    """Mean absolute error of each item."""
    return (estimates - sources).abs().mean((1, 2))


def mse(estimates, sources):
    """Mean square error of each item."""
    return (estimates - sources).square().mean((1, 2))


def negative_snr(estimates, sources):
    r"""Error in decibels below the mixture, mean over the sources.

    .. math:: 10 \log_{10} \frac{|\hat x - x|^2 + \tau |y|^2}{|y|^2}

    For sources that sound it is the negative signal-to-noise ratio up to what does not depend on
    the estimate; it is defined for silent ones, too, and errors that are small enough weigh less.

    Args:
        estimates, sources (torch.Tensor): (batch, n_src, time).
    """
    mixture = sources.sum(1, keepdim=True).square().mean(-1) + 1e-8
    error = (estimates - sources).square().mean(-1)
    return 10 * torch.log10(error / mixture + SNR_FLOOR).mean(1)


LOSSES = {"l1": l1, "mse": mse, "snr": negative_snr}
