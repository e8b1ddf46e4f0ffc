"""The command line of a stage of a recipe."""

import argparse
import sys
from contextlib import contextmanager
from pathlib import Path

import yaml


def read_stage(description, *arguments):
    """Reads the command line of a stage: --conf, --data, --exp, and what else it needs.

    Args:
        description (str): For ``--help``.
        *arguments (str): Further arguments, texts all of them; with dashes they are optional.

    Returns:
        tuple: The arguments, and the configuration: a dict of dicts.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--conf", type=Path, required=True, help="conf.yml")
    parser.add_argument("--data", type=Path, help="what stage 0 made")
    parser.add_argument("--exp", type=Path, help="folder of the experiment")
    for argument in arguments:
        parser.add_argument(argument)
    args = parser.parse_args()
    return args, yaml.safe_load(args.conf.read_text(encoding="utf-8"))


@contextmanager
def one_line_errors():
    """Ends the program with one line for what is wrong with files, options or a connection."""
    try:
        yield
    except (OSError, ValueError) as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)
