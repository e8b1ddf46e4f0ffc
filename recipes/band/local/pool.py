"""Writes solos to the pool: one level, no long silences, Ogg Vorbis at 22 050 Hz."""

import argparse
import io
import logging
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 22050


def close_gaps(wav: np.ndarray, rate: int = RATE, longest: float = 1.0, floor: float = -48.0):
    """Shortens every silence to `longest` seconds.

    Args:
        wav (numpy.ndarray): Samples, shape (time,).
        rate (int): Sample rate in Hz.
        longest (float): Longest silence that stays, in seconds.
        floor (float): Level in dB below the loudest 20 ms that counts as silence.
    """
    hop = rate // 50
    n = len(wav) // hop
    if n == 0:
        return wav
    level = np.sqrt(np.mean(wav[: n * hop].reshape(n, hop) ** 2, axis=1) + 1e-14)
    loud = (level > level.max() * 10 ** (floor / 20)) & (level > 1e-5)
    keep, silent = np.ones(n, bool), 0
    for index in range(n):
        silent = 0 if loud[index] else silent + 1
        keep[index] = silent * hop <= longest * rate
    if not loud.any():
        return wav[:0]
    keep[: max(0, int(np.argmax(loud)) - 2)] = False
    return wav[: n * hop].reshape(n, hop)[keep].reshape(-1)


def level_of(wav: np.ndarray, rate: int = RATE) -> float:
    """Returns the RMS over the half seconds that play, those within 25 dB of the loudest."""
    hop = rate // 2
    n = max(1, len(wav) // hop)
    power = np.array([np.mean(part**2) for part in np.array_split(wav, n)])
    return float(np.sqrt(power[power >= power.max() * 10**-2.5].mean() + 1e-14))


def write(folder: Path, name: str, wav: np.ndarray, db: float = -20.0, quality: float = 0.27):
    """Writes one solo of 22 050 Hz.

    Args:
        folder (pathlib.Path): `<pool>/<group>/<source>`, made if missing.
        name (str): File name without suffix.
        wav (numpy.ndarray): Samples, shape (time,).
        db (float): RMS level where it plays; lower where its peaks would clip.
        quality (float): Vorbis quality in [0, 1].

    Returns:
        float: Seconds written.
    """
    wav = close_gaps(np.asarray(wav, np.float32))
    if len(wav) < 3 * RATE:
        return 0.0
    wav = wav * 10 ** (db / 20) / level_of(wav)
    wav = wav * min(1.0, 0.98 / np.abs(wav).max())
    write_vorbis(Path(folder) / f"{name}.ogg", wav, quality)
    return len(wav) / RATE


def write_vorbis(path: Path, wav: np.ndarray, quality: float):
    """Writes an Ogg Vorbis file at `RATE`, whole or not at all.

    Args:
        path (pathlib.Path): File to write; its folder is made.
        wav (numpy.ndarray): Samples, shape (time,).
        quality (float): Vorbis quality in [0, 1].
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = io.BytesIO()
    with sf.SoundFile(encoded, "w", RATE, 1, format="OGG", subtype="VORBIS",
                      compression_level=1 - quality) as file:  # fmt: skip
        # libsndfile's encoder overflows its stack on long writes.
        for start in range(0, len(wav), RATE):
            file.write(wav[start : start + RATE])
    # Beside the folder of the source, where training would find what a stopped run leaves.
    staged = path.parent.parent / f".{path.name}"
    staged.write_bytes(encoded.getvalue())
    staged.replace(path)


def begin(description: str, groups=None, midi: bool = False):
    """Reads the command line of a program that renders a group: (arguments, random generator)."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of samples")
    if midi:
        parser.add_argument("--midi", type=Path, required=True, help="POP909's folder of songs")
    parser.add_argument("--pool", type=Path, required=True, help="folder of solos")
    parser.add_argument("--group", required=True, choices=groups, help="group of the pool")
    parser.add_argument("--minutes", type=float, required=True, help="minutes to render")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return args, np.random.default_rng([args.seed, *args.group.encode()])
