"""Resampling: lengths, tones, and parts that equal wholes."""

import pytest
import torch
from sounds import noise, tone
from torch.testing import assert_close

from asteroid_instglow.audio.io import load_audio, resample, save_audio


@pytest.mark.parametrize("orig", [44100, 48000, 11025, 96000, 8000, 22051])
@pytest.mark.parametrize("new", [22050, 44100])
def test_a_tone_stays_itself(orig, new):
    got = resample(tone(1000, orig, 1), orig, new)
    want = tone(1000, new, 1)
    assert got.shape == want.shape
    assert (got - want)[2000:-2000].abs().max() < 1e-4


def test_what_the_new_rate_cannot_hold_vanishes():
    got = resample(tone(13000, 44100, 1), 44100, 22050)
    assert got[2000:-2000].abs().max() < 1e-4


@pytest.mark.parametrize("length", [1, 10, 1001, 44100])
def test_length_is_the_rounded_up_ratio(length):
    for orig, new in ((44100, 22050), (48000, 44100), (22050, 48000)):
        assert resample(noise(2, length), orig, new).shape == (2, -(-length * new // orig))


def test_length_of_long_audio_is_exact():
    # Rounded in float32, as torchaudio does it, this one would be a frame shorter.
    assert resample(torch.ones(11184811), 16000, 24000).shape == (2**24 + 1,)


def test_resampling_is_linear_and_differentiable():
    a, b = noise(1000, seed=1).double().requires_grad_(), noise(1000, seed=2).double()
    assert_close(
        resample(a + b, 48000, 22050), resample(a, 48000, 22050) + resample(b, 48000, 22050)
    )
    resample(a, 48000, 22050).sum().backward()
    assert (a.grad != 0).all()


@pytest.mark.parametrize("rate", [0, -1, 22050.5, True])
def test_rates_are_checked(rate):
    with pytest.raises(ValueError, match="new_rate must be a positive whole number"):
        resample(torch.zeros(10), 8000, rate)


@pytest.mark.parametrize("rate", [44100, 48000, 22050, 11025, 8000])
def test_a_part_equals_the_cut_whole(tmp_path, rate):
    save_audio(tmp_path / "a.flac", noise(2, 2 * rate + 7), rate)
    whole, _ = load_audio(tmp_path / "a.flac", 22050)
    for start, frames in ((0, 100), (12345, 2000), (44000, 90), (0, None), (30000, None)):
        part, _ = load_audio(tmp_path / "a.flac", 22050, start, frames)
        stop = None if frames is None else start + frames
        assert_close(part, whole[:, start:stop], atol=1e-6, rtol=0)
