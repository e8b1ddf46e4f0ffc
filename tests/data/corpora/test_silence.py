"""Cutting recordings into pieces."""

import numpy as np
import pytest

from asteroid_instglow.data.corpora.silence import audible_spans, cut_pieces

RATE = 1000


def test_silence_is_left_out_and_pauses_stay():
    wav = np.zeros(10 * RATE, np.float32)
    for start, stop in [(1.0, 2.0), (2.8, 4.0), (7.0, 9.0)]:
        wav[int(start * RATE) : int(stop * RATE)] = 0.1

    assert audible_spans(wav, RATE, max_pause=1.0) == [(1000, 4000), (7000, 9000)]
    assert audible_spans(wav, RATE, max_pause=0.5) == [(1000, 2000), (2800, 4000), (7000, 9000)]
    assert audible_spans(wav, RATE, silence_db=-10.0) == []
    assert audible_spans(0 * wav, RATE) == []


def test_spans_end_with_the_recording():
    wav = np.full(1234, 0.5, np.float32)
    assert audible_spans(wav, RATE) == [(0, 1234)]


@pytest.mark.parametrize("seed", range(20))
def test_pieces_lie_within_the_bounds(seed):
    rng = np.random.default_rng(seed)
    spans, start = [], 0
    for length in rng.integers(1, 60 * RATE, 20):
        spans.append((start, start + int(length)))
        start += int(length) + 1

    pieces = cut_pieces(spans, RATE, (7.0, 10.0), 3.0)

    for first, last in spans:
        inside = [(a, b) for a, b in pieces if first <= a and b <= last]
        covered = sum(b - a for a, b in inside)
        assert all(x[1] <= y[0] for x, y in zip(inside, inside[1:]))
        # Only a rest is shorter than the shortest piece, and only what is too short is lost.
        assert all(b - a >= 7 * RATE for a, b in inside[:-1])
        assert all(3 * RATE <= b - a <= 10 * RATE for a, b in inside)
        assert last - first - covered < 3 * RATE
    assert len(pieces) == len(set(pieces))


def test_bad_bounds_are_refused():
    with pytest.raises(ValueError, match="piece_seconds must be"):
        cut_pieces([(0, 10)], RATE, (10.0, 7.0))
