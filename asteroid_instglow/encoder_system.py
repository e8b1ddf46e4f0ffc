"""What an encoder is trained for: little energy in its error, and knowing how little."""

import torch
from torch.optim.lr_scheduler import LambdaLR

from . import dsp
from .optim import Muon
from .system import TrainingSystem

ERROR_FLOOR = 3e-3  # of the mixture's energy: below it a further decibel counts less and less
VARIANCE_WEIGHT = 0.1
WARM_UP = 30
DECAY_FROM = 0.3


class EncoderSystem(TrainingSystem):
    r"""Fits a source's encoder to random mixtures of solos.

    .. math:: 10 \log_{10}(\overline{|\mu - x|^2} + \epsilon) / 10
        + \frac{1}{10} \overline{|\mu - x|^2 / v + \log v}

    The first term is the error in decibels (the signal-to-noise ratio, softened where the error is
    next to nothing), over the bins of an excerpt scaled to unit RMS; the second makes v the
    variance of the error, and does not reach :math:`\mu`.

    Args:
        model (SourceEncoder): The encoder.
        optimizer, train_loader, val_loader, scheduler, config: As Asteroid's System; the loaders
            give (target, background), each (batch, time).
    """

    def loss_terms(self, batch):  # noqa: D102
        target, background = (wav.float() for wav in batch)
        mixture = target + background
        scale = mixture.square().mean(-1, keepdim=True).sqrt() + 1e-5
        gain = (0.375 * self.model.n_fft) ** 0.5
        n_fft, hop = self.model.n_fft, self.model.hop_length
        truth = dsp.stft(target / scale, n_fft, hop) / gain
        mean, log_variance = self.model.masked(dsp.stft(mixture / scale, n_fft, hop) / gain)
        error = (mean - truth).abs().square()
        fidelity = torch.log10(error.mean((1, 2)) + ERROR_FLOOR).sum()
        certainty = error.detach() * torch.exp(-log_variance.clamp(-14, 8)) + log_variance
        return fidelity + VARIANCE_WEIGHT * certainty.mean((1, 2)).sum(), len(mixture)


def encoder_optimizer(encoder, n_steps, lr=0.02, adam_lr=2e-3):
    """Muon, warmed up, and from ``DECAY_FROM`` of the steps on decayed to zero.

    Args:
        encoder (SourceEncoder): Whose parameters.
        n_steps (int): Length of the training.
        lr (float): Of the weight matrices.
        adam_lr (float): Of the rest.

    Returns:
        tuple: optimizer, scheduler (as Asteroid's System takes it).
    """
    named = list(encoder.named_parameters())
    # The variance head stays with Adam: its scale is a likelihood's, not a network's.
    matrices = [p for n, p in named if p.ndim > 1 and not n.startswith("log_variance")]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in named if id(p) not in chosen]
    optimizer = Muon(matrices, others, lr, adam_lr)

    def factor(step):
        left = (n_steps - step) / n_steps
        return min(1.0, (step + 1) / WARM_UP) * min(1.0, max(0.0, left) / (1 - DECAY_FROM))

    return optimizer, {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
