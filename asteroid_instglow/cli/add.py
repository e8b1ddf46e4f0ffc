"""``instglow add``: adds an instrument to a separator; nothing else is trained again."""

import argparse
from pathlib import Path
from typing import Any

HELP = "add priors to a separator and save the whole as one folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "priors",
        nargs="+",
        metavar="DIR|NAME=DIR",
        help="folder, name or Hub id of a prior (named by itself or NAME)",
    )
    parser.add_argument("--to", required=True, metavar="SEPARATOR", help="folder, name or Hub id")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder")
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in DIR")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Joins the separator and the priors, and saves them."""
    from .models import check_output_folder, load_separator

    check_output_folder(args.output, args.overwrite)
    separator = load_separator([args.to, *args.priors])
    separator.save_pretrained(args.output, half=args.half)
    return {"separator": str(args.output), "sources": separator.sources}


def describe(answer: dict[str, Any]) -> str:
    """Lists the sources of the new separator."""
    return f"{answer['separator']} separates {', '.join(answer['sources'])}"
