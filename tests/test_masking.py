"""Masks: sources that sum to the mixture."""

import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.audio.stft import istft, stft
from asteroid_instglow.masking import (
    HOP,
    N_FFT,
    project_sum,
    share_remainder,
    shares,
    subsonics,
)


def test_posterior_is_the_minimum_under_the_constraint():
    """Against the normal equations of the same Gaussian problem."""
    means = torch.randn(3, 5, dtype=torch.float64)
    variances = torch.rand(3, 5, dtype=torch.float64) + 0.1
    mixture = torch.randn(5, dtype=torch.float64)
    for k in range(5):
        kkt = torch.zeros(4, 4, dtype=torch.float64)
        kkt[:3, :3] = torch.diag(1 / variances[:, k])
        kkt[3, :3] = kkt[:3, 3] = 1
        right = torch.cat([means[:, k] / variances[:, k], mixture[k : k + 1]])
        expected = torch.linalg.solve(kkt, right)[:3]
        found = project_sum(means, mixture - means.sum(0), variances)
        assert_close(found[:, k], expected)


def test_shares_sum_to_one_whatever_comes():
    x = torch.tensor([[0.0, 1.0, -2.0, 1e-30, 1e30], [0.0, 3.0, 5.0, 1e-30, 1e30]])
    for power in (0.5, 1.0, 2.0):
        got = shares(x, power)
        assert_close(got.sum(0), torch.ones(5))
        assert (got >= 0).all()
    assert_close(shares(x)[:, 1], torch.tensor([0.25, 0.75]))
    assert_close(shares(x)[:, 2], torch.tensor([0.0, 1.0]))


def test_treble_goes_where_the_treble_is():
    rate, time = 44100, torch.arange(22050) / 44100
    bass, bright = torch.sin(440 * time), torch.sin(2 * torch.pi * 9000 * time)
    treble = torch.sin(2 * torch.pi * 15000 * time)
    out = share_remainder(torch.stack([bass, bright]), bass + bright + treble, rate, 11025)
    assert_close(out.sum(0), bass + bright + treble, atol=1e-5, rtol=0)
    middle = slice(4000, 18000)
    assert (out[0] - bass)[middle].abs().max() < 0.02
    assert (out[1] - bright - treble)[middle].abs().max() < 0.02


def test_gains_of_a_remainder_are_those_of_scaled_frames():
    torch.manual_seed(0)
    rate, n = 44100, 9001
    sources = torch.randn(2, n)
    sources[0, : n // 2] *= 0.1
    missing = torch.randn(n)
    out = share_remainder(sources, sources.sum(0) + missing, rate, 11025)
    top = int(11025 / rate * N_FFT)
    energy = stft(sources, N_FFT, HOP)[:, top // 2 : top].abs().square().sum(1, keepdim=True)
    expected = sources + istft(shares(energy) * stft(missing, N_FFT, HOP), N_FFT, HOP, n)
    assert_close(out, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("level, is_music", [(0.05, True), (0.5, False)])
def test_rumble_is_set_aside_and_an_offset_does_not_decide(level, is_music):
    time = torch.arange(4 * 8000) / 8000
    low = level * torch.sin(2 * torch.pi * 9 * time)
    wav = torch.sin(2 * torch.pi * 200 * time) + low
    found = subsonics(wav[None], 8000)[0]
    expected = torch.zeros(len(time)) if is_music else low
    middle = slice(4000, -4000)  # reflected at the ends, the sound is another one there
    assert_close(found[middle], expected[middle], atol=0.02, rtol=0)
    assert_close(subsonics(wav[None] + 0.5, 8000)[0], found + 0.5, atol=1e-4, rtol=0)
