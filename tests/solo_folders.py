"""Folders of solos for the tests of training."""

import numpy as np
import soundfile

RATE = 4000


def write_solos(root, n=5, seconds=2.0, seed=0, gain=1.0):
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    for i in range(n):
        pitch = 55 * (i + 2 + 8 * seed)
        wav = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.02 * rng.standard_normal(len(time))
        path = root / "tone" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, gain * wav, RATE)
    return root
