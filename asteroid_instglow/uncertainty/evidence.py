"""Measures what the errors of a separation are guessed from, in bands and tenths of a second."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F

from ..audio.stft import power_of

OCTAVES = (0.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)  # lower edges, Hz
N_OCTAVES = len(OCTAVES)
THIRDS = 3  # bands of an octave
N_BANDS = N_OCTAVES * THIRDS
CELL = 0.1  # seconds
TINY = 1e-20
MAX_GAIN = 1e6  # so that powers stay finite
TOP = 11025.0  # Hz, where the last octave is taken to end
QUANTITIES = (
    "estimate",
    "ambiguity",
    "ambiguity of squares",
    "correction",
    "remainder",
    "mixture",
    "dominated",
    "out of phase",
    "changing",
)
MOST = 4.0  # bound of the change of a mask, squared


def bands_of(n_fft: int, sample_rate: float) -> torch.Tensor:
    """Returns the band of each bin, (n_fft // 2 + 1,): a third of an octave of ``OCTAVES``."""
    ends = (*OCTAVES[1:], TOP)
    edges = [
        low + (high - low) * third / THIRDS
        for low, high in zip(OCTAVES, ends)
        for third in range(THIRDS)
    ]
    frequency = torch.arange(n_fft // 2 + 1) * sample_rate / n_fft
    return torch.bucketize(frequency, torch.tensor(edges[1:]), right=True)


def pool(power: torch.Tensor, n_fft: int, hop_length: int, sample_rate: float) -> torch.Tensor:
    """Sums powers over the bins of each band and averages them over the frames of each cell.

    Args:
        power (torch.Tensor): (..., n_freq, n_frames).
        n_fft, hop_length (int): Window and hop of the STFT, samples.
        sample_rate (float): Hz.

    Returns:
        torch.Tensor: (..., N_BANDS, n_cells), cells of ``CELL`` seconds.
    """
    band = bands_of(n_fft, sample_rate).to(power.device)
    cell = (torch.arange(power.shape[-1]) * (hop_length / sample_rate / CELL)).long()
    return pool_at(power, band, N_BANDS, cell.to(power.device), int(cell[-1]) + 1)


def pool_at(
    power: torch.Tensor, band: torch.Tensor, n_bands: int, cell: torch.Tensor, n_cells: int
) -> torch.Tensor:
    """Does the same, given the band of each bin and the cell of each frame."""
    # As a product, which is faster than adding by index.
    banded = F.one_hot(band, n_bands).to(power).T @ power
    summed = power.new_zeros(*banded.shape[:-1], n_cells)
    summed.index_add_(-1, cell, banded)
    return summed / torch.bincount(cell, minlength=n_cells).clamp_min(1)


def quantities(
    mixture: torch.Tensor, sources: torch.Tensor, means: torch.Tensor
) -> Iterator[torch.Tensor]:
    r"""Computes what the errors of the sources are guessed from, bin by bin.

    With the shares :math:`m_k = |\hat s_k| / \sum_j \left|\hat s_j\right|`: the power of the
    estimate; the ambiguity :math:`m_k (1 - m_k) |x|^2`, which is the posterior variance where the
    sources are independent complex Gaussians with these shares of the power; the same with the
    shares of the squares; how far the sum to the mixture has moved the estimate; what all estimates
    left of the mixture; the mixture; and the power of the estimate where it has more than half of
    the bin.

    Two more are of the complex mask :math:`g_k = \hat s_k / x`, where the mean of a posterior that
    is unsure of a phase turns and jumps: the power of the estimate that is out of phase with the
    mixture, :math:`(\mathrm{Im}\, g_k)^2 |x|^2`, and how far the mask changes from one frame t to
    the next, :math:`|g_{k,t} - g_{k,t-1}|^2 |x_t|^2`.

    Args:
        mixture (torch.Tensor): x, complex (n_freq, n_frames).
        sources (torch.Tensor): The result, which sums to the mixture, complex (n_src, n_freq,
            n_frames).
        means (torch.Tensor): What the encoders estimated, of the same shape; without a residual.

    Yields:
        torch.Tensor: Powers, (n_src, n_freq, n_frames), in the order of ``QUANTITIES``.
    """
    power, mixed = power_of(sources), power_of(mixture)
    size = power.sqrt()
    share = size / (size.sum(0) + TINY)
    yield power
    yield share * (1 - share) * mixed
    square = power / (power.sum(0) + TINY)
    yield square * (1 - square) * mixed
    moved = sources.clone()
    moved[: len(means)] -= means
    yield power_of(moved)
    yield power_of(mixture - means.sum(0)).expand_as(power)
    yield mixed.expand_as(power)
    yield power * (share > 0.5)
    mask = sources * (mixture.conj() / (mixed + TINY))
    yield mask.imag.square() * mixed
    change = power_of(mask.diff(dim=-1)).clamp_max(MOST)
    yield F.pad(change, (1, 0)) * mixed


def pooled_quantities(
    mixture: torch.Tensor,
    sources: torch.Tensor,
    means: torch.Tensor,
    hop_length: int,
    sample_rate: float,
) -> torch.Tensor:
    """Computes the quantities in bands and cells.

    Args:
        mixture, sources, means (torch.Tensor): See :func:`quantities`.
        hop_length (int): Hop of the STFT, samples.
        sample_rate (float): Hz.

    Returns:
        torch.Tensor: (n_src, len(QUANTITIES), N_BANDS, n_cells), on the CPU.
    """
    n_fft = 2 * (mixture.shape[0] - 1)
    each = quantities(mixture, sources, means)
    return torch.stack([pool(x, n_fft, hop_length, sample_rate) for x in each], 1).cpu()


class Evidence:
    """Gathers what the pieces of a separation show, second by second.

    Args:
        n_src (int): Number of sources.
        n_seconds (int): Length of the recording, rounded up.
        guess (Callable): Maps powers (n_src, len(QUANTITIES), N_BANDS, n_cells) to the power of the
            error, (n_src, N_BANDS, n_cells), see :class:`~.errors.ErrorModel`.
    """

    def __init__(self, n_src: int, n_seconds: int, guess: Callable[[torch.Tensor], torch.Tensor]):
        self._guess = guess
        self._sums = torch.zeros(n_src, len(QUANTITIES) + 1, N_OCTAVES, n_seconds)
        self._n_cells = torch.zeros(n_seconds)
        self._start, self._power, self._n_equal = 0.0, 1.0, 1

    def begin(self, start: float, gain: float = 1.0, n_equal: int = 1) -> None:
        """Announces a piece.

        Args:
            start (float): Where it begins, seconds.
            gain (float): Factor by which its result will be multiplied, as it was too loud.
            n_equal (int): Number of equal channels of which one is added for all.
        """
        self._start, self._power = start, min(gain, MAX_GAIN) ** 2
        self._n_equal = n_equal

    def add(self, *channel: Any) -> None:
        """Adds one channel of a piece; takes the arguments of :func:`pooled_quantities`."""
        powers = pooled_quantities(*channel)
        powers = torch.cat([powers, self._guess(powers)[:, None]], 1)
        cells = torch.arange(powers.shape[-1])
        second = ((cells + 0.5) * CELL + self._start).long().clamp_max(len(self._n_cells) - 1)
        octaves = powers.unflatten(2, (N_OCTAVES, THIRDS)).sum(3) * self._power
        for _ in range(self._n_equal):
            self._sums.index_add_(3, second, octaves)
            self._n_cells.index_add_(0, second, torch.ones(len(second)))

    @property
    def powers(self) -> torch.Tensor:
        """Mean powers of ``QUANTITIES`` and the error, (n_src, n_powers, N_OCTAVES, n_seconds)."""
        return self._sums / self._n_cells.clamp_min(1)
