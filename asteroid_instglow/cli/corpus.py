"""``instglow corpus``: separates a corpus on this machine or a Ray cluster."""

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

from .separate import (
    add_model_arguments,
    add_separation_arguments,
    check_options,
    read_separation_options,
)
from .songs import load_on_device

HELP = "separate a large corpus on many machines with Ray; goes on where it stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "input",
        metavar="DIR|MANIFEST",
        help="folder of audio files, or a .txt (a path a line) or .jsonl file; s3://, gs:// too",
    )
    add_model_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    cluster = parser.add_argument_group("cluster")
    cluster.add_argument(
        "--ray", metavar="ADDRESS", help="of a Ray cluster (default: Ray on this machine)"
    )
    cluster.add_argument(
        "--workers", type=int, help="models at once (default: one a core, or what the GPUs hold)"
    )
    cluster.add_argument(
        "--num-gpus", type=float, default=0.0, help="of a worker, 0.25 say (default: 0)"
    )
    cluster.add_argument("--retries", type=int, default=2, help="of a song that fails (default: 2)")
    cluster.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="for a file, after which its worker is replaced (default: grows with its size)",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder; s3://, gs:// too"
    )
    add_separation_arguments(parser, output)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Separates every song that is not done yet."""
    from ..audio.naming import output_names
    from ..utils.extras import check_installed

    check_installed("fsspec", "ray")
    from ..corpus import list_songs, separate_corpus

    options = read_separation_options(args)
    priors = [_absolute(spec) for spec in args.priors]
    # Mistakes in the model are found here and not by each worker.
    separator = load_on_device(priors, args.residual, "cpu")
    check_options(separator, options)
    output_names(separator.sources, args.sources, args.two_stems)
    device = "cuda" if args.num_gpus else "cpu"
    songs = list_songs(args.input, args.output)
    # Ray reports dead workers on stdout, which is for the command's answer only.
    with contextlib.redirect_stdout(sys.stderr):
        answer = separate_corpus(
            songs,
            args.output,
            functools.partial(load_on_device, priors, args.residual, device),
            ray_address=args.ray,
            workers=args.workers,
            num_gpus=args.num_gpus,
            retries=args.retries,
            timeout=args.timeout,
            progress=not args.quiet,
            made_with={"priors": priors, "residual": args.residual},
            **options,
        )
    return {**answer, "exit_code": 1 if answer["failed"] else 0}


def describe(answer: dict[str, Any]) -> str:
    """Tells what was done, and lists what failed in a table."""
    line = f"{answer['done']} songs separated"
    if answer["workers"]:
        line += (
            f" ({answer['audio_seconds'] / 3600:.2f} h of audio) in {answer['seconds']:.0f} s "
            f"by {answer['workers']} workers"
        )
    line += f"; {answer['skipped']} were done before; {len(answer['failed'])} failed"
    rows = [("tries", "song", "reason")]
    rows += [(str(row["attempts"]), row["path"], row["error"]) for row in answer["failed"]]
    return "\n".join([line, *(_table(rows) if answer["failed"] else [])])


def _table(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    width = max(len(path) for _, path, _ in rows)
    return [f"{tries:>5}  {path:{width}}  {reason}" for tries, path, reason in rows]


def _absolute(spec: str) -> str:
    # Workers have a working folder of their own.
    from .models import split_spec

    name, where = split_spec(spec)
    if os.path.exists(where):
        where = os.path.abspath(where)
    return where if name is None else f"{name}={where}"
