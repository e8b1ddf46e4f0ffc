"""Formats values for the templates of the report."""

import base64
import math
from typing import Any


def format_number(value: float | None, digits: int = 2) -> str:
    """Formats a number with a true minus sign, and an en dash where it is not defined.

    Examples:
        >>> format_number(-3.2512), format_number(None), format_number(-0.0)
        ('−3.25', '–', '0.00')
    """
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    is_zero = text.lstrip("-").strip("0.") == ""
    return text.lstrip("-") if is_zero else text.replace("-", "−")


def format_cell(value: Any) -> str:
    """Formats a table's cell: a number, an interval, a count or a text.

    Examples:
        >>> format_cell((1.0, 2.5)), format_cell(7), format_cell("bass")
        ('1.00 to 2.50', '7', 'bass')
    """
    if isinstance(value, tuple):
        low, high = value
        return "–" if low is None else f"{format_number(low)} to {format_number(high)}"
    return format_number(value) if value is None or isinstance(value, float) else str(value)


def format_tick(value: float) -> str:
    """Formats the number at a tick of an axis.

    Examples:
        >>> format_tick(-0.5), format_tick(20.0)
        ('−0.5', '20')
    """
    return f"{value:.6g}".replace("-", "−")


def data_uri(content: bytes | str, mime: str) -> str:
    """Returns a file's content as a URI.

    Examples:
        >>> data_uri(b"abc", "text/plain")
        'data:text/plain;base64,YWJj'
    """
    content = content.encode() if isinstance(content, str) else content
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"
