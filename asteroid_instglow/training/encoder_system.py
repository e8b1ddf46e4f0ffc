"""What an encoder is trained for: little energy in its error."""

import torch
from torch.optim.lr_scheduler import LambdaLR

from .muon import Muon
from .system import TrainingSystem

ERROR_FLOOR = 3e-3  # of the mixture's energy: below it a further decibel counts less and less
WARM_UP = 30
DECAY_FROM = 0.3


class EncoderSystem(TrainingSystem):
    r"""Fits an encoder to random mixtures of solos.

    .. math:: \log_{10}(\overline{|\mu - x|^2} + \epsilon)

    The error of each source in bels (the signal-to-noise ratio, softened where the error is next to
    nothing), over the bins of an excerpt scaled to unit RMS.

    Args:
        model (SourceEncoder): The encoder, of ``n_src`` sources.
        optimizer, train_loader, val_loader, scheduler, config: As Asteroid's System; the loaders
            give signals (batch, n, time) that sum to the mixture, the encoder's sources first.
    """

    def loss_terms(self, batch):  # noqa: D102
        with torch.autocast(batch.device.type, enabled=False):
            parts, _ = self.model.transform(batch.float())
        error = self.model.estimate(parts.sum(1)) - parts[:, : self.model.n_src]
        error = 2 * torch.view_as_real(error).square().mean((2, 3, 4))
        return torch.log10(error + ERROR_FLOOR).sum(), error.numel()


def encoder_optimizer(encoder, n_steps, lr=0.02, adam_lr=2e-3):
    """Muon, warmed up, and from ``DECAY_FROM`` of the steps on decayed to zero.

    Args:
        encoder (SourceEncoder): Whose parameters.
        n_steps (int): Length of the training.
        lr (float): Of the matrices between features.
        adam_lr (float): Of the rest.

    Returns:
        tuple: optimizer, scheduler (as Asteroid's System takes it).
    """
    gates = [p for p in encoder.lstm.parameters() if p.ndim > 1]
    matrices = [encoder.join.weight]
    # What has bins on one side is moved by Adam, which gives each its own step.
    moved = {id(p) for p in gates + matrices}
    others = [p for p in encoder.parameters() if id(p) not in moved]
    optimizer = Muon(matrices, gates, others, lr, adam_lr)

    def factor(step):
        left = (n_steps - step) / n_steps
        return min(1.0, (step + 1) / WARM_UP) * min(1.0, max(0.0, left) / (1 - DECAY_FROM))

    return optimizer, {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
