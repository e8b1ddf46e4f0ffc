import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.audio.chunks import chunk_bounds, crossfade_weights


def check_weights(n_samples, chunk, overlap):
    bounds = chunk_bounds(n_samples, chunk, overlap)
    total = torch.zeros(n_samples)
    for i, (start, end) in enumerate(bounds):
        assert 0 < end - start <= max(chunk, 1)
        total[start:end] += crossfade_weights(bounds, i)
    assert_close(total, torch.ones(n_samples), atol=1e-6, rtol=0)
    return bounds


@pytest.mark.parametrize("seed", range(200))
def test_weights_sum_to_one_for_every_legal_chunk_overlap_and_length(seed):
    draw = torch.Generator().manual_seed(seed)

    def pick(low, high):
        return int(torch.randint(low, high + 1, (1,), generator=draw))

    chunk = pick(1, 50)
    # Every other time as much overlap as is allowed, where three chunks might meet.
    overlap = chunk // 2 if seed % 2 else pick(0, chunk // 2)
    check_weights(pick(1, 400), chunk, overlap)


def test_long_songs_have_few_chunks_of_nearly_equal_length():
    bounds = check_weights(31 * 8000, 20 * 8000, 10 * 8000)
    assert len(bounds) == 3
    assert check_weights(100, 40, 10) == [(0, 40), (30, 70), (60, 100)]
    with pytest.raises(ValueError, match="overlap must be in"):
        chunk_bounds(100, 10, 6)
