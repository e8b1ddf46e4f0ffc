"""The whole campaign: ``make campaign``.

Counts of cases and faults by kind go to ``benchmarks/results/campaign.json``; each fault is a line
on stdout that begins with its kind and number. ``--kinds files --first 37 --n 1`` tries one again.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from . import arrays, corpora, damaged_files, invocations, kills, models, outputs, surroundings
from .judge import SECONDS, Tally, judge
from .world import World

# Kind to the module with its cases and how many the whole campaign tries.
KINDS = {
    "files": (damaged_files, 1000),
    "arrays": (arrays, 600),
    "invocations": (invocations, 400),
    "models": (models, 150),
    "outputs": (outputs, 300),
    "corpora": (corpora, 200),
    "surroundings": (surroundings, 84),
    "kills": (kills, 75),
}


def campaign(world: World, counts: dict, seed: int = 0, first: int = 0, shown=print) -> dict:
    """Tries so many cases of each kind.

    Args:
        world (World): Where they happen.
        counts (dict[str, int]): Number of cases by kind.
        seed (int): Random seed.
        first (int): Number of the first case.
        shown (Callable): Gets each fault as it is found.

    Returns:
        dict[str, Tally]: By kind.
    """
    tallies = {}
    for kind, n in counts.items():
        module, tally = KINDS[kind][0], tallies.setdefault(kind, Tally(kind))
        for number in range(first, first + n):
            known = len(tally.faults)
            case = module.case(world, seed, number)
            judge(tally, number, case, world.root, getattr(module, "SECONDS", SECONDS))
            for fault in tally.faults[known:]:
                shown(fault)
    return tallies


def main():
    """Runs the campaign; exit code 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--n", type=int, help="cases of each kind (unset: the whole campaign)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="kinds tried at once")
    parser.add_argument("--output", type=Path, help="JSON file for the counts")
    args = parser.parse_args()
    counts = {kind: args.n or KINDS[kind][1] for kind in args.kinds}
    tasks = [(kind, n, args.seed, args.first) for kind, n in counts.items()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, context, max_tasks_per_child=1) as pool:
        tallies = {tally.kind: tally for tally in pool.map(_try_kind, *zip(*tasks))}
    found = {
        "command": " ".join(["python -P -m campaign.run", *sys.argv[1:]]),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "seed": args.seed,
        "kinds": {kind: tally.to_dict() for kind, tally in tallies.items()},
    }
    text = json.dumps(found, indent=1) + "\n"
    if args.output:
        args.output.write_text(text)
    print(text)
    sys.exit(any(tally.faults for tally in tallies.values()))


def _try_kind(kind, n, seed, first):
    # More threads would wait for each other, on the processor.
    torch.set_num_threads(1)
    _limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        say = lambda fault: print(fault, flush=True)  # noqa: E731
        return campaign(World(Path(folder).resolve()), {kind: n}, seed, first, say)[kind]


def _limit_memory(gigabytes=6):
    # What asks for more gets a MemoryError, which is a fault, and not the machine down.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (gigabytes << 30, hard))


if __name__ == "__main__":
    main()
