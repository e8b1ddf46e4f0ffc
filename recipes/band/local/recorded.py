"""Brings real players and singers into the pool: `recorded.py SOURCES POOL [--scale 1]`.

Direct recordings of guitars and basses pass several drawn amplifiers; a guitar before a microphone
and singers are written as they are and with effects, and further singers are made of those. Reads
`direct`, `guitarset` and `vocadito` below SOURCES; what is not there is left out.
"""

import argparse
import logging
import math
from pathlib import Path

import numpy as np
from effects import random_chain
from pool_licences import write_licences
from sampler_pool import write_solo
from vocals_cc0 import distinct_phrases, write_singers
from vocals_common import finish, join, load, write

logger = logging.getLogger("recorded")

# Group, source, folder, pattern of the files, and the effects of each copy (None: as it is).
PLAYED = (
    ("guitar_direct", "guitar", "direct", ("*/*Guitar.wav", "*/*Riff.mp3"),
     ("guitar_clean", "guitar_crunch", "guitar_crunch", "guitar_high", "guitar_high")),
    ("guitar_acoustic", "guitar", "guitarset", ("**/*_mic.wav",), (None, "acoustic", "acoustic")),
    ("bass_direct", "bass", "direct", ("*/*Bass.wav",), (None, "bass", "bass", "bass", "bass")),
)  # fmt: skip
RATE = 44100  # Hz, of the effects: amplifiers add overtones
MOST = 40  # recordings of a group, spread over all there are
SUNG = 20  # minutes of further singers


def write_played(group, source, files, kinds, pool, seed):
    """Writes each recording with each chain of effects; returns minutes."""
    total = 0.0
    for number, path in enumerate(files):
        wav = load(path, RATE)
        name = "_".join(path.stem.replace("-", " ").split()).lower()
        for copy, kind in enumerate(kinds):
            rng = np.random.default_rng([seed, number, copy])
            got = wav if kind is None else random_chain(kind, rng, codec=0.15)(wav, RATE)
            total += write_solo(got, RATE, pool / group / source, f"{name}_{copy}")
    write_licences(pool, group)
    return total / 60


def write_sung(group, files, pool, minutes, seed):
    """Writes singers as they are and mixed as on records, and `minutes` of further singers."""
    rng, phrases = np.random.default_rng(seed), []
    for path in files:
        parts = distinct_phrases(load(path), [])
        phrases += [(path.stem, part) for part in parts]
        for number, piece in enumerate(join(parts, rng)):
            copies = [piece, finish(piece, rng, dry=0), finish(piece, rng, dry=0)]
            for copy, wav in enumerate(copies):
                write(pool / group / "vocals" / f"{path.stem}_{number}_{copy}.ogg", wav)
    write_singers(phrases, pool / f"{group}_shifted", minutes, rng)
    for name in (group, f"{group}_shifted"):
        write_licences(pool, name)


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of recordings")
    parser.add_argument("pool", type=Path, help="pool to write to")
    parser.add_argument(
        "--scale", type=float, default=1, help=f"of {SUNG} minutes of further singers"
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    for group, source, folder, patterns, kinds in PLAYED:
        files = sorted(p for pattern in patterns for p in (args.sources / folder).glob(pattern))
        if files:
            files = files[:: math.ceil(len(files) / MOST)]
            minutes = write_played(group, source, files, kinds, args.pool, args.seed)
            logger.info("%s: %.1f minutes", group, minutes)
        else:
            logger.warning("no recordings in %s, so no %s", args.sources / folder, group)
    singers = sorted((args.sources / "vocadito").rglob("*.wav"))
    if singers:
        write_sung("vocals_alone", singers, args.pool, SUNG * args.scale, args.seed)
    else:
        logger.warning("no recordings in %s, so no vocals_alone", args.sources / "vocadito")


if __name__ == "__main__":
    main()
