"""The command line of a stage of a recipe."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ..data.corpora.manifest import MANIFEST, describe
from ..data.corpora.prepare import Track, prepare
from ..utils.text import one_line


def read_stage(description: str, *arguments: str) -> tuple[argparse.Namespace, dict]:
    """Reads the command line of a stage: --conf, --data, --exp, and further arguments.

    Args:
        description (str): Text of ``--help``.
        *arguments (str): Further arguments, strings; those with dashes are optional.

    Returns:
        tuple: The arguments, with ``progress`` (whether bars are wanted), and the configuration, a
        dict of dicts.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--conf", type=Path, required=True, help="conf.yml")
    parser.add_argument("--data", type=Path, help="what stage 0 made")
    parser.add_argument("--exp", type=Path, help="folder of the experiment")
    for argument in arguments:
        parser.add_argument(argument)
    args = parser.parse_args()
    args.progress = show_notices()
    return args, yaml.safe_load(args.conf.read_text(encoding="utf-8"))


def prepare_stage(
    parser: argparse.ArgumentParser,
    list_tracks: Callable[[argparse.Namespace, dict[str, Any]], list[Track]],
) -> None:
    """Runs stage 0: reads --conf, --output and --jobs, and prepares the tracks.

    Args:
        parser (argparse.ArgumentParser): With the arguments that name the data set.
        list_tracks (Callable): Lists its tracks, from the arguments and ``dataset`` of conf.yml.
    """
    parser.add_argument("--conf", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    args = parser.parse_args()
    conf = yaml.safe_load(args.conf.read_text(encoding="utf-8"))
    with one_line_errors():
        tracks, progress = list_tracks(args, conf.get("dataset", {})), show_notices()
        manifest = prepare(tracks, args.output, jobs=args.jobs, progress=progress, **conf["data"])
    sys.stdout.write(f"{describe(manifest)}\n{args.output / MANIFEST} names them\n")


def show_notices() -> bool:
    """Shows the package's notices, one line each, and returns whether bars are wanted, too.

    Bars are for a terminal: run.sh keeps a log, where each of their moves would be a line.
    """
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger(__name__.partition(".")[0]).setLevel(logging.INFO)
    return sys.stderr.isatty()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the program with one line for what is wrong with files, options or a connection."""
    try:
        yield
    except (OSError, ValueError) as error:
        sys.exit(one_line(error) or type(error).__name__)
