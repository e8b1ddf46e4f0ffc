"""Texts for people: errors on one line, times."""


def one_line(error: BaseException) -> str:
    r"""Returns the text of an error on one line.

    Examples:
        >>> one_line(ValueError("not\nright"))
        'not right'
    """
    return " ".join(str(error).split())


def format_clock(seconds: float) -> str:
    """Formats a moment of a recording as minutes and seconds.

    Examples:
        >>> format_clock(83.2)
        '1:23'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def format_duration(seconds: float) -> str:
    """Formats a length of time in seconds, minutes or hours.

    Examples:
        >>> format_duration(83.2), format_duration(600), format_duration(9000)
        ('83 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
