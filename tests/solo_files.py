"""Small solo recordings that tests read."""

import numpy as np
import soundfile as sf

RATE = 8000


def write(path, wav, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, wav, rate, subtype="PCM_16")


def noise(seconds, seed=0, scale=0.1, rate=RATE):
    return np.random.default_rng(seed).standard_normal(int(seconds * rate)) * scale


def constant(seconds, level):
    return np.full(int(seconds * RATE), level)


def write_band(root):
    """Three tracks of three sources, each source of a level of its own."""
    for track in range(3):
        for number, source in enumerate(("bass", "drums", "piano")):
            path = root / f"T{track}" / f"{source}.flac"
            write(path, constant(2 + track, 2.0 ** -(3 + 2 * number)))
        write(root / f"T{track}" / "mixture.flac", noise(2))
    return root
