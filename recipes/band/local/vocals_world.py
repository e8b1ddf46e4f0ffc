"""Takes voices apart into pitch, spectral envelope and aperiodicity with WORLD, and back.

Needs pyworld (MIT). Frames are 5 ms apart.
"""

import numpy as np
import pyworld
from scipy import ndimage
from vocals_common import RATE

FRAME_MS = 5.0
FRAMES_PER_SECOND = 200


def analyse(wav, floor=75.0, ceiling=900.0):
    """Returns pitch in Hz (0 where unvoiced), envelope and aperiodicity of a voice.

    Args:
        wav (numpy.ndarray): Samples at `RATE`.
        floor (float): Lowest pitch in Hz.
        ceiling (float): Highest pitch in Hz.

    Returns:
        tuple of numpy.ndarray: Shapes (n_frames,), (n_frames, n_freq), (n_frames, n_freq).
    """
    wav = np.ascontiguousarray(wav, dtype=np.float64)
    f0, time = pyworld.dio(
        wav, RATE, f0_floor=floor, f0_ceil=ceiling, frame_period=FRAME_MS, speed=4
    )
    f0 = pyworld.stonemask(wav, f0, time, RATE)
    envelope = pyworld.cheaptrick(wav, f0, time, RATE)
    return f0, envelope, pyworld.d4c(wav, f0, time, RATE)


def render(f0, envelope, aperiodicity):
    """Returns the samples of `analyse`'s three parts, changed or not."""
    return pyworld.synthesize(
        np.ascontiguousarray(f0, dtype=np.float64),
        np.ascontiguousarray(np.maximum(envelope, 1e-16), dtype=np.float64),
        np.ascontiguousarray(np.clip(aperiodicity, 1e-3, 1.0), dtype=np.float64),
        RATE,
        FRAME_MS,
    )


def warp_formants(envelope, scale):
    """Moves the formants to `scale` times their frequency (below 1: a longer vocal tract)."""
    n_freq = envelope.shape[1]
    source = np.arange(n_freq) / scale
    log = np.log(envelope + 1e-16)
    low = np.minimum(source.astype(int), n_freq - 2)
    part = np.clip(source - low, 0, 1)
    return np.exp(log[:, low] * (1 - part) + log[:, low + 1] * part)


def tilt(envelope, slope):
    """Adds `slope` dB per octave above 300 Hz; `slope` is a number or one for each frame."""
    freq = np.linspace(0, RATE / 2, envelope.shape[1])
    octaves = np.log2(np.maximum(freq, 300) / 300)
    slope = np.atleast_1d(slope)[:, None]
    return envelope * 10 ** (slope * np.minimum(octaves, 4.0) / 10)


def syllables(f0, envelope, shortest=0.11):
    """Cuts a sung or spoken phrase where its spectrum changes or its energy dips.

    Args:
        f0 (numpy.ndarray): Pitch in Hz, shape (n_frames,).
        envelope (numpy.ndarray): Shape (n_frames, n_freq).
        shortest (float): Length of the shortest syllable in seconds.

    Returns:
        list of tuple: First frame, frame where the vowel begins, and end of each syllable.
    """
    energy = 10 * np.log10(envelope.sum(axis=1) + 1e-16)
    energy[f0 == 0] -= 12
    smooth = ndimage.gaussian_filter1d(energy, 4)
    top = np.percentile(smooth, 90)
    shortest = int(shortest * FRAMES_PER_SECOND)
    # A vowel's centre: a local maximum of the smoothed energy; between two, the lowest point cuts.
    is_peak = (smooth == ndimage.maximum_filter1d(smooth, shortest)) & (smooth > top - 22)
    peaks = np.flatnonzero(is_peak & (f0 > 0))
    if len(peaks) < 2:
        return []
    cuts = [max(0, peaks[0] - 2 * shortest)]
    cuts += [a + int(np.argmin(smooth[a:b])) for a, b in zip(peaks, peaks[1:])]
    cuts.append(min(len(f0), peaks[-1] + 3 * shortest))
    found = []
    for start, peak, end in zip(cuts, peaks, cuts[1:]):
        if end - start < shortest or np.mean(f0[peak:end] > 0) < 0.4:
            continue
        rise = start + int(np.argmax(smooth[start : peak + 1] > smooth[peak] - 4))
        found.append((start, max(rise, start + 4), end))
    return found
