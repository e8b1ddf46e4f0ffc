"""Checks of arguments: each raises an error that names the argument and what came."""

import unicodedata
from collections.abc import Collection, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

MAX_NAME = 100


def check_one_of(name: str, value: object, allowed: Collection) -> None:
    """Raises ValueError if ``value`` is not in ``allowed``."""
    if value not in allowed:
        listed = ", ".join(map(str, allowed))
        raise ValueError(f"{name} must be one of {listed}, got {value!r}")


def check_at_least(name: str, value: float, least: float) -> None:
    """Raises ValueError if ``value`` is below ``least``, NaN or no number."""
    if not _is_number(value) or not value >= least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")


def check_above_zero(name: str, value: float) -> None:
    """Raises ValueError if ``value`` is not positive, or is NaN, infinite or no number."""
    if not _is_number(value) or not 0 < value < float("inf"):
        raise ValueError(f"{name} must be above 0 and finite, got {value!r}")


def check_between(name: str, value: float, least: float, most: float) -> None:
    """Raises ValueError if ``value`` is no number from ``least`` to ``most``."""
    if not _is_number(value) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}, got {value!r}")


def check_whole(name: str, value: int, least: int, most: int = 2**63 - 1) -> None:
    """Raises ValueError if ``value`` is no int from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if value > most:
        raise ValueError(f"{name} must be a whole number of at most {most}, got {value!r}")


def check_name(what: str, name: str) -> str:
    r"""Checks a name that becomes the name of a file, and part of messages and model cards.

    Args:
        what (str): What is named, for the message: "source" say.
        name (str): 1 to 100 printable characters, without "/", "\\" or ":", without a dot, dash or
            space at the start, or a space or dot at the end.

    Returns:
        str: The name.

    Raises:
        ValueError: If the name is not like that.

    Examples:
        >>> check_name("source", "lead vocals")
        'lead vocals'
        >>> check_name("source", "../bass")
        Traceback (most recent call last):
        ...
        ValueError: source name must not start with a dot, dash or space, got '../bass'
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"{what} name must be a string that is not empty, got {name!r}")
    shown = repr(name if len(name) <= 40 else name[:40] + "...")
    if len(name) > MAX_NAME or len(name.encode("utf-8", "replace")) > 200:
        raise ValueError(f"{what} name must have at most {MAX_NAME} characters, got {shown}")
    if name[0] in ".- ":
        raise ValueError(f"{what} name must not start with a dot, dash or space, got {shown}")
    if name[-1] in ". ":
        raise ValueError(f"{what} name must not end with a dot or space, got {shown}")
    # Categories C* and Z* other than a plain space: control, format, surrogate, separators.
    wrong = [c for c in name if c in "/\\:" or (c != " " and unicodedata.category(c)[0] in "CZ")]
    if wrong:
        raise ValueError(f"{what} name must not contain {wrong[0]!r}, got {shown}")
    return name


def path_inside(folder: str | Path, name: str) -> Path:
    """Returns ``folder / name``, if that lies directly in the folder.

    Raises:
        ValueError: If the name leads elsewhere.

    Examples:
        >>> path_inside("stems", "bass.wav").name
        'bass.wav'
    """
    if name in ("", ".", "..") or any(c in name for c in "/\\\0"):
        raise ValueError(f"{name!r} must be the name of a file in {folder}")
    return Path(folder) / name


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def check_same(
    argument: str,
    fields: Sequence[str],
    first: tuple[str, Any],
    second: tuple[str, Any],
    what: str = "",
) -> None:
    """Refuses two objects with names that differ in a field.

    Args:
        argument (str): What the error calls them all.
        fields (Sequence[str]): Names of attributes.
        first, second (tuple[str, Any]): Name and object.
        what (str): Comes before the field in the error.

    Raises:
        ValueError: If they differ.
    """
    for field in fields:
        wanted, got = getattr(first[1], field), getattr(second[1], field)
        if wanted != got:
            raise ValueError(
                f"{argument} must share one {what}{field}: {first[0]!r} has {wanted}, "
                f"{second[0]!r} has {got}"
            )
