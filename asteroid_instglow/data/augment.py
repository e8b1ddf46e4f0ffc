"""Other timbres and keys from the same recordings: speed, equaliser, polarity."""

import numpy as np
from scipy import fft

_LOWEST = 30.0  # Hz
_POINTS = 6


def change_speed(wav, rate, length):
    """Plays ``wav`` faster (higher) by ``rate``, as a tape would.

    Linear interpolation: its faint dulling is one more variation of the timbre.

    Args:
        wav (numpy.ndarray): (time,), at least ``length * rate + 1`` samples.
        rate (float): 1 leaves it as it is.
        length (int): Samples wanted.
    """
    position = np.arange(length) * rate
    index = position.astype(np.int64)
    part = (position - index).astype(wav.dtype)
    return wav[index] * (1 - part) + wav[np.minimum(index + 1, len(wav) - 1)] * part


def equalise(wav, rng, sample_rate, spread_db):
    """A random smooth equaliser that keeps the level.

    Args:
        wav (numpy.ndarray): (time,).
        rng (numpy.random.Generator): Source of randomness.
        sample_rate (int): Hz.
        spread_db (float): Standard deviation of the gain, dB.
    """
    frequency = np.fft.rfftfreq(len(wav), 1 / sample_rate)
    octave = np.log2(np.maximum(frequency, _LOWEST) / _LOWEST)
    knots = np.linspace(0, octave[-1], _POINTS)
    gain = np.interp(octave, knots, rng.normal(0, spread_db, _POINTS))
    out = fft.irfft(fft.rfft(wav) * (10 ** (gain / 20)).astype(wav.dtype), len(wav))
    level = np.sqrt(np.mean(np.square(wav)) / (np.mean(np.square(out)) + 1e-20))
    return (out * level).astype(np.float32)
