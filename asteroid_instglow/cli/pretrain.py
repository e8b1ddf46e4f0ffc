"""``instglow pretrain``: trains the encoders of several sources together."""

import argparse
from pathlib import Path
from typing import Any

from .training_options import add_data_arguments, add_options, read_folders, read_options

HELP = "train the encoders of several sources together, for `train --init` to start from"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options, those of ``pretrain_encoders``."""
    from ..training import JointOptions

    add_data_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="JOINT_DIR")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="by default all in data")
    parser.add_argument("--width", type=int, help="features of a frame")
    parser.add_argument("--init", type=Path, metavar="JOINT_DIR", help="encoder to go on from")
    add_options(parser, JointOptions)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains a joint encoder."""
    from ..data import list_sources
    from ..training import JointOptions, pretrain_encoders

    data = read_folders(args.data)
    return pretrain_encoders(
        args.sources or list_sources(data),
        data,
        args.output,
        model={} if args.width is None else {"width": args.width},
        init=args.init,
        **read_options(args, JointOptions),
    )


def describe(answer: dict[str, Any]) -> str:
    """Reports the trained encoder and its number of steps."""
    return (
        f"{', '.join(answer['sources'])}: {answer['steps']} steps in {answer['seconds']} s, "
        f"validation loss {answer['loss_before']:.3f} -> {answer['loss_after']:.3f}"
    )
