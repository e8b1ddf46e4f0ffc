"""``instglow report``: writes the report of an experiment as one HTML file."""

import argparse
import shlex
from pathlib import Path
from typing import Any

HELP = "write a report in one HTML file: scores, players, tables, loss curves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``write_page``."""
    parser.add_argument(
        "exp_dir",
        type=Path,
        help="output folder of instglow evaluate, demo or pretrain, or exp/<tag> of a recipe",
    )
    parser.add_argument("-o", "--output", type=Path, help="default: EXP_DIR/report.html")
    parser.add_argument("--references", type=Path, help="folder of <track>/<source>.wav")
    parser.add_argument("--estimates", type=Path, help="folder of <track>/<source>.wav")
    parser.add_argument("--tracks", type=int, default=6, metavar="N", help="tracks to play")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the excerpts")
    parser.add_argument("--max-size", type=float, default=25.0, metavar="MB", help="of the page")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the report."""
    from ..report import write_page

    return write_page(
        args.exp_dir,
        args.output,
        args.references,
        args.estimates,
        n_tracks=args.tracks,
        seconds=args.seconds,
        max_size=args.max_size,
        command=_command(args),
        progress=not args.quiet,
    )


def describe(answer: dict[str, Any]) -> str:
    """Returns the page's path and size, and its notes."""
    lines = [f"{answer['page']}: {answer['megabytes']} MB, tracks: {len(answer['tracks'])}"]
    return "\n".join([*lines, *(f"- {note}" for note in answer["notes"])])


def _command(args: argparse.Namespace) -> str:
    words = ["instglow", "report", str(args.exp_dir)]
    for name in ("references", "estimates"):
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    words += ["--tracks", str(args.tracks), "--seconds", f"{args.seconds:g}"]
    return shlex.join([*words, "--max-size", f"{args.max_size:g}"])
