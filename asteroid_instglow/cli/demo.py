"""``instglow demo``: separates a bundled song, with shipped or with newly trained priors."""

import argparse
from pathlib import Path
from typing import Any

HELP = "separate a bundled song, or train on a synthesised band first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR")
    parser.add_argument(
        "--priors",
        metavar="DIR|NAME",
        help="of a separator; band by default, a real song (minislakh: a rendered one)",
    )
    parser.add_argument(
        "--train",
        action="store_true",
        help="synthesise a band, train four small priors, separate a song they never heard",
    )
    parser.add_argument("--n-steps", type=int, default=150, help="of each flow, with --train")
    parser.add_argument("--joint-steps", type=int, default=200, help="of the encoders together")
    parser.add_argument("--encoder-steps", type=int, default=40, help="of each from there")
    parser.add_argument("--jobs", type=int, default=2, help="priors trained at once, with --train")
    parser.add_argument("--seed", type=int, default=0, help="of band and training, with --train")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the demo."""
    from ..recipes.demo import separate_bundled, train_and_separate

    if not args.train:
        return separate_bundled(args.output, args.priors, progress=not args.quiet)
    return train_and_separate(
        args.output,
        args.seed,
        args.n_steps,
        args.joint_steps,
        args.encoder_steps,
        args.jobs,
        progress=not args.quiet,
    )


def describe(answer: dict[str, Any]) -> str:
    """Formats the scores and the paths of the stems and the picture."""
    lines = [answer["table"], "", f"picture: {answer['picture']}"]
    lines += [f"{name}: {path}" for name, path in answer["stems"].items()]
    return "\n".join(lines)
