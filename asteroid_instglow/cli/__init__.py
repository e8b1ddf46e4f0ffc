"""The ``instglow`` command: a module for each subcommand, options named as in Python.

Answers go to stdout (``--json``: one JSON object), everything else to stderr. A user's mistake is
one clear line and exit code 2 without a traceback (``--debug`` shows it); Ctrl-C is exit code 130,
SIGTERM 143.
"""

from .main import main

__all__ = ["main"]
