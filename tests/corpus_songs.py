"""Songs of a small corpus, and what its manifest says of them."""

import json

import numpy as np
import soundfile

from asteroid_instglow.corpus.manifest import FOLDER

RATE = 8000


def write_songs(folder, n, seconds=1.0):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(n):
        soundfile.write(
            folder / f"{i:02}.wav", 0.1 * rng.standard_normal(int(seconds * RATE)), RATE
        )


def records(output):
    lines = [
        json.loads(line)
        for part in sorted((output / FOLDER).glob("*.jsonl"))
        for line in part.read_text().splitlines()
    ]
    return [line for line in lines if "path" in line]
