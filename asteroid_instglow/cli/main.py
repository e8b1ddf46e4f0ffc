"""Parses the command line and runs one subcommand."""

import argparse
import importlib
import json
import logging
import sys
import warnings

COMMANDS = (
    *("separate", "train", "pretrain", "sample", "evaluate", "baseline", "demo"),
    *("diagnose", "report", "publish", "import-published"),
)


def main(argv=None):
    """Entry point of ``instglow``.

    Args:
        argv (list[str], optional): Arguments; by default those of the process.

    Returns:
        int: Exit code: 0 done, 1 done in part, 2 a user's mistake, 130 interrupted.
    """
    parser = build_parser()
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
        # Deprecations inside dependencies are not the user's business.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning)
    module = _module(args.command)
    try:
        answer = module.run(args)
    except KeyboardInterrupt:
        sys.stderr.write("instglow: interrupted\n")
        return 130
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        if args.debug:
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        sys.stderr.write(f"instglow: error: {text}\n")
        return 2
    if args.json:
        sys.stdout.write(json.dumps(answer, indent=2, default=str) + "\n")
    else:
        sys.stdout.write(module.describe(answer).rstrip("\n") + "\n")
    return int(answer.get("exit_code", 0))


def build_parser():
    """The parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="instglow",
        description="Separates music with one generative prior per instrument.",
    )
    parser.set_defaults(json=False, debug=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        sub = commands.add_parser(name, help=module.HELP, description=module.HELP)
        # A command with actions of its own gives their parsers.
        for leaf in module.add_arguments(sub) or [sub]:
            leaf.add_argument("--json", action="store_true", help="print the answer as JSON")
            leaf.add_argument("--debug", action="store_true", help="log more, show tracebacks")
    return parser


def _module(command):
    # A command's module has HELP, add_arguments(parser), run(args) -> dict, describe(dict) -> str.
    return importlib.import_module(f".{command.replace('-', '_')}", __package__)
