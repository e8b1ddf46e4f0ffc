"""Trains every system on mini-Slakh within the same time, and writes a table of their scores.

    table.py --data minislakh --output exp/table --minutes 25 --device cpu \\
        --results benchmarks/results/table_cpu.json

DATA has train/ and validation/<track>/<source>.flac. Every system gets the same minutes (CPU time,
or wall-clock time with --device cuda) for all its sources together and the same solos. It is scored
by BSSEval v4 SDR and SI-SDR improvement on the first seconds of every validation track. Finished
systems are skipped and stopped trainings are resumed. Writes RESULTS (.json), and the table (.md)
and the figure (.png) beside it.
"""

import argparse
import json
import logging
import platform
import warnings
from pathlib import Path

import torch
from table_report import markdown, picture
from table_scores import score
from table_systems import NAMES, Budget, configuration, kind, load, train

from asteroid_instglow.data import list_sources
from asteroid_instglow.utils.files import digest, write_json


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--systems", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    args = parser.parse_args(argv)
    prepare(args)
    rows = {}
    for name in args.systems:
        rows[name] = measure(name, args)
        results = {**describe(args), "rows": rows}
        write(args.results, results, markdown(results))
        args.results.with_suffix(".png").write_bytes(picture(results))
        print(f"{name}: SDR {rows[name]['scores']['average']['SDR']:.2f} dB", flush=True)


def add_arguments(parser):
    """Adds the arguments that table.py and add_instrument.py share."""
    parser.add_argument("--data", type=Path, required=True, help="folder with train/, validation/")
    parser.add_argument("--output", type=Path, required=True, help="folder of models and estimates")
    parser.add_argument("--results", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--minutes", type=float, required=True, help="training time of each system")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each track to score")
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads")


def prepare(args):
    """Sets the number of threads and silences the libraries."""
    torch.set_num_threads(args.threads)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def describe(args):
    """Describes data, budget and machine."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "data": args.data.name,
        "minutes": args.minutes,
        "clock": "CPU minutes" if args.device == "cpu" else "minutes on the clock",
        "seconds": args.seconds,
        "device": args.device,
        "threads": args.threads,
        "machine": platform.machine() if args.device == "cpu" else gpus[0],
        "torch": torch.__version__,
    }


def measure(name, args):
    """Trains and scores one system, or reads the row of an earlier run.

    Returns:
        dict: Row of the table, plain types.
    """
    output, budget = args.output / name, Budget(args.minutes, args.device)
    sources = list_sources(args.data / "train")
    settings = {"minutes": args.minutes, "seconds": args.seconds, "device": args.device}
    settings |= {"sources": sources, "configuration": configuration(name, budget)}
    key = digest(settings)
    known = output / "row.json"
    if known.is_file() and (row := json.loads(known.read_text()))["key"] == key:
        return row
    done = train(name, args.data / "train", args.data / "validation", output, sources, budget)
    model = load(name, output, sources, args.device)
    row = {"key": key, "kind": kind(name), "configuration": settings["configuration"], **done}
    row |= score(model, args.data, output, args.seconds, args.device)
    write_json(known, row)
    return row


def write(path, results, table):
    """Writes the results as JSON and the table as Markdown."""
    write_json(path, results)
    path.with_suffix(".md").write_text(table)


if __name__ == "__main__":
    main()
