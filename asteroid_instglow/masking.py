"""Ratio masks, and corrections that make the estimated sources sum to the mixture."""

import torch
import torch.nn.functional as F

from .audio.stft import stft

N_FFT, HOP = 2048, 512  # of the transform in which a remainder is split
OFFSET, SUBSONIC = 6.0, 20.0  # Hz: below the first there is no music, below the second little
RUMBLE = 0.03  # power between these, relative to all, from which it counts as no music


def shares(magnitudes: torch.Tensor, power: float = 1.0) -> torch.Tensor:
    r"""Computes ratio masks :math:`x_i^p / \sum_j x_j^p`, which sum to one in every bin.

    Negative magnitudes, which a flow may decode, count as zero. Where no source has any magnitude,
    all get the same share.

    Args:
        magnitudes (torch.Tensor): (n_src, ...).
        power (float): 1 is the paper's Wiener step, 2 the Wiener filter of power spectra.

    Returns:
        torch.Tensor: (n_src, ...).

    Examples:
        >>> shares(torch.tensor([[1.0, 0.0], [3.0, 0.0]])).tolist()
        [[0.25, 0.5], [0.75, 0.5]]
    """
    x = magnitudes.clamp_min(0)
    peak = x.amax(0, keepdim=True)
    # Scaled by the largest, so that no power or sum underflows or overflows.
    powered = x / torch.where(peak > 0, peak, 1)
    if power != 1:
        powered = powered.pow(power)
    even = torch.full_like(powered, 1 / len(powered))
    return torch.where(peak > 0, powered / powered.sum(0, keepdim=True), even)


def project_sum(
    estimates: torch.Tensor, missing: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    r"""Moves estimates to the nearest ones that sum to the mixture.

    .. math:: \hat x_i = \mu_i + w_i \Big(y - \sum_j \mu_j\Big), \quad \sum_i w_i = 1

    With variances for weights, :math:`w_i = v_i / \sum_j v_j`, this is the posterior mean of
    independent Gaussian estimates with means :math:`\mu_i` and variances :math:`v_i`, given that
    they sum to y.

    Args:
        estimates (torch.Tensor): Means, (n_src, ...), real or complex.
        missing (torch.Tensor): y less the sum of the estimates, of the shape of one.
        weights (torch.Tensor): w before they are scaled, not negative, (n_src, ...).

    Returns:
        torch.Tensor: (n_src, ...).
    """
    return estimates + shares(weights) * missing


def residual_magnitude(mixture: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    """Returns the positive part of the mixture less the sum of the sources.

    Args:
        mixture (torch.Tensor): Magnitudes of the mixture.
        magnitudes (torch.Tensor): Magnitudes of the sources, (n_src, ...).

    Returns:
        torch.Tensor: Of the shape of ``mixture``.
    """
    return (mixture - magnitudes.clamp_min(0).sum(0)).clamp_min(0)


def share_remainder(
    sources: torch.Tensor, mixture: torch.Tensor, sample_rate: int, cutoff: float
) -> torch.Tensor:
    """Splits what the sources lack of the mixture in proportion to their energy below a cutoff.

    For what lies above the band that a model separates: each frame of it is split as the energy in
    the octave below ``cutoff`` is.

    Args:
        sources (torch.Tensor): (n_src, ..., time).
        mixture (torch.Tensor): (..., time).
        sample_rate (int): Sample rate, Hz.
        cutoff (float): Top of the band that was separated, Hz.

    Returns:
        torch.Tensor: (n_src, ..., time), summing to the mixture.
    """
    n = mixture.shape[-1]
    short = max(0, N_FFT - n)
    top = int(cutoff / sample_rate * N_FFT)
    # Source by source: the spectrograms of all take several times the memory of the sources.
    treble = []
    for source in sources:
        spec = stft(F.pad(source, (0, short)), N_FFT, HOP)[..., top // 2 : top, :]
        treble.append(torch.view_as_real(spec).square().sum((-3, -1)))
    gains = shares(torch.stack(treble))
    # Overlap-add of frames that are scaled as a whole scales the signal: no transform is needed.
    window = torch.hann_window(N_FFT, dtype=sources.dtype, device=sources.device)
    blocks = window.square().view(-1, HOP)
    around = len(blocks) - 1
    gains = F.pad(gains, (around, around)).unfold(-1, len(blocks), 1) @ blocks.flip(0)
    gains = gains.flatten(-2)[..., N_FFT // 2 : N_FFT // 2 + n]
    return sources + gains / gains.sum(0) * (mixture - sources.sum(0))


def subsonics(wav: torch.Tensor, sample_rate: float) -> torch.Tensor:
    """Returns what the encoders should not hear, as they would take it for loud music.

    That is a constant offset and what moves as slowly. Sounds between 6 and 20 Hz belong to the
    drums, and stay; where they are too loud for that, they are rumble.

    Args:
        wav (torch.Tensor): (..., time).
        sample_rate (float): Sample rate, Hz.

    Returns:
        torch.Tensor: (..., time).
    """
    low, offset = (low_band(wav, sample_rate, cutoff) for cutoff in (SUBSONIC, OFFSET))
    # Without the offset, which must not decide about the rest.
    power, whole = ((x - offset).square().mean(-1, keepdim=True) for x in (low, wav))
    return low.where(power > RUMBLE * whole, offset)


def low_band(wav: torch.Tensor, sample_rate: float, cutoff: float) -> torch.Tensor:
    """Returns what lies below a frequency, in phase with the signal.

    The gain falls from one, an octave below the cutoff, to zero at the cutoff.

    Args:
        wav (torch.Tensor): (..., time).
        sample_rate (float): Sample rate, Hz.
        cutoff (float): Hz.

    Returns:
        torch.Tensor: (..., time).

    Examples:
        >>> low_band(torch.ones(1, 1, 100), 8000, 20).mean().round(decimals=4).item()
        1.0
    """
    n = wav.shape[-1]
    # Reflected at the ends, because a jump there would ring.
    pad = min(n - 1, round(4 * sample_rate / cutoff))
    flat = F.pad(wav.reshape(1, -1, n), (pad, pad), "reflect")
    spec = torch.fft.rfft(flat)
    frequency = torch.fft.rfftfreq(flat.shape[-1], 1 / sample_rate, device=wav.device)
    gain = (2 - 2 * frequency / cutoff).clamp(0, 1)
    low = torch.fft.irfft(spec * gain, flat.shape[-1])
    return low[..., pad : pad + n].reshape(wav.shape)


def give_low_back(
    sources: torch.Tensor, low: torch.Tensor, sample_rate: float, has_residual: bool
) -> torch.Tensor:
    """Gives what was set aside below the music to one source, so that the others do without.

    That is the residual, if there is one, and otherwise the source with the most energy below 40
    Hz. One source must take it, or the sum is wrong; shared out, it would harm them all:
    see the page on the method.

    Args:
        sources (torch.Tensor): (n_src, batch, channels, time).
        low (torch.Tensor): From :func:`subsonics`, (batch, channels, time).
        sample_rate (float): Sample rate, Hz.
        has_residual (bool): Whether the last source is the residual.

    Returns:
        torch.Tensor: (n_src, batch, channels, time), ``sources`` itself.
    """
    if has_residual:
        sources[-1] += low
        return sources
    # Means of a few samples are enough for what is so low, and much less to transform.
    cutoff = 2 * SUBSONIC
    step = max(1, min(int(sample_rate / (8 * cutoff)), sources.shape[-1]))
    coarse = F.avg_pool1d(sources.flatten(0, 2)[:, None], step).view(*sources.shape[:3], -1)
    energy = low_band(coarse, sample_rate / step, cutoff).square().sum((-2, -1))
    for item, source in enumerate(energy.argmax(0)):
        sources[source, item] += low[item]
    return sources
