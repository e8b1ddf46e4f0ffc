"""How the C library keeps memory."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Lets the process keep large blocks of memory that are freed, and use them for the next ones.

    A separation allocates some hundred megabytes for each piece, over and over. By default the
    GNU C library gives such blocks back at once and asks for new ones, whose pages the system must
    clear: up to a quarter of the time of ``quality="fast"``. It concerns the whole process, so
    programs call it, and the package itself does not.

    Returns:
        bool: Whether there is such a library.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another system, or another C library
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _MOST))
