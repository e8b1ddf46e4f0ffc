import math

import pytest

from asteroid_instglow.utils import checks


@pytest.mark.parametrize(
    "name", ["bass", "lead vocals", "Flöte", "ピアノ", "a.b", "drums-2", "x" * 100]
)
def test_names_of_instruments_are_taken(name):
    assert checks.check_name("source", name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", None, 3, ".", "..", "../evil", "/abs", "a/b", "a\\b", "C:x", ".hidden", "-rf", " a"),
        *("a ", "a.", "a\0b", "a\nb", "a\tb", "\x1b[31m", "a\u2028b", "a\u202eb", "\ud800"),
        *("x" * 101, "ピ" * 99),
    ],
)
def test_names_that_are_no_file_name_are_refused(name):
    with pytest.raises(ValueError, match="source name must"):
        checks.check_name("source", name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", "a\\b", "a\0"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    assert checks.path_inside(tmp_path, "a.wav") == tmp_path / "a.wav"
    with pytest.raises(ValueError, match="must be the name of a file"):
        checks.path_inside(tmp_path, name)


@pytest.mark.parametrize(
    "check, wrong",
    [
        (lambda v: checks.check_one_of("n", v, ("a", "b")), ["c", None]),
        (lambda v: checks.check_at_least("n", v, 1), [0, math.nan, True]),
        (lambda v: checks.check_above_zero("n", v), [0, -1, math.nan, math.inf, True]),
        (lambda v: checks.check_whole("n", v, 1, 5), [0, 6, 1.5, True, "1"]),
    ],
)
def test_wrong_arguments_are_named(check, wrong):
    for value in wrong:
        with pytest.raises(ValueError, match="^n must be "):
            check(value)
