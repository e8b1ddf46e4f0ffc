"""Scores what the places of the sources add, on songs that are mixed in stereo in three ways.

    stereo.py SONGS [--system band] [--seconds 20] [--output FILE]

SONGS holds one folder per song with a file per source, as for real.py. Each source gets a place by
its level in both channels ("panned"), and besides the echoes of a room, other ones in each channel
and for each source ("small room", "large room", the last with a delay between the channels, too);
"mono" has equal channels. Scores as those of real.py, mean of both channels.
"""

import argparse
import json
from pathlib import Path

import torch
from quality import machine
from real import RATE, read_song, summary

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.evaluation.metrics import window_sdr

SOURCES = ["bass", "drums", "guitar", "vocals"]
# Level of each source on the left and on the right.
PANNED = {"bass": (1, 1), "drums": (1, 0.8), "guitar": (1, 0.3), "vocals": (1, 1)}
NEARER = {"bass": (1, 1), "drums": (1, 1), "guitar": (1, 0.5), "vocals": (1, 1)}
SMALL = {"bass": 0.05, "drums": 0.6, "guitar": 0.4, "vocals": 0.3}  # level of the echoes
LARGE = {"bass": 0.1, "drums": 0.9, "guitar": 0.7, "vocals": 0.5}
# Levels, level and decay of the echoes (seconds), samples that the right channel comes later.
MIXES = {
    "mono": (dict.fromkeys(SOURCES, (1, 1)), {}, 0.0, {}),
    "panned": (PANNED, {}, 0.0, {}),
    "small room": (NEARER, SMALL, 0.027, {}),
    "large room": (NEARER, LARGE, 0.09, {"guitar": 9, "drums": 4}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("songs", type=Path)
    parser.add_argument("--system", default="band")
    parser.add_argument("--seconds", type=float, default=20.0, help="first seconds of each song")
    parser.add_argument("--output", type=Path, help="JSON file of the results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = GenerativeSeparator.from_pretrained(args.system)
    paths = sorted(path for path in args.songs.iterdir() if path.is_dir())
    songs = [read_song(path, SOURCES, args.seconds)[1] for path in paths]
    found = {}
    for mix in MIXES:
        found[mix] = {"channels": [], "spatial": []}
        for song in songs:
            stems = {source: place(source, wav, *MIXES[mix]) for source, wav in song.items()}
            mixture = sum(stems.values())
            for stereo, scores in found[mix].items():
                sources = model.separate(mixture[None], sample_rate=RATE, stereo=stereo)[0]
                scores.append(score(stems, dict(zip(model.sources, sources))))
        for stereo, scores in found[mix].items():
            rows = {s: summary([row[s] for row in scores if s in row]) for s in SOURCES}
            mean = sum(row["mean"] for row in rows.values()) / len(rows)
            found[mix][stereo] = {**rows, "average": round(mean, 2)}
        print(mix, json.dumps(found[mix]), flush=True)
    if args.output:
        command = f"python benchmarks/stereo.py SONGS --system {args.system}"
        options = {"seconds": args.seconds, "machine": machine(), "dB": found}
        args.output.write_text(json.dumps({"command": command, **options}, indent=1) + "\n")


def place(source, wav, levels, echoes, decay, later):
    """Returns a source in stereo, (2, time)."""
    generator = torch.Generator().manual_seed(SOURCES.index(source))
    channels = []
    for channel, level in enumerate(levels[source]):
        delay = channel * later.get(source, 0)
        wet = torch.zeros_like(wav)
        if source in echoes:
            n = round(5 * decay * RATE)
            response = torch.randn(n, generator=generator)
            response *= torch.exp(-torch.arange(n) / (decay * RATE))
            response *= echoes[source] / response.norm()
            size = len(wav) + n
            wet = torch.fft.irfft(torch.fft.rfft(wav, size) * torch.fft.rfft(response, size), size)
        dry = torch.nn.functional.pad(wav, (delay, 0))[: len(wav)]
        channels.append(level * dry + wet[: len(wav)])
    return torch.stack(channels)


def score(stems, found):
    """Returns the score of each source, the mean of its channels."""
    return {
        source: sum(window_sdr(*pair, RATE) for pair in zip(stem, found[source])) / 2
        for source, stem in stems.items()
    }


if __name__ == "__main__":
    main()
