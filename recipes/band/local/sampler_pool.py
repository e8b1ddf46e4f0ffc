"""Fills a group of the pool: the command line, and solos in pieces, resampled to its rate."""

import argparse
import logging
import time
from pathlib import Path

import numpy as np
import pool
from pool_licences import write_licences
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


def read_arguments(description, groups):
    """Reads the command line of a program that renders one of `groups`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("group", choices=groups)
    parser.add_argument(
        "--samples", type=Path, required=True, help="folder of the sample libraries"
    )
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="sound fonts (*_fonts)")
    parser.add_argument("--pop909", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the pool")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=40, help="length of a piece")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def fill(args, source, rate, render):
    """Renders pieces until the group has its minutes.

    Args:
        args (argparse.Namespace): From `read_arguments`.
        source (str): Name of the source.
        rate (int): Sample rate of the pieces in Hz.
        render (Callable): From a random generator to (samples, word for the file's name, notes).
    """
    logging.basicConfig(level=logging.INFO)
    total, index = 0.0, 0
    while total < 60 * args.minutes:
        begin = time.monotonic()
        wav, word, about = render(np.random.default_rng([args.seed, index]))
        name = f"{args.group}_{args.seed}_{index:03d}_{word}"
        folder = args.out / args.group / source
        total += write_solo(wav, rate, folder, name, seconds=args.seconds * 1.3)
        logging.info("%s %s (%.1f s)", name, about, time.monotonic() - begin)
        index += 1
    write_licences(args.out, args.group)
