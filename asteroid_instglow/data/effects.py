"""Random effects on batches of excerpts, on any device: what recording and mixing do to a sound."""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

N_POINTS = 8  # of a random equaliser's curve
LOWEST = 8  # bins below which the curve is nearly linear in frequency
LONGEST_DECAY = 0.25  # of an excerpt


def apply_effects(
    wav: torch.Tensor,
    eq_db: float = 0.0,
    p_effect: float = 0.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Varies each excerpt on its own: equaliser, soft clipping, room, gain ride.

    Args:
        wav (torch.Tensor): (..., time); zeros stay zeros.
        eq_db (float): Spread of the random equaliser on every excerpt, dB.
        p_effect (float): Chance of each of the other effects.
        generator (torch.Generator, optional): On the device of ``wav``; by default torch's own.

    Returns:
        torch.Tensor: Of the same shape.

    Examples:
        >>> apply_effects(torch.randn(8, 4, 22050), eq_db=3.0, p_effect=0.2).shape
        torch.Size([8, 4, 22050])
    """
    flat = wav.reshape(-1, wav.shape[-1])
    if eq_db:
        flat = equalise(flat, eq_db, generator)
    for effect in (soft_clip, reverberate, ride) if p_effect else ():
        flat = change_some(effect, flat, p_effect, generator)
    return flat.view_as(wav)


def change_speed(wav: np.ndarray, rate: float, length: int) -> np.ndarray:
    """Plays a recording faster (and higher) by ``rate``, as a tape would.

    Linear interpolation: its slight dulling is one more variation of the timbre.

    Args:
        wav (numpy.ndarray): (time,), at least ``length * rate + 1`` samples.
        rate (float): Factor; 1 changes nothing.
        length (int): Number of samples wanted.

    Returns:
        numpy.ndarray: (length,).
    """
    position = np.arange(length) * rate
    index = position.astype(np.int64)
    part = (position - index).astype(wav.dtype)
    return wav[index] * (1 - part) + wav[np.minimum(index + 1, len(wav) - 1)] * part


def equalise(
    wav: torch.Tensor, spread_db: float, generator: torch.Generator | None
) -> torch.Tensor:
    """Filters each excerpt by a random smooth curve, even in log frequency; keeps its level.

    Args:
        wav (torch.Tensor): (batch, time).
        spread_db (float): Standard deviation of the gain, dB.
        generator (torch.Generator): On the device of ``wav``.
    """
    n = wav.shape[-1]
    points = torch.randn(len(wav), 1, N_POINTS, device=wav.device, generator=generator)
    n_bins = n // 2 + 1
    curve = F.interpolate(points * spread_db, size=512, mode="linear", align_corners=True)[:, 0]
    frequency = torch.arange(n_bins, device=wav.device) / n_bins * 1024
    position = torch.log1p(frequency / LOWEST) / math.log1p(1024 / LOWEST)
    gain = 10 ** (curve[:, (position * 511).long()] / 20)
    return _as_loud(torch.fft.irfft(torch.fft.rfft(wav) * gain, n), wav)


def change_some(
    effect: Callable, wav: torch.Tensor, chance: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Applies an effect to some excerpts.

    Args:
        effect (Callable): Changes excerpts (batch, time), with random numbers from a generator.
        wav (torch.Tensor): (batch, time).
        chance (float): Chance that an excerpt is changed.
        generator (torch.Generator, optional): On the device of ``wav``.
    """
    chosen = torch.rand(len(wav), device=wav.device, generator=generator) < chance
    if wav.device.type != "cpu":  # to count the chosen ones would wait for the device
        return torch.where(chosen[:, None], effect(wav, generator), wav)
    if not chosen.any():
        return wav
    return wav.index_put((chosen.nonzero()[:, 0],), effect(wav[chosen], generator))


def soft_clip(wav: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Drives excerpts into a soft limiter, by 0 to 18 dB above their peak's linear range."""
    drive = 10 ** (torch.rand(len(wav), 1, device=wav.device, generator=generator) * 18 / 20)
    peak = wav.abs().amax(1, keepdim=True).clamp_min(1e-5)
    return _as_loud(torch.tanh(wav / peak * drive), wav)


def reverberate(wav: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Adds the sound of a random room to excerpts: noise that decays exponentially."""
    batch, n = wav.shape
    random = torch.rand(3, batch, 1, device=wav.device, generator=generator)
    length = max(1, int(LONGEST_DECAY * n))
    time = torch.arange(length, device=wav.device)
    decay = length * 0.02 ** (1 - random[0])  # samples to a tenth
    room = torch.randn(batch, length, device=wav.device, generator=generator)
    # A darker room has less treble: a moving average of neighbours.
    room = room + random[1] * F.pad(room, (1, 0))[:, :-1]
    room = room * torch.exp(-2.3 * time / decay)
    room = room / room.square().sum(1, keepdim=True).sqrt()
    size = 2 ** (n + length - 1).bit_length()  # fast to transform
    wet = torch.fft.irfft(torch.fft.rfft(wav, size) * torch.fft.rfft(room, size), size)[:, :n]
    level = 10 ** ((random[2] * 15 - 18) / 20)  # -18 to -3 dB beside the dry sound
    return _as_loud(wav + level * wet, wav)


def ride(wav: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Moves the level of excerpts smoothly, within about 3 dB."""
    points = torch.randn(len(wav), 1, 6, device=wav.device, generator=generator) * 3
    curve = F.interpolate(points, size=wav.shape[-1], mode="linear", align_corners=True)[:, 0]
    return wav * 10 ** (curve / 20)


def _as_loud(changed: torch.Tensor, wav: torch.Tensor) -> torch.Tensor:
    energy = wav.square().sum(1, keepdim=True)
    return changed * (energy / changed.square().sum(1, keepdim=True).clamp_min(1e-12)).sqrt()
