"""Parses the command line and runs one subcommand."""

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

from .. import __version__
from .errors import explain, report

# A command's module has HELP, add_arguments(parser), run(args) -> dict, describe(dict) -> str.
COMMANDS = (
    "separate",
    "corpus",
    "detect",
    "adapt",
    "add",
    "list",
    "train",
    "pretrain",
    "sample",
    "evaluate",
    "baseline",
    "demo",
    "app",
    "diagnose",
    "report",
    "publish",
    "import-published",
    "export",
    "completion",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``instglow``.

    Args:
        argv (list[str], optional): Arguments; by default those of the process.

    Returns:
        int: Exit code: 0 done, 1 done in part, 2 failed, 130 interrupted, 143 terminated.
    """
    try:
        with _interruptible(), _explained_threads():
            return _run(argv)
    except _Terminated:
        sys.stderr.write("instglow: terminated\n")
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        sys.stderr.write("instglow: interrupted\n")
        return 128 + signal.SIGINT


class _Terminated(KeyboardInterrupt):
    """SIGTERM, after which the same is cleaned up as after Ctrl-C."""


@contextmanager
def _interruptible() -> Iterator[None]:
    caught: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        # It often comes twice, to the process and to its group.
        if not caught:
            caught.append(number)
            raise _Terminated

    def again(lost: Any) -> None:
        # Where Python swallows an interrupt, in a destructor say, it comes once more.
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            show(lost)
            return
        number = caught.pop() if caught else signal.SIGINT
        threading.Timer(0.01, os.kill, (os.getpid(), number)).start()

    # Only the main thread may catch signals; a handler of the caller's stays.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    show, sys.unraisablehook = sys.unraisablehook, again
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        sys.unraisablehook = show
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _explained_threads() -> Iterator[None]:
    # An error in a thread of a library, such as TensorBoard's on a full disk, is a line as well.
    def tell(lost: Any) -> None:
        sys.stderr.write(f"instglow: warning: {explain(lost.exc_value)}\n")
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            before(lost)

    before, threading.excepthook = threading.excepthook, tell
    try:
        yield
    finally:
        threading.excepthook = before


def _run(argv: Sequence[str] | None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # Names that the terminal's encoding does not have are written as escapes.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # Options of the other commands are not declared: some import torch for it.
    parser = build_parser([name for name in argv if name in COMMANDS][:1])
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    logging.basicConfig(
        level=logging.DEBUG if args.debug else logging.WARNING,
        format="instglow: %(levelname)s: %(message)s",
        stream=sys.stderr,
    )
    if not args.debug:
        # Warnings inside dependencies are for developers.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning)
    module = _module(args.command)
    try:
        answer = module.run(args)
        text = json.dumps(answer, indent=2, default=str) if args.json else module.describe(answer)
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output has gone. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the one net: whatever it is, the user gets a line
        if args.debug:
            raise
        report(error, args.parser)
        return 2
    return int(answer.get("exit_code", 0))


def build_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Builds the parser of all subcommands.

    Args:
        commands (Sequence[str]): Those whose options are declared as well.
    """
    parser = argparse.ArgumentParser(
        prog="instglow", description="Separates music with one generative prior per instrument."
    )
    parser.add_argument("--version", action="version", version=f"instglow {__version__}")
    parser.set_defaults(json=False, debug=False)
    choices = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        sub = choices.add_parser(name, help=module.HELP, description=module.HELP)
        if name not in commands:
            continue
        # A command with actions of its own returns their parsers.
        for leaf in module.add_arguments(sub) or [sub]:
            leaf.add_argument("--json", action="store_true", help="print the answer as JSON")
            leaf.add_argument("--debug", action="store_true", help="log more, show tracebacks")
            leaf.set_defaults(parser=leaf)
    return parser


def _module(command: str) -> ModuleType:
    return importlib.import_module(f".{command.replace('-', '_')}", __package__)
