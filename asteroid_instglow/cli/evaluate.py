"""``instglow evaluate``: scores folders of separated audio, of any system."""

import argparse
from pathlib import Path
from typing import Any

HELP = "score separated folders against references"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``evaluate_folders``."""
    parser.add_argument("references", type=Path, help="folder of <track>/<source>.wav")
    parser.add_argument("estimates", type=Path, help="folder of <track>/<source>.wav")
    parser.add_argument("-o", "--output", type=Path, help="folder for JSON, CSV and a box plot")
    parser.add_argument(
        "--protocol",
        nargs="+",
        default=["sisec", "si-sdr"],
        choices=["all", "sisec", "paper", "mdx", "si-sdr"],
    )
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="sources to score")
    parser.add_argument("--seconds", type=float, help="length to score from the start")
    parser.add_argument("--sample-rate", type=int, help="rate to resample to (Hz)")
    parser.add_argument("--mono", action="store_true", help="average channels first")
    parser.add_argument("--missing", default="error", choices=["error", "skip"])
    parser.add_argument("--baseline", choices=["mixture"], help="also score mixture / n_src")
    parser.add_argument("--backend", default="builtin", choices=["builtin", "museval"])
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument("--no-resume", dest="resume", action="store_false")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Scores the folders."""
    import json

    from ..evaluation import evaluate_folders

    report = evaluate_folders(
        args.references,
        args.estimates,
        "all" if "all" in args.protocol else args.protocol,
        sources=args.sources,
        seconds=args.seconds,
        sample_rate=args.sample_rate,
        mono=args.mono,
        missing=args.missing,
        baseline=args.baseline,
        backend=args.backend,
        jobs=args.jobs,
        output=args.output,
        resume=args.resume,
        progress=not args.quiet,
    )
    return {"table": report.table(), **json.loads(report.to_json())}


def describe(answer: dict[str, Any]) -> str:
    """Returns the tables."""
    return answer["table"]
