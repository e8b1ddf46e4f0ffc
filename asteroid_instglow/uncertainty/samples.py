r"""Samples of what else the sources could be: alternatives that all sum to the mixture.

The posterior of the sources given their sum is taken as Gaussian around the answer, bin by bin of
the STFT [1]. Before the sum is known, source k has variance :math:`w_k`; given the sum,

.. math:: \mathrm{Cov}(s_k, s_l) = w_k \delta_{kl} - \frac{w_k w_l}{\sum_j w_j}

which is drawn by drawing :math:`g_k \sim \mathcal{N}(0, w_k)` and taking
:math:`g_k - w_k / \sum_j w_j \sum_j g_j`. Within an octave and a second, :math:`w_k` follows the
power of the estimate; its level makes the variance, :math:`w_k (1 - w_k / \sum_j w_j)`, the power
of the error that :mod:`~.errors` guesses there.

References
    - [1] : "Gaussian Processes for Underdetermined Source Separation", Liutkus et al. 2011.
      https://doi.org/10.1109/TSP.2011.2119315
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ..audio.stft import istft, stft
from .evidence import N_OCTAVES, THIRDS, TINY, bands_of, pool_at

N_FFT, HOP = 2048, 512
MAX_DRAWS = 10_000
LOUDEST = 1e6  # power of a frame of the loudest sounds
ROUNDS = 8  # of the search for the levels
GAIN = 0.375 * N_FFT  # power of a bin of white noise of unit variance


def draw_each(
    answer: torch.Tensor, errors: Sequence[torch.Tensor], n: int, sample_rate: float, seed: int
) -> torch.Tensor:
    """Draws alternatives to the answers of a batch, see :func:`draw`.

    Args:
        answer (torch.Tensor): (n_src, time), (batch, n_src, time) or (batch, n_src, channels,
            time).
        errors (Sequence[torch.Tensor]): Of each item.
        n, sample_rate, seed: As for :func:`draw`.

    Returns:
        torch.Tensor: n answers, on a first axis.
    """
    items = answer[None] if answer.ndim == 2 else answer
    items = items[:, :, None] if items.ndim == 3 else items
    drawn = [draw(x.float(), error, n, sample_rate, seed) for x, error in zip(items, errors)]
    return torch.stack(drawn, 1).view(n, *answer.shape).to(answer)


def draw(
    sources: torch.Tensor, error: torch.Tensor, n: int, sample_rate: float, seed: int = 0
) -> torch.Tensor:
    """Draws alternatives to an answer.

    Args:
        sources (torch.Tensor): The answer, (n_src, channels, time).
        error (torch.Tensor): Power of its error, (n_src, N_OCTAVES, n_seconds), see
            :class:`~.confidence.Confidence`.
        n (int): How many. The mean of two or more is the answer itself.
        sample_rate (float): Hz.
        seed (int): Of the random numbers.

    Returns:
        torch.Tensor: (n, n_src, channels, time), each with the sum of ``sources``.
    """
    length = sources.shape[-1]
    # Scaled to a peak of 1, so that float32 holds all powers; and padded to one window at least.
    level = float(sources.abs().max()) or 1.0
    scaled = F.pad(sources / level, (0, max(0, N_FFT - length)))
    # In music that is all but silent, rounding can look like a large error: hence a bound.
    error = (error.double() / level**2).clamp_max(LOUDEST).float()
    spread = deviations(scaled, error, sample_rate)
    total = spread.square().sum(0) + TINY
    generator = torch.Generator().manual_seed(seed)
    moves = torch.empty(n, *sources.shape)
    for move in moves:
        white = torch.randn(scaled.shape, generator=generator).to(sources)
        noise = stft(white, N_FFT, HOP) * spread / GAIN**0.5
        noise -= spread.square() / total * noise.sum(0)
        move.copy_(istft(noise, N_FFT, HOP, scaled.shape[-1])[..., :length])
    if n > 1:
        moves = (moves - moves.mean(0)) * (n / (n - 1)) ** 0.5
    # The moves must sum to zero, and rounding has left a little.
    moves -= moves.mean(1, keepdim=True)
    return sources + level * moves.to(sources)


def deviations(sources: torch.Tensor, error: torch.Tensor, sample_rate: float) -> torch.Tensor:
    """Returns the root of :math:`w_k`, (n_src, channels, n_freq, n_frames)."""
    power = stft(sources, N_FFT, HOP).abs().square()
    band = (bands_of(N_FFT, sample_rate) // THIRDS).to(power.device)
    second = (torch.arange(power.shape[-1]) * HOP / sample_rate).long()
    second = second.clamp_max(error.shape[-1] - 1).to(power.device)

    wanted = error.to(power)
    level = torch.ones_like(wanted)
    for _ in range(ROUNDS):
        variance = level[:, band][:, :, second][:, None] * power
        moved = variance * (1 - variance / (variance.sum(0) + TINY))
        found = pool_at(moved.mean(1), band, N_OCTAVES, second, error.shape[-1])
        level = level * ((wanted + TINY) / (found + TINY)).clamp(0.1, 10)
    return (level[:, band][:, :, second][:, None] * power).sqrt()
