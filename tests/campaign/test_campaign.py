"""A small share of the campaign of hostile inputs; ``make campaign`` runs the whole of it."""

import pytest
import torch

from . import judge as judging
from .judge import Case, Fault, Tally, judge
from .run import KINDS, campaign
from .world import World

# So many of each kind as take some 90 seconds of one core together.
COUNTS = {
    "files": 30,
    "arrays": 60,
    "invocations": 20,
    "models": 30,
    "outputs": 20,
    "corpora": 20,
    "surroundings": 21,
    "kills": 9,
}


@pytest.fixture
def one_thread():
    """More threads would wait for each other, on the processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("campaign").resolve())


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs(kind, world, one_thread):
    faults = []
    tally = campaign(world, {kind: COUNTS[kind]}, shown=faults.append)[kind]
    assert tally.cases == COUNTS[kind] and not faults, "\n".join(faults)


def write_outside(place):
    (place.parent / "evil").write_text("x")


def write_half(place):
    (place / "out").mkdir()
    (place / "out" / "a.json").write_text("{")
    judging.check_whole(place / "out")


def leave_over(place):
    (place / "out").mkdir()
    (place / "out" / ".bass.tmp").write_text("x")
    judging.check_whole(place / "out")


def leak(place):
    try:
        {}["x"]
    except KeyError as error:
        judging.check_error(error)


def leak_from_a_library(place):
    import json

    try:
        json.loads("{")
    except ValueError as error:
        judging.check_error(error)


def hang(place):
    while True:
        pass


@pytest.mark.parametrize(
    "act, says",
    [
        (write_outside, "changed outside"),
        (write_half, "half written"),
        (leave_over, "left over"),
        (leak, "KeyError"),
        (leak_from_a_library, "unexplained JSONDecodeError"),
        (hang, "took more than 1 s"),
    ],
)
def test_the_judge_finds(act, says, tmp_path):
    tally = Tally("x")
    judge(tally, 0, Case("x", act), tmp_path, seconds=1)
    assert len(tally.faults) == 1 and says in tally.faults[0]
    judge(tally, 1, Case("y", lambda place: None), tmp_path, seconds=1)
    assert len(tally.faults) == 1


@pytest.mark.parametrize(
    "answer, says",
    [
        (judging.Answer(70, "", ""), "exit code 70"),
        (judging.Answer(2, "", ""), "0 lines of error"),
        (judging.Answer(2, "", "a: error: x\nb: error: y\n"), "2 lines of error"),
        (judging.Answer(0, "", "Traceback (most recent call last):"), "a traceback"),
    ],
)
def test_the_judge_reads_answers(answer, says):
    with pytest.raises(Fault, match=says):
        judging.check_answer(answer)
    judging.check_answer(judging.Answer(2, "", "instglow: error: x\n"))
