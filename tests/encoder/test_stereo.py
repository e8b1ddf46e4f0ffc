"""Tests that the places of the sources in a stereo recording improve their estimates."""

from pathlib import Path

import pytest
import torch
from conftest import tiny_prior
from sounds import noise
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, load_audio
from asteroid_instglow.audio.stft import stft
from asteroid_instglow.encoder import solve
from asteroid_instglow.encoder.stereo import use_places
from asteroid_instglow.evaluation.metrics import si_sdr
from asteroid_instglow.options import SeparationOptions

SONG = Path(__file__).parents[2] / "asteroid_instglow" / "recipes" / "demo_song"
TINY = {"n_fft": 64, "hop_length": 16, "width": 4}

N_FFT, HOP = 256, 64
PLACES = torch.tensor([[1.0, 0.3], [0.2, 1.0]])


def scene(n=20000):
    """Two noises in their places, as spectrograms: of each, and of the mixture."""
    sources = stft(noise(2, 1, n) * PLACES[:, :, None], N_FFT, HOP)
    return sources, sources.sum(0)


def make_tiny():
    priors = {n: tiny_prior(n, i, encoder=TINY) for i, n in enumerate(("bass", "drums"))}
    return GenerativeSeparator(priors)


def error(found, truth):
    return float((found - truth).abs().square().sum() / truth.abs().square().sum())


def test_places_tell_sources_apart():
    truth, mixture = scene()
    guess = 0.5 * truth + 0.5 * mixture / 2
    found = use_places(guess, mixture)
    assert error(found, truth) < 0.75 * error(guess, truth)
    assert_close(found.sum(0), mixture, atol=1e-4, rtol=0)


def test_equal_channels_stay_as_they_are():
    truth, _ = scene()
    guess = truth[:, :1].expand(-1, 2, -1, -1)
    found = use_places(guess, guess.sum(0))
    assert_close(found, guess, atol=1e-2 * float(guess.abs().max()), rtol=0)
    assert error(found, guess) < 1e-5


@pytest.mark.parametrize("silent", ["left", "right", "a source", "all"])
def test_silence_stays_finite(silent):
    truth, _ = scene()
    if silent == "a source":
        truth[1] = 0
    else:
        truth[:, {"left": [0], "right": [1], "all": [0, 1]}[silent]] = 0
    mixture = truth.sum(0)
    found = use_places(0.5 * truth + 0.5 * mixture / 2, mixture)
    assert found.abs().isfinite().all()
    assert_close(found.sum(0), mixture, atol=1e-4, rtol=0)
    if silent == "left":
        assert found[:, 0].abs().max() < 1e-4


def test_a_song_in_stereo_is_separated_better_than_its_channels():
    separator = GenerativeSeparator.from_pretrained("minislakh", quality="fast")
    song = torch.stack([load_audio(SONG / f"{n}.flac")[0] for n in separator.sources])
    places = torch.tensor([[1.0, 1.0], [1.0, 0.8], [0.3, 1.0], [1.0, 0.5]])
    song = song[..., :220500] * places[:, :, None]
    mixture = song.sum(0)[None]
    scores = {}
    for stereo in ("auto", "channels"):
        found = separator.separate(mixture, stereo=stereo)[0]
        assert_close(found.sum(0), mixture[0], atol=1e-5, rtol=0)
        scores[stereo] = si_sdr(song.numpy(), found.numpy()).mean()
    assert scores["auto"] > scores["channels"] + 1, scores


@pytest.mark.parametrize("level", [1e-12, 1e-3])
def test_the_level_does_not_matter(level):
    tiny = make_tiny()
    wav = noise(1, 2, 4000)
    found = tiny.separate(level * wav) / level
    assert_close(found, tiny.separate(wav), atol=1e-3, rtol=0)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize(("n_equal", "n_pieces"), [(4000, 1), (8000, 3)])
def test_equal_channels_are_separated_once(monkeypatch, n, n_equal, n_pieces):
    estimate, passes = solve.estimate_each, []
    monkeypatch.setattr(solve, "estimate_each", lambda *x: passes.append(1) or estimate(*x))
    tiny = make_tiny()
    wav = noise(1, 1, 8000).repeat(1, n, 1)
    wav[:, -1, n_equal:] *= 0.5
    rate = tiny.sample_rate
    how = {"chunk": 3000 / rate, "overlap": 500 / rate, "confidence": True}
    found, told = tiny.separate(wav, **how)
    n_passes = len(passes)
    assert n_passes == 3 * n - n_pieces * (n - 1)
    equal = found[..., : n_equal - 1500]
    mono = tiny.separate(wav[:, :1], **how)[0][..., : equal.shape[-1]]
    assert all(torch.equal(equal[:, :, i], mono) for i in range(n))
    monkeypatch.setattr(GenerativeSeparator, "_by_channel", lambda self, options: False)
    one_by_one, same = tiny.separate(wav, **how)
    assert_close(found, one_by_one)
    for name in ("sdr", "low", "error", "octaves"):
        assert_close(
            getattr(told[0], name), getattr(same[0], name), rtol=1e-5, atol=1e-6, equal_nan=True
        )


def test_more_channels_are_separated_one_by_one():
    tiny = make_tiny()
    wav = noise(1, 3, 4000)
    spatial, each = (tiny.separate(wav, stereo=stereo) for stereo in ("spatial", "channels"))
    assert torch.equal(spatial, each)


def test_it_needs_encoders_and_the_sum():
    options = SeparationOptions(stereo="spatial")
    assert options.resolved("encoder").stereo == "spatial"
    assert SeparationOptions().resolved("encoder").stereo == "spatial"
    assert SeparationOptions(wiener=False).resolved("encoder").stereo == "channels"
    with pytest.raises(ValueError, match='stereo="spatial" needs solver="encoder"'):
        options.resolved("paper")
    with pytest.raises(ValueError, match="wiener must not be False"):
        SeparationOptions(stereo="spatial", wiener=False).resolved("encoder")
