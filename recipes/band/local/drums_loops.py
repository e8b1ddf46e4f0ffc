"""Cuts solos from the CC0 drum stems of songs: the stems of one song summed, silence closed.

    python local/drums_loops.py --stems STEMS --pool POOL --variants 1

STEMS holds files named <song>.<title>_Stem_<part>.ogg, all of one song equally long. Each variant
draws other levels, another speed and an effect chain; variant 0 is the songs' own sum.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import soundfile as sf
from effects import random_chain
from pool import RATE, close_gaps, write
from pool_licences import write_licences

HATS = ("HATS", "SCRATCH")


def activity(wav: np.ndarray, seconds: float = 2.0) -> np.ndarray:
    """Returns for each block whether the signal is within 20 dB of its loudest block."""
    hop = int(seconds * RATE)
    n = max(1, len(wav) // hop)
    level = np.sqrt((wav[: n * hop].reshape(n, -1) ** 2).mean(1))
    return level > 0.1 * level.max()


def sum_song(paths: list, rng, vary: bool) -> np.ndarray:
    """Sums a song's stems where more than hi-hats play."""
    total, beats = 0, None
    for path in paths:
        wav, rate = sf.read(path, dtype="float32")
        if rate != RATE:
            raise ValueError(f"stems must be of {RATE} Hz, got {rate} in {path}")
        part = path.stem.split("_Stem_")[1]
        if not any(word in part for word in HATS) or "KICK" in part:
            active = activity(wav)
            n = len(active) if beats is None else min(len(active), len(beats))
            beats = active[:n] if beats is None else active[:n] | beats[:n]
        gain = 10 ** (rng.uniform(-6, 6) / 20) if vary else 1.0
        n = len(wav) if isinstance(total, int) else min(len(wav), len(total))
        total = gain * wav[:n] + (0 if isinstance(total, int) else total[:n])
    hop = int(2.0 * RATE)
    keep = np.repeat(beats, hop)[: len(total)]
    return total[: len(keep)][keep]


def main():
    """Cuts all songs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stems", type=Path, required=True, help="folder of drum stems")
    parser.add_argument("--pool", type=Path, required=True, help="folder of solos")
    parser.add_argument(
        "--variants", type=int, default=1, help="versions besides the songs' own sum"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rng = np.random.default_rng(args.seed)
    songs = {}
    for path in sorted(args.stems.glob("*_Stem_*.ogg")):
        songs.setdefault(path.name.split("_")[0], []).append(path)
    if not songs:
        raise FileNotFoundError(f"stems must hold *_Stem_*.ogg, got none in {args.stems}")
    seconds = 0.0
    for song, paths in songs.items():
        for variant in range(args.variants + 1):
            wav = close_gaps(sum_song(paths, rng, variant > 0))
            if variant:
                speed = rng.uniform(0.92, 1.08)
                places = np.arange(int(len(wav) / speed)) * speed
                wav = np.interp(places, np.arange(len(wav)), wav)
            length = 30 * RATE
            for index, start in enumerate(range(0, len(wav) - 8 * RATE, length)):
                piece = wav[start : start + length].astype(np.float32)
                if variant:
                    piece = random_chain("drums", rng)(piece, RATE)
                name = f"{song}-{variant}-{index:02d}"
                seconds += write(args.pool / "drums_cc0" / "drums", name, piece)
    write_licences(args.pool, "drums_cc0")
    logging.info("drums_cc0: %.1f min", seconds / 60)


if __name__ == "__main__":
    main()
