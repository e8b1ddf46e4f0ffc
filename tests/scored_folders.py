"""Writes folders of references and estimates for the tests of the evaluation."""

import numpy as np
import soundfile as sf

from asteroid_instglow.evaluation import evaluate_folders

RATE = 8000
SOURCES = ["bass", "drums"]


def signals(n_src=2, channels=1, seconds=3.0, seed=0):
    rng = np.random.default_rng(seed)
    shape = n_src, channels, int(seconds * RATE)
    references = 0.1 * rng.standard_normal(shape)
    noise = 0.1 * rng.standard_normal(shape)
    return references, references + rng.uniform(0.2, 0.8) * noise + 0.2 * np.roll(references, 1, 0)


def write(folder, source, wav, rate=RATE, suffix=".wav", subtype="DOUBLE"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source}{suffix}"
    sf.write(path, np.asarray(wav).T, rate, subtype if suffix == ".wav" else "PCM_16")
    return path


def evaluate(data, *args, **options):
    return evaluate_folders(data[0], data[1], *args, progress=False, **options)


def value(report, source, metric="SDR", protocol=None, system="estimates"):
    return report.summary[protocol or report.protocols[0]][system][source][metric]["value"]
