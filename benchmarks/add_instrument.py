"""Compares adding an instrument by one more prior with retraining a supervised system.

    add_instrument.py --data minislakh --new guitar --output exp/add --minutes 25 \\
        --results benchmarks/results/add_instrument.json

Every system is first trained on all sources but one. A source-only system then gets one more prior,
trained for its share of the minutes; a supervised system is retrained for all of them. Both are
scored on all sources. Stopped runs are resumed.
"""

import argparse

from table import add_arguments, describe, prepare, write
from table_report import TITLES
from table_scores import score
from table_systems import NAMES, Budget, kind, load, train

from asteroid_instglow.data import list_sources

DEFAULTS = ("nmf", "instglow", "conv-tasnet", "open-unmix")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    choices = [name for name in NAMES if kind(name) != "oracle"]
    parser.add_argument("--systems", nargs="+", default=DEFAULTS, choices=choices, metavar="NAME")
    parser.add_argument("--new", required=True, metavar="SOURCE", help="the instrument to add")
    args = parser.parse_args(argv)
    prepare(args)
    results = {**describe(args), "new": args.new, "rows": {}}
    for name in args.systems:
        results["rows"][name] = add(name, args)
        write(args.results, results, markdown(results))
        print(f"{name}: {results['rows'][name]['adding_minutes']:.1f} min to add", flush=True)


def add(name, args):
    """Trains a system without the new source, then adds the source.

    Returns:
        dict: "first_minutes" and "adding_minutes" of training, "retrained" (sources), and the
        scores on all sources, see ``table_scores.score``.
    """
    known = [s for s in list_sources(args.data / "train") if s != args.new]
    if len(known) == len(list_sources(args.data / "train")):
        raise SystemExit(f"new must be one of {', '.join(known)}, got {args.new}")
    splits = (args.data / "train", args.data / "validation")
    before, after = (args.output / name / part for part in ("before", "after"))
    sources = [*known, args.new]
    # Every source gets the same time.
    share = args.minutes / len(sources)
    first = train(name, *splits, before, known, Budget(share * len(known), args.device))
    if kind(name) == "source-only":
        trained = [args.new]
        joint = before / "joint" if (before / "joint").is_dir() else None
        done = train(name, *splits, after, trained, Budget(share, args.device), joint)
        model = load(name, before, sources, args.device, added=[after])
    else:
        trained = sources
        done = train(name, *splits, after, trained, Budget(args.minutes, args.device))
        model = load(name, after, sources, args.device)
    return {
        "kind": kind(name),
        "first_minutes": first["training_minutes"],
        "adding_minutes": done["training_minutes"],
        "retrained": trained,
        **score(model, args.data, args.output / name, args.seconds, args.device),
    }


def markdown(results):
    """Makes the table."""
    lines = [
        f"| system | supervision | {results['clock']} before | to add {results['new']} | retrained "
        f"| SDR of {results['new']} | average SDR / SI-SDRi |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results["rows"].items():
        average = row["scores"]["average"]
        cells = [TITLES[name], row["kind"], f"{row['first_minutes']:.1f}"]
        cells += [f"{row['adding_minutes']:.1f}", ", ".join(row["retrained"])]
        cells += [f"{row['scores'][results['new']]['SDR']:.2f}"]
        cells += [f"{average['SDR']:.2f} / {average['SI-SDRi']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
