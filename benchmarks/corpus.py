"""Measures the separation of a corpus of short files with Ray, and the cost of each quality.

corpus.py --songs DIR [--n-files 1000] [--workers 1 2] [--ray ADDRESS]

The files are pieces of the mixtures of songs (<track>/<source>.flac), mono, 22 050 Hz. Each number
of workers separates all of them into a new folder, in a new process. "steady" counts from the first
song that is done to the last: without the start of Ray and of the models. The cost is CPU seconds
of a second of mono audio on one core, which other programs on the machine hardly change.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path

import soundfile as sf
import torch
from quality import machine

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.audio.io import load_audio
from asteroid_instglow.options import QUALITIES
from asteroid_instglow.utils.files import write_json

OUTPUT = Path(__file__).parent / "results" / "corpus.json"
RATE = 22050
COMMAND = "import sys; from asteroid_instglow.cli import main; sys.exit(main())"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--songs", type=Path, required=True, help="<track>/<source>.flac")
    parser.add_argument("--n-files", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a file")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="none: costs only")
    parser.add_argument("--priors", default="minislakh")
    parser.add_argument("--quality", default="fast")
    parser.add_argument("--ray", help="address of a cluster (default: Ray on this machine)")
    parser.add_argument("--costs", default="band", help="separator whose qualities are measured")
    parser.add_argument("--cost-seconds", type=float, default=30.0, help="of audio")
    parser.add_argument("--results", type=Path, default=OUTPUT)
    args = parser.parse_args(argv)
    given = {**vars(args), "songs": args.songs.name, "results": args.results.name}
    results = {"arguments": given, "machine": machine(), "processors": os.cpu_count()}
    results["costs"] = [
        measure_cost(args.costs, quality, args.cost_seconds) for quality in QUALITIES
    ]
    write_json(args.results, results)
    with tempfile.TemporaryDirectory() as folder:
        cut(args.songs, Path(folder, "music"), args.n_files, args.seconds)
        results["runs"] = []
        for n_workers in args.workers:
            run = measure_run(args, Path(folder), n_workers)
            results["runs"].append(run)
            print(json.dumps(run), flush=True)
            write_json(args.results, results)


def cut(songs, folder, n_files, seconds):
    """Writes pieces of the songs' mixtures, as many of each as of any other."""
    folder.mkdir()
    tracks = sorted(path for path in songs.iterdir() if path.is_dir())
    length, each = round(seconds * RATE), -(-n_files // len(tracks))
    written = 0
    for track in tracks:
        stems = [load_audio(path)[0].mean(0) for path in sorted(track.glob("*.flac"))]
        mixture = sum(stems)
        step = (len(mixture) - length) // each
        for number in range(min(each, n_files - written)):
            piece = mixture[number * step : number * step + length]
            sf.write(folder / f"{track.name}-{number:03}.wav", piece.numpy(), RATE)
            written += 1


def measure_run(args, folder, n_workers):
    """Separates all files with a number of workers."""
    out = folder / f"stems-{n_workers}"
    command = [sys.executable, "-c", COMMAND, "corpus", folder / "music", "-o", out, "--json"]
    command += ["--priors", args.priors, "--quality", args.quality, "--workers", str(n_workers)]
    command += ["--quiet", *(["--ray", args.ray] if args.ray else [])]
    before, began = os.getloadavg()[0], time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    wall = time.monotonic() - began
    answer = json.loads(done.stdout)
    lines = [json.loads(x) for part in (out / "manifest").iterdir() for x in part.open()]
    ends = sorted(line["at"] for line in lines if "at" in line)
    steady = (len(ends) - 1) / (ends[-1] - ends[0])
    return {
        "workers": n_workers,
        "songs": answer["done"],
        "failed": len(answer["failed"]),
        "audio_seconds": answer["audio_seconds"],
        "wall_seconds": round(wall, 1),
        "steady_songs_per_second": round(steady, 2),
        "seconds_a_song": round(sum(line.get("took", 0.0) for line in lines) / len(ends), 4),
        "load_before": round(before, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }


def measure_cost(name, quality, seconds):
    """CPU seconds of a second of audio."""
    torch.set_num_threads(1)
    separator = GenerativeSeparator.from_pretrained(name)
    with as_file(files("asteroid_instglow.recipes") / "demo_song_band") as folder:
        stems = [load_audio(path, RATE)[0].mean(0) for path in sorted(folder.glob("*.ogg"))]
    mixture = sum(stems)
    mixture = mixture.repeat(-(-round(seconds * RATE) // len(mixture)))[: round(seconds * RATE)]
    separator(mixture[: 3 * RATE], quality=quality)  # warms up
    began = time.process_time()
    separator(mixture, quality=quality)
    cost = (time.process_time() - began) / seconds
    return {"priors": name, "quality": quality, "cpu_seconds_per_second": round(cost, 4)}


if __name__ == "__main__":
    main()
