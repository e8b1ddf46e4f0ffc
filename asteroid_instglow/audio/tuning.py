"""Finds how far a recording is out of tune, and changes its pitch and speed together."""

import math

import torch

from .resampling import resample
from .stft import stft

A4 = 440.0  # Hz
RANGE = (100.0, 2000.0)  # Hz: lower, the bins are wider than semitones; higher, overtones are off
AUDIBLE = 0.01  # of the loudest bin of a piece, from which a peak counts
CLEAR = 0.1  # agreement of the peaks, 0 to 1, from which they tell a tuning
CHANCE = 3.0  # times the agreement of as many peaks at random (p = 1e-4)
IN_TUNE = 0.15  # semitones that encoders do not mind (docs/quality.md)
STEPS = 100  # the speed changes by hundredths, a sixth of a semitone: the filters are short


def tuning_of(wav: torch.Tensor, sample_rate: int, n_fft: int) -> float:
    """Estimates by how much the music is sharp or flat against equal temperament at 440 Hz.

    Peaks of the spectrogram vote with the square root of their magnitudes, as points on a circle
    that is one semitone long.

    Args:
        wav (torch.Tensor): (channels, time).
        sample_rate (int): Hz.
        n_fft (int): Window of the spectrogram, samples.

    Returns:
        float: Semitones, -0.5 to 0.5, positive if sharp; 0 if the peaks do not agree.

    References
        - [1] : "Directional Statistics", Mardia and Jupp 1999 (mean direction, Rayleigh's test).

    Examples:
        >>> tone = torch.sin(2 * torch.pi * 446.4 * torch.arange(22050) / 22050)
        >>> round(tuning_of(tone[None], 22050, 2048), 2)
        0.25
    """
    magnitude = stft(wav, n_fft, n_fft // 2).abs()
    low, high = (min(round(edge * n_fft / sample_rate), n_fft // 2) for edge in RANGE)
    low = max(low, 1)
    below, at, above = (magnitude[:, low + i : high + i] for i in (-1, 0, 1))
    peaks = (at > below) & (at >= above) & (at > AUDIBLE * magnitude.amax())
    if not peaks.any():
        return 0.0
    left, mid, right = (part[peaks].clamp_min(1e-20).log() for part in (below, at, above))
    # The top of the parabola through three points of the logarithm.
    offset = 0.5 * (left - right) / (left - 2 * mid + right).clamp_max(-1e-6)
    bins = torch.arange(low, high, device=wav.device).view(-1, 1).expand_as(at)[peaks] + offset
    semitones = 12 * torch.log2(bins * (sample_rate / n_fft / A4))
    weights = at[peaks].sqrt()
    mean = torch.polar(weights, 2 * math.pi * semitones).sum() / weights.sum()
    by_chance = float(weights.square().sum().sqrt() / weights.sum())
    is_clear = float(mean.abs()) > max(CLEAR, CHANCE * by_chance)
    return float(mean.angle()) / (2 * math.pi) if is_clear else 0.0


def out_of_tune(wav: torch.Tensor, sample_rate: int, n_fft: int) -> float:
    """Returns :func:`tuning_of`, or 0 if that is hardly out of tune."""
    semitones = tuning_of(wav, sample_rate, n_fft)
    return semitones if abs(semitones) > IN_TUNE else 0.0


def retune(wav: torch.Tensor, semitones: float, back: bool = False) -> torch.Tensor:
    """Lowers the pitch by ``semitones``, played slower; ``back`` undoes it, up to the length.

    Args:
        wav (torch.Tensor): (..., time).
        semitones (float): As :func:`tuning_of` returns them, rounded to sixths of one.
        back (bool): Raise the pitch instead, played faster.

    Returns:
        torch.Tensor: (..., time * 2 ** (semitones / 12)), or divided by that.
    """
    rates = 1000 * STEPS, 1000 * round(STEPS * 2 ** (semitones / 12))
    return resample(wav, *(rates[::-1] if back else rates))
