"""Writes solos into the pool in pieces, resampled to its rate."""

from pathlib import Path

import numpy as np
import pool
from scipy import signal


def to_pool_rate(wav, rate):
    """Resamples a mono signal to the pool's rate."""
    if rate == pool.RATE:
        return np.asarray(wav, dtype=np.float64)
    common = np.gcd(int(rate), pool.RATE)
    return signal.resample_poly(wav, pool.RATE // common, int(rate) // common)


def write_solo(wav, rate, folder, name, seconds=40.0):
    """Writes one solo as pieces of about `seconds`.

    Args:
        wav (numpy.ndarray): Mono signal.
        rate (int): Its sample rate in Hz.
        folder (str or Path): Folder of the source, such as pool/guitar_emily/guitar.
        name (str): Stem of the files' names.
        seconds (float): Length of a piece.

    Returns:
        float: Seconds written.
    """
    wav = pool.close_gaps(to_pool_rate(wav, rate))
    n_pieces = max(1, round(len(wav) / (seconds * pool.RATE)))
    pieces = np.array_split(wav, n_pieces)
    return sum(pool.write(Path(folder), f"{name}_{i:02d}", p) for i, p in enumerate(pieces))
