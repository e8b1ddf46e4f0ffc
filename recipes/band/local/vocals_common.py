"""Cuts, levels and writes vocal solos; used by the other `vocals_*` scripts.

Needs numpy, scipy, soundfile and what effects.py needs.
"""

import math

import numpy as np
import soundfile as sf
from effects import random_chain
from pool import write_vorbis
from scipy import signal

RATE = 22050

# Octave bands (centre in Hz) and the typical level of a pop or rock voice in each, in dB.
BANDS = (113, 226, 452, 905, 1810, 3620, 6400, 9200)
TYPICAL = (-28.0, -10.0, -7.5, -5.0, -8.5, -14.0, -25.0, -29.0)


def load(path, rate=RATE):
    """Returns a recording as mono float64 samples at `rate`."""
    wav, from_rate = sf.read(path, always_2d=True)
    wav = wav.mean(axis=1)
    if from_rate != rate:
        common = math.gcd(rate, from_rate)
        wav = signal.resample_poly(wav, rate // common, from_rate // common)
    return wav


def frame_level(wav, frame=RATE // 50):
    """Returns the RMS of each frame in dB (shape (n_frames,))."""
    n_frames = len(wav) // frame
    square = np.square(wav[: n_frames * frame]).reshape(n_frames, frame)
    return 10 * np.log10(square.mean(axis=1) + 1e-12)


def active_rms(wav):
    """Returns the RMS of the frames less than 30 dB below the loudest."""
    level = frame_level(wav)
    power = 10 ** (level / 10)
    return float(np.sqrt(power[level > level.max() - 30].mean()))


def to_level(wav, level=-20.0, peak=0.97):
    """Scales to `level` dB RMS where it sounds; lowers it further where `peak` would be passed."""
    wav = wav * 10 ** (level / 20) / active_rms(wav)
    return wav * min(1.0, peak / np.abs(wav).max())


def find_phrases(wav, below=38.0, gap=0.45, shortest=0.4, pad=0.08):
    """Finds where a stem sounds.

    Args:
        wav (numpy.ndarray): Samples at `RATE`.
        below (float): A frame sounds if it is less than this many dB below the loud frames.
        gap (float): Longest silence inside a phrase, in seconds.
        shortest (float): Length of the shortest phrase, in seconds.
        pad (float): Time kept before and twice after a phrase, in seconds.

    Returns:
        list of tuple: First and last sample of each phrase.
    """
    level = frame_level(wav)
    if not np.any(level > -70):
        return []
    sounds = np.flatnonzero(level > np.percentile(level[level > -70], 95) - below)
    frame = RATE // 50
    breaks = np.flatnonzero(np.diff(sounds) > gap * 50)
    starts = sounds[np.concatenate([[0], breaks + 1])] * frame
    ends = (sounds[np.concatenate([breaks, [len(sounds) - 1]])] + 1) * frame
    pad = int(pad * RATE)
    return [
        (max(0, a - pad), min(len(wav), b + 2 * pad))
        for a, b in zip(starts, ends)
        if b - a > shortest * RATE
    ]


def fade(wav, seconds=0.015):
    """Fades in and out."""
    n = min(int(seconds * RATE), len(wav) // 2)
    wav = wav.copy()
    wav[:n] *= np.linspace(0, 1, n)
    wav[len(wav) - n :] *= np.linspace(1, 0, n)
    return wav


def join(parts, rng, length=(20, 40), gap=(0.05, 0.5)):
    """Joins phrases, with short silences between, to pieces.

    Args:
        parts (list of numpy.ndarray): Phrases.
        rng (numpy.random.Generator): Random generator.
        length (tuple of float): Shortest and longest wanted piece in seconds.
        gap (tuple of float): Range of the silences in seconds.

    Returns:
        list of numpy.ndarray: The pieces; the last may be shorter.
    """
    pieces, current, target = [], [], rng.uniform(*length)
    for part in parts:
        current += [fade(part), np.zeros(int(rng.uniform(*gap) * RATE))]
        if sum(map(len, current)) > target * RATE:
            pieces.append(np.concatenate(current))
            current, target = [], rng.uniform(*length)
    if sum(map(len, current)) > 4 * RATE:
        pieces.append(np.concatenate(current))
    return pieces


def octave_levels(wav):
    """Returns the share of each band of `BANDS` in the loud frames' energy, in dB."""
    freq, _, spec = signal.stft(wav, RATE, nperseg=2048)
    power = np.abs(spec) ** 2
    total = power.sum(axis=0)
    power = power[:, total > 1e-3 * total.max()].mean(axis=1)
    edges = [80, 160, 320, 640, 1280, 2560, 5120, 8000, 10500]
    bands = [power[(freq >= a) & (freq < b)].sum() for a, b in zip(edges, edges[1:])]
    return 10 * np.log10(np.array(bands) / (power.sum() + 1e-12) + 1e-9)


def match_spectrum(wav, rng, spread=2.5, limit=16.0, strength=(0.8, 1.1)):
    """Equalizes towards a typical voice on a record, with a random error of `spread` dB a band."""
    wanted = np.array(TYPICAL) + rng.normal(0, spread, len(TYPICAL))
    gain = np.clip((wanted - octave_levels(wav)) * rng.uniform(*strength), -limit, limit)
    grid = np.concatenate([[0], BANDS, [RATE / 2]])
    gain = np.concatenate([gain[:1], gain, gain[-1:]])
    fine = np.geomspace(20, RATE / 2, 200)
    shape = np.interp(np.log(fine), np.log(np.maximum(grid, 20)), gain)
    taps = signal.firwin2(
        1023, np.concatenate([[0], fine[:-1], [RATE / 2]]),
        10 ** (np.concatenate([shape[:1], shape]) / 20), fs=RATE,
    )  # fmt: skip
    return signal.fftconvolve(wav, taps, mode="same")


def finish(wav, rng, dry=0.15):
    """Mixes a voice as on a record: random effects, then equalizer and low cut.

    Args:
        wav (numpy.ndarray): Samples at `RATE`.
        rng (numpy.random.Generator): Random generator.
        dry (float): Chance of no effects.
    """
    if rng.random() >= dry:
        tail = np.zeros(int(0.4 * RATE))
        wav = random_chain("vocals", rng)(np.concatenate([wav, tail]), RATE)
    if rng.random() < 0.85:
        wav = match_spectrum(wav, rng)
    cut = signal.butter(2, rng.uniform(60, 120), "highpass", fs=RATE, output="sos")
    return signal.sosfilt(cut, wav)


def write(path, wav, quality=0.3):
    """Writes a piece as Ogg Vorbis at -20 dB RMS.

    Args:
        path (pathlib.Path): File to write; its folder is made.
        wav (numpy.ndarray): Samples at `RATE`.
        quality (float): Vorbis quality, 0 to 1.
    """
    write_vorbis(path, to_level(np.asarray(wav, dtype=np.float64)).astype(np.float32), quality)
