"""``instglow completion``: a script that lets a shell complete commands, options and files."""

import argparse
from pathlib import Path
from typing import Any

HELP = "print a completion script for a shell"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"], help="the shell")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the script from the options of all commands."""
    import shtab

    from .main import build_parser

    parser = build_parser()
    _complete_files(parser)
    return {"shell": args.shell, "script": shtab.complete(parser, args.shell)}


def describe(answer: dict[str, Any]) -> str:
    """Returns the script."""
    return answer["script"]


def _complete_files(parser: argparse.ArgumentParser) -> None:
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _complete_files(sub)
        elif action.type is Path or action.dest in ("files", "priors", "model", "to"):
            setattr(action, "complete", shtab.FILE)  # noqa: B010
