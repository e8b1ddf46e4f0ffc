"""``instglow adapt``: learns the sounds of recordings, without stems, into a new separator."""

import argparse
from pathlib import Path
from typing import Any

from .models import add_device_argument, add_priors_argument, check_output_folder

HELP = "let a separator learn the sounds of recordings (an album, say) and save it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    from ..options import ALBUM_STEPS

    parser.add_argument("files", nargs="+", type=Path, metavar="FILE|DIR", help="recordings")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder")
    add_priors_argument(parser)
    parser.add_argument(
        "--steps",
        type=int,
        default=ALBUM_STEPS,
        help=f"of training, some seconds each (default: {ALBUM_STEPS})",
    )
    parser.add_argument("--seed", type=int, default=0)
    add_device_argument(parser)
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in DIR")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Adapts the separator of ``--priors`` and saves it."""
    from ..audio.songs import find_songs
    from ..training.adaptation import adapt_separator
    from .songs import load_on_device

    check_output_folder(args.output, args.overwrite)
    paths = [song.path for song in find_songs(args.files, args.output)]
    separator = load_on_device(args.priors, False, args.device)
    how = {"progress": not args.quiet, "seed": args.seed}
    model = adapt_separator(separator, paths, args.steps, **how)
    model.save_pretrained(args.output, half=args.half)
    return {"separator": str(args.output), "recordings": len(paths), "steps": args.steps}


def describe(answer: dict[str, Any]) -> str:
    """Says where the new separator is."""
    return f"{answer['separator']} has learnt from {answer['recordings']} recordings"
