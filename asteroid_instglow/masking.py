"""From what the priors explain to sources that sum to the mixture."""

import torch
import torch.nn.functional as F

from .audio.stft import istft, stft


def shares(magnitudes, power=1.0):
    r"""Ratio masks :math:`x_i^p / \sum_j x_j^p`: not negative, they sum to one in every bin.

    Negative magnitudes, which a flow may decode, count as zero: divided by a sum near zero they
    would blow up. Where no source has anything, all get the same share.

    Args:
        magnitudes (torch.Tensor): (n_src, ...).
        power (float): 1 is the paper's Wiener step, 2 the Wiener filter of power spectra.

    Returns:
        torch.Tensor: (n_src, ...).
    """
    x = magnitudes.clamp_min(0)
    peak = x.amax(0, keepdim=True)
    # Scaled by the largest, so that no power or sum underflows or overflows.
    powered = (x / torch.where(peak > 0, peak, 1)).pow(power)
    even = torch.full_like(powered, 1 / len(powered))
    return torch.where(peak > 0, powered / powered.sum(0, keepdim=True), even)


def project_sum(estimates, mixture, weights=None):
    r"""Moves estimates to the nearest ones that sum to the mixture.

    .. math:: \hat x_i = \mu_i + w_i \Big(y - \sum_j \mu_j\Big), \quad \sum_i w_i = 1

    With variances for weights, :math:`w_i = v_i / \sum_j v_j`, it is the posterior mean of
    independent Gaussian estimates with means :math:`\mu_i` and variances :math:`v_i`, given that
    they sum to y.

    Args:
        estimates (torch.Tensor): Means, (n_src, ...), real or complex.
        mixture (torch.Tensor): y, of the shape of one estimate.
        weights (torch.Tensor, optional): w before they are scaled, not negative, (n_src, ...); by
            default all the same.

    Returns:
        torch.Tensor: (n_src, ...).
    """
    missing = mixture - estimates.sum(0)
    if weights is None:
        return estimates + missing / len(estimates)
    return estimates + shares(weights) * missing


def residual_magnitude(mixture, magnitudes):
    """What no source explains: the positive part of the mixture less the sum of the sources.

    Args:
        mixture (torch.Tensor): Magnitudes. magnitudes (torch.Tensor): (n_src, ...).
    """
    return (mixture - magnitudes.clamp_min(0).sum(0)).clamp_min(0)


def share_remainder(sources, mixture, sample_rate, cutoff, n_fft=2048):
    """Gives the sources what their sum lacks of the mixture, frame by frame like their treble.

    For what lies above the band that the priors know (``cutoff``): the brightness of a frame there
    is split as the octave below the cutoff is.

    Args:
        sources (torch.Tensor): (n_src, ..., time).
        mixture (torch.Tensor): (..., time).
        sample_rate (int): Hz.
        cutoff (float): Top of the band that was separated, Hz.

    Returns:
        torch.Tensor: (n_src, ..., time), summing to the mixture.
    """
    n = mixture.shape[-1]
    short = max(0, n_fft - n)
    missing = F.pad(mixture - sources.sum(0), (0, short))
    spec = stft(F.pad(sources, (0, short)), n_fft, n_fft // 4)
    top = int(cutoff / sample_rate * n_fft)
    treble = spec[..., top // 2 : top, :].abs().square().sum(-2, keepdim=True)
    parts = shares(treble) * stft(missing, n_fft, n_fft // 4)
    return sources + istft(parts, n_fft, n_fft // 4, n + short)[..., :n]
