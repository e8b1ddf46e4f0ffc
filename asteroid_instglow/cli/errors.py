"""Reports an error in one line, with the names of the command's options."""

import argparse
import re
import sys

from ..utils.extras import install_hint
from ..utils.text import one_line

# What functions call an option that the command line spells otherwise.
_SPELLED = {
    "force_overwrite": "--overwrite",
    "overwrite=True": "--overwrite",
    "resume=False": "--no-resume",
}


def explain(error: BaseException, parser: argparse.ArgumentParser | None = None) -> str:
    """Returns one line for the user.

    Args:
        error (BaseException): The error.
        parser (ArgumentParser, optional): Arguments of the functions that are its options get the
            option's name.

    Examples:
        >>> explain(KeyError("steps"))
        "there is no entry 'steps' (KeyError; --debug shows where)"
    """
    text = one_line(error)
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        text = f"not enough memory: {text or 'give it less at once'}"
    elif isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, ModuleNotFoundError):
        hint = install_hint(error.name or "")
        text = f"the package {error.name} is not installed: {hint or text}"
    elif isinstance(error, KeyError):
        text = f"there is no entry {text}"
    if not isinstance(error, (ValueError, TypeError, OSError, RuntimeError, MemoryError)):
        text = f"{text or 'failed'} ({type(error).__name__}; --debug shows where)"
    for name, option in _option_names(parser).items():
        # A word such as "sources" means the option only where something is asked of it.
        # A "source name" is a thing, not the option --name.
        asked = rf"(?<![\w.-])(?<!source ){name}(?= must )|^{name}(?=:)"
        pattern = rf"\b{name}\b" if "_" in name else asked
        text = re.sub(pattern, option, text)
    for name, option in _SPELLED.items():
        text = re.sub(rf"(?<![\w-]){name}\b", option, text)
    return text[:2000] or type(error).__name__


def report(error: BaseException, parser: argparse.ArgumentParser | None = None) -> None:
    """Writes the error to stderr."""
    sys.stderr.write(f"instglow: error: {explain(error, parser)}\n")


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "allocate" in str(error) and "memory" in str(error)


def _option_names(parser: argparse.ArgumentParser | None) -> dict[str, str]:
    if parser is None:
        return {}
    options: dict[str, str] = {}
    for action in parser._actions:
        long = [name for name in action.option_strings if name.startswith("--")]
        # A flag such as --no-wiener sets an argument to False.
        if long and not (action.const is False and action.nargs == 0):
            options.setdefault(action.dest, long[0])
    return options
