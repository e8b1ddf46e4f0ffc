"""Texts of errors."""


def one_line(error: BaseException) -> str:
    r"""Returns the text of an error on one line.

    Examples:
        >>> one_line(ValueError("not\nright"))
        'not right'
    """
    return " ".join(str(error).split())
