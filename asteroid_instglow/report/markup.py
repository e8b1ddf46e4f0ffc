"""HTML from Python, in which every text is escaped unless it was made here."""

import base64
import html
import math

VOID = {"img", "input", "meta", "br"}


class Markup(str):
    """Text that is HTML already."""


def tag(name, attributes=None, *children):
    """One element.

    Args:
        name (str): Of the element, "td" say.
        attributes (dict, optional): Values that are True stand alone; None and False are left out.
        *children (str | Markup | list | None): Contents; a plain string is escaped.

    Returns:
        Markup: The element.

    Examples
        >>> tag("b", {"title": '"'}, "<i>")
        '<b title="&quot;">&lt;i&gt;</b>'
    """
    shown = "".join(
        f" {key}" if value is True else f' {key}="{escape(value)}"'
        for key, value in (attributes or {}).items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Markup(f"<{name}{shown}>")
    return Markup(f"<{name}{shown}>{join(children)}</{name}>")


def join(children):
    """Several contents as one; lists are flattened, None left out."""
    parts = []
    for child in children:
        if isinstance(child, (list, tuple)):
            parts.append(join(child))
        elif child is not None:
            parts.append(child if isinstance(child, Markup) else escape(child))
    return Markup("".join(parts))


def escape(text):
    """Text for an element or an attribute, whatever a file system or a user put into it."""
    # Names of files may hold bytes that are no UTF-8: Python gives those as lone surrogates.
    return html.escape(str(text).encode("utf-8", "replace").decode())


def data_uri(content, mime):
    """A file's content as an address that needs no file.

    Args:
        content (bytes): The file.
        mime (str): Its type, "image/png" say.

    Returns:
        str: "data:image/png;base64,...".
    """
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def number(value, digits=2):
    """A number as it is printed: a true minus, an en dash for what is not defined.

    Args:
        value (float | None): The number; None and NaN are not defined.
        digits (int): After the point.

    Returns:
        str: "−3.25" say.
    """
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    zero = text.lstrip("-").strip("0.") == ""
    return text.lstrip("-") if zero else text.replace("-", "−")


def plural(count, noun):
    """A count and its noun: "1 track", "2 tracks"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def section(anchor, title, *children):
    """A part of the page with a heading that can be linked to."""
    heading = tag("h2", {"id": f"{anchor}-title"}, title)
    return tag("section", {"id": anchor, "aria-labelledby": f"{anchor}-title"}, heading, *children)


def table(caption, header, rows, footer=None):
    """A table that scrolls sideways on a narrow screen.

    Args:
        caption (str): Above it.
        header (list[str]): Heads of the columns.
        rows (list[list[str]]): Cells; the first of a row is its head.
        footer (list[str], optional): A last row, set apart.

    Returns:
        Markup: The table.
    """

    def line(cells):
        first, *rest = cells
        head = tag("th", {"scope": "row"}, first)
        return tag("tr", None, head, [tag("td", None, cell) for cell in rest])

    heads = [tag("th", {"scope": "col"}, text) for text in header]
    content = tag(
        "table",
        {"aria-label": caption},
        tag("thead", None, tag("tr", None, heads)),
        tag("tbody", None, [line(row) for row in rows]),
        tag("tfoot", None, line(footer)) if footer else None,
    )
    # Focusable, so that the keyboard can scroll it; the caption stays where it is.
    scroll = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption}
    return join([tag("p", {"class": "caption"}, caption), tag("div", scroll, content)])


def details(summary, *children):
    """Contents that are folded away until asked for."""
    return tag("details", None, tag("summary", None, summary), *children)
