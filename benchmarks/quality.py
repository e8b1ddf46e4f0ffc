"""Scores solvers on songs with known stems, and measures their cost.

quality.py CONFIG... --songs NAME=DIR [NAME=DIR ...] --work DIR [--priors NAME|DIR] [--tag TAG]

Each configuration is a YAML file of SeparationOptions. Writes <output>/<tag>-<configuration>.json
with the scores on every set of songs (BSSEval v4 SDR by the SiSEC protocol and SI-SDR improvement,
with 95 % intervals over songs), CPU seconds per second of audio, the command and the machine.
quality_plot.py draws them.
"""

import argparse
import platform
from pathlib import Path

import torch
import yaml
from table_scores import separate

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.evaluation import evaluate_folders
from asteroid_instglow.utils.files import write_json
from asteroid_instglow.utils.precision import bf16_instructions

OUTPUT = Path(__file__).parent / "results" / "quality"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("configs", nargs="+", type=Path, metavar="CONFIG")
    parser.add_argument("--songs", nargs="+", required=True, metavar="NAME=DIR")
    parser.add_argument("--work", type=Path, required=True, help="folder for the estimates")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--priors", default="minislakh", help="folder or name of a separator")
    parser.add_argument("--tag", default="shipped", help="name of the priors in the results")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each song to score")
    args = parser.parse_args()
    sets = dict(item.split("=", 1) for item in args.songs)
    torch.set_num_threads(1)
    for path in args.configs:
        options = yaml.safe_load(path.read_text()) or {}
        model = GenerativeSeparator.from_pretrained(args.priors, **options)
        result = {
            "priors": args.tag,
            "options": options,
            "command": f"python benchmarks/quality.py benchmarks/quality/{path.name} "
            f"--tag {args.tag} --songs {' '.join(f'{name}=DIR' for name in sets)}",
            "machine": machine(),
            "seconds": args.seconds,
            "sets": {},
        }
        for name, folder in sets.items():
            result["sets"][name] = score(
                model, Path(folder), args.work / f"{args.tag}-{path.stem}" / name, args
            )
            print(f"{path.stem} on {name}: {summary(result['sets'][name])}", flush=True)
        write_json(args.output / f"{args.tag}-{path.stem}.json", result)


def score(model, songs, folder, args, unknown=()):
    """Returns the scores of each source and their average, and the cost."""
    tracks = sorted(path for path in songs.iterdir() if path.is_dir())
    if folder.exists():
        raise FileExistsError(f"--work must be a new folder, {folder} is there")
    cost = separate(model, tracks, folder, args.seconds, "cpu", unknown)
    report = evaluate_folders(
        folder / "references",
        folder / "estimates",
        ["sisec", "si-sdr"],
        model.sources,
        baseline="mixture",
        progress=False,
    )
    protocols = report.to_dict()["protocols"]
    found = {"songs": len(tracks), "cpu_seconds_per_second": round(cost, 3)}
    for key, protocol, metric in (("SDR", "sisec", "SDR"), ("SI-SDRi", "si-sdr", "SI-SDRi")):
        rows = protocols[protocol]["scores"]["estimates"]
        found[key] = {source: row[metric] for source, row in rows.items()}
    return found


def machine():
    """Describes the processor and the version of torch."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "amx": bf16_instructions()["amx_tile"],
        "avx512_bf16": bf16_instructions()["avx512_bf16"],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def summary(found):
    """Formats the averages on one line."""
    values = ", ".join(
        f"{key} {found[key]['average']['value']:.2f} dB" for key in ("SDR", "SI-SDRi")
    )
    return f"{values}, {found['cpu_seconds_per_second']} CPU s per second"


if __name__ == "__main__":
    main()
