"""What a separation looks and sounds like: figures, and a listening page of one HTML file.

Example:
    >>> write_page("exp/glow", "report.html")  # doctest: +SKIP
"""

from .figures import separation_figure
from .page import write_page

__all__ = ["separation_figure", "write_page"]
