"""``instglow report``: a page to see and hear what an experiment has given."""

import shlex
from pathlib import Path

HELP = "write a listening page: scores, players, spectrograms, loss curves in one HTML file"


def add_arguments(parser):
    """Declares the options, those of ``write_page``."""
    parser.add_argument(
        "exp_dir",
        type=Path,
        help="output of `instglow evaluate` or `instglow demo`, or exp/<tag> of a recipe",
    )
    parser.add_argument("-o", "--output", type=Path, help="by default EXP_DIR/report.html")
    parser.add_argument("--references", type=Path, help="<references>/<track>/<source>.wav")
    parser.add_argument("--estimates", type=Path, help="<estimates>/<track>/<source>.wav")
    parser.add_argument("--tracks", type=int, default=6, metavar="N", help="tracks to hear")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the excerpts")
    parser.add_argument("--max-size", type=float, default=25.0, metavar="MB", help="of the page")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args):
    """Writes the page."""
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


def describe(answer):
    """Where the page is, and what is not on it."""
    lines = [f"{answer['page']}: {answer['megabytes']} MB, tracks: {len(answer['tracks'])}"]
    return "\n".join([*lines, *(f"- {note}" for note in answer["notes"])])


def _command(args):
    words = ["instglow", "report", str(args.exp_dir)]
    for name in ("references", "estimates"):
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    words += ["--tracks", str(args.tracks), "--seconds", f"{args.seconds:g}"]
    return shlex.join([*words, "--max-size", f"{args.max_size:g}"])
