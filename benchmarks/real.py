"""Scores separators on real songs, source by source, beside simple systems and an oracle.

real.py SONGS --systems band minislakh baselines/nmf --output results/real.json

SONGS holds one folder per song with a file per source (vocals.flac, bass.flac, ...). A song is the
sum of its sources, mono, at the separator's rate. The score is the signal-to-error ratio of 1-s
windows in which the source plays, median over windows, mean over songs, in dB, with a 95 % interval
over songs. "karaoke" scores the vocals against the sum of all the rest. A system is the name or
folder of priors, or the folder of a trained baseline; sources it lacks get an even share of its
residual.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from quality import machine

from asteroid_instglow import GenerativeSeparator, load_audio
from asteroid_instglow.audio import resample
from asteroid_instglow.audio.stft import istft, stft
from asteroid_instglow.baselines import load_baseline
from asteroid_instglow.evaluation.metrics import window_sdr
from asteroid_instglow.masking import shares

RATE = 22050
REST = "rest"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("songs", type=Path)
    parser.add_argument("--systems", nargs="*", default=[], metavar="NAME|DIR")
    parser.add_argument("--sources", nargs="+", default=["bass", "drums", "guitar", "vocals"])
    parser.add_argument("--seconds", type=float, help="first seconds of each song; all by default")
    parser.add_argument("--sharp", type=float, default=0.0, help="semitones to play the songs up")
    parser.add_argument("--options", default="{}", help="JSON with options of the separation")
    parser.add_argument("--output", type=Path, help="JSON file of the results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    songs = [
        read_song(path, args.sources, args.seconds, args.sharp)
        for path in sorted(args.songs.iterdir())
        if path.is_dir()
    ]
    options = json.loads(args.options)
    systems = {"mixture": even_split, "ratio mask": ratio_mask}
    systems |= {name: load_system(name, options) for name in args.systems}
    result = {
        "command": "python benchmarks/real.py SONGS --systems " + " ".join(args.systems),
        "options": options,
        "seconds": args.seconds,
        "sharp": args.sharp,
        "machine": machine(),
        "songs": [name for name, _ in songs],
        "systems": {name: score(system, songs, args.sources) for name, system in systems.items()},
    }
    for name, row in result["systems"].items():
        values = "  ".join(f"{key} {value['mean']:.2f}" for key, value in row["dB"].items())
        print(f"{name}: {values}  ({row['seconds_per_second']:.3f} s a second)")
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=1) + "\n")


def read_song(folder, sources, seconds=None, sharp=0.0):
    """Returns the name of a song and its stems by source, (time,) each, played up and faster."""
    stems = {}
    for source in sources:
        for path in folder.glob(f"{source}.*"):
            wav, rate = load_audio(path)
            # A multiple of 50 Hz: rates with common factors are resampled faster.
            stems[source] = resample(wav.mean(0), rate, 50 * round(RATE / 2 ** (sharp / 12) / 50))
    length = min(len(wav) for wav in stems.values())
    length = length if seconds is None else min(length, round(seconds * RATE))
    return folder.name, {source: wav[:length] for source, wav in stems.items()}


def even_split(mixture, stems):
    return {source: mixture / len(stems) for source in stems}


def ratio_mask(mixture, stems):
    spectra = stft(torch.stack(list(stems.values())), 2048, 512)
    masked = shares(spectra.abs()) * stft(mixture, 2048, 512)
    return dict(zip(stems, istft(masked, 2048, 512, len(mixture))))


def load_system(name, options):
    """Returns a function from a mixture to estimates by source."""
    try:
        model = load_baseline(name)
    except (ValueError, FileNotFoundError):
        model = GenerativeSeparator.from_pretrained(name, **options)

    def separate(mixture, stems):
        estimates = dict(zip(model.sources, model.separate(mixture[None], sample_rate=RATE)[0]))
        missing = [source for source in stems if source not in estimates]
        if missing:
            left = mixture - sum(estimates[s] for s in stems if s in estimates)
            estimates |= {source: left / len(missing) for source in missing}
        return estimates

    return separate


def score(system, songs, sources):
    """Returns a system's scores by source and song, their means and its time."""
    found, cost, length = {source: {} for source in [*sources, "karaoke", REST]}, 0.0, 0
    for name, stems in songs:
        mixture = torch.stack(list(stems.values())).sum(0)
        began = time.process_time()
        estimates = system(mixture, stems)
        cost, length = cost + time.process_time() - began, length + len(mixture) / RATE
        for source, stem in stems.items():
            found[source][name] = window_sdr(stem, estimates[source], RATE)
        if "vocals" in stems:
            found["karaoke"][name] = found["vocals"][name]
            rest = mixture - stems["vocals"]
            found[REST][name] = window_sdr(rest, mixture - estimates["vocals"], RATE)
    rows = {source: summary(list(values.values())) for source, values in found.items() if values}
    played = [rows[source]["mean"] for source in sources if source in rows]
    rows["average"] = {"mean": round(float(np.mean(played)), 3)}
    songs_dB = {s: {n: round(v, 2) for n, v in values.items()} for s, values in found.items()}
    return {"dB": rows, "songs": songs_dB, "seconds_per_second": round(cost / length, 4)}


def summary(values):
    """Returns the mean over songs and the half width of its 95 % interval."""
    half = 1.96 * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return {"mean": round(float(np.mean(values)), 2), "interval": round(float(half), 2)}


if __name__ == "__main__":
    main()
