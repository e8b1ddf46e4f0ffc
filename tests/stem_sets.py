"""Writes sets of stems for tests."""

import numpy as np

from asteroid_instglow.audio.stems import StemSet

NAMES = ["bass", "drums"]
AUDIO = {"sample_rate": 8000, "channels": 2, "frames": 3000}


def noise(scale=0.1, seed=0):
    return np.float32(scale * np.random.default_rng(seed).standard_normal((2, 2, 3000)))


def write(folder, blocks=3, wav=None, **options):
    wav = noise() if wav is None else wav
    with StemSet(folder, NAMES, **options) as stems:
        stems.start(**AUDIO)
        for block in np.array_split(wav, blocks, -1):
            stems.write(block)
    return stems.paths


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
