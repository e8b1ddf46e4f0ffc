"""Shows what a separation looks and sounds like: a figure, and a report of one HTML file.

Examples:
    >>> write_page("exp/glow", "report.html")  # doctest: +SKIP
"""

from .figures import separation_figure
from .page import write_page

__all__ = ["separation_figure", "write_page"]
