"""Packs the bundled solos: the loudest excerpt of some recordings of a pool of solos.

    pack_solos.py POOL SONGS OUTPUT

POOL is what recipes/band makes, <group>/<source>/*.ogg. Only groups of CC0, MIT or public-domain
sounds are taken, none of "other": that could be the instrument that is to be learned. SONGS are
songs of POP909 rendered with FluidR3_GM, <song>/<source>.flac, as "minislakh" was trained on.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile as sf

SECONDS, RATE = 8, 22050
SONG_SECONDS = 7  # many songs count for more than long ones
# Group: number of recordings.
GROUPS = {
    "bass": {"bass_growly": 4, "bass_six": 3, "bass_upright": 2, "bass_cc0": 1},
    "drums": {"drums_cc0": 6, "drums_fonts": 5},
    "guitar": {"guitar_metal": 3, "guitar_emily": 2, "guitar_blackgreen": 3, "guitar_shiny": 2},
    "piano": {"piano_fonts": 4},
    "vocals": {"vocals_cc0": 5, "vocals_cc0_more": 2, "vocals_yuki": 3},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("songs", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    for source, groups in GROUPS.items():
        (args.output / source).mkdir(parents=True, exist_ok=True)
        for group, n in groups.items():
            files = sorted((args.pool / group / source).glob("*.ogg"))
            pack(evenly(files, n), args.output / source, group.removeprefix(source + "_"), SECONDS)
        songs = sorted(args.songs.glob(f"*/{source}.flac"))
        pack(songs, args.output / source, "songs", SONG_SECONDS)


def evenly(files, n):
    """``n`` files, evenly through a list whose neighbours are alike."""
    return [files[index] for index in np.linspace(0, len(files) - 1, n).astype(int)]


def pack(files, folder, name, seconds):
    """Writes an excerpt of each file."""
    for number, file in enumerate(files):
        wav, rate = sf.read(file, dtype="float32")
        if rate != RATE:
            raise ValueError(f"{file} must be at {RATE} Hz, got {rate}")
        path = folder / f"{name}-{number}.ogg"
        options = {"format": "OGG", "compression_level": 0.8}
        with sf.SoundFile(path, "w", RATE, 1, "VORBIS", **options) as written:
            written.write(excerpt(wav, seconds * RATE))


def excerpt(wav, length):
    """The loudest part."""
    starts = range(0, max(1, len(wav) - length + 1), RATE)
    best = max(starts, key=lambda start: float(np.square(wav[start : start + length]).sum()))
    return wav[best : best + length]


if __name__ == "__main__":
    main()
