"""The loss of an encoder."""

import torch

from .base import Encoder

ERROR_FLOOR = 3e-3  # of the mixture's energy: below it a further decibel counts less and less


def encoder_loss(encoder: Encoder, wavs: torch.Tensor) -> torch.Tensor:
    r"""Computes the log energy of the error of each source.

    .. math:: \log_{10}(\overline{|\mu - x|^2} + \epsilon)

    The mean is over the bins of an excerpt that is scaled to unit RMS: the error in bels, softened
    where it is next to nothing.

    Args:
        encoder (Encoder): An encoder of ``n_src`` sources.
        wavs (torch.Tensor): (batch, n, time), signals that sum to the mixture, the encoder's
            sources first.

    Returns:
        torch.Tensor: (batch, n_src).
    """
    with torch.autocast(wavs.device.type, enabled=False):
        parts, _ = encoder.transform(wavs.float())
    return bels_of(encoder.estimate(parts.sum(1)) - parts[:, : encoder.n_src])


def bels_of(error: torch.Tensor) -> torch.Tensor:
    """Returns the softened log energy of errors (batch, n, n_freq, n_frames), (batch, n)."""
    return torch.log10(2 * torch.view_as_real(error).square().mean((2, 3, 4)) + ERROR_FLOOR)
