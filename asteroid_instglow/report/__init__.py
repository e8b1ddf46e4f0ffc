"""Shows what a separation looks and sounds like: a figure, and a report of one HTML file.

Examples:
    >>> answer = write_page("stems", "report.html", "references", "stems", progress=False)
    >>> answer["tracks"]
    ['song']
"""

from .figures import separation_figure
from .page import write_page

__all__ = ["separation_figure", "write_page"]
