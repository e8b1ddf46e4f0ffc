"""Tests that a separator learns from several recordings at once, without their stems."""

import copy

import pytest
import torch
from conftest import tiny_prior
from saved_models import same_weights
from sounds import noise

from asteroid_instglow import GenerativeSeparator, save_audio
from asteroid_instglow.cli import main
from asteroid_instglow.encoder import adaptation as steps_of_one
from asteroid_instglow.training import adapt_separator
from asteroid_instglow.training import adaptation as learning

RATE = 8000
BODY = {"n_fft": 64, "hop_length": 16, "width": 8}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(steps_of_one, "SEGMENT", 0.5)


@pytest.fixture
def separator():
    priors = {n: tiny_prior(n, i, encoder=BODY) for i, n in enumerate(("bass", "drums"))}
    return GenerativeSeparator(priors, quality="default")


@pytest.fixture
def album(tmp_path):
    """Three songs: short, stereo at another rate, and silent."""
    paths = [tmp_path / "album" / f"{name}.wav" for name in ("a", "b", "c")]
    wavs = noise(1, 1, RATE)[0], noise(1, 2, 3 * RATE)[0], torch.zeros(1, RATE)
    paths[0].parent.mkdir()
    for path, wav, rate in zip(paths, wavs, (RATE, 2 * RATE, RATE)):
        save_audio(path, wav, rate)
    return paths


def test_it_learns_and_the_first_stays(separator, album):
    before, seen = copy.deepcopy(separator), []
    adapted = adapt_separator(separator, album, 4, progress=lambda *step: seen.append(step))
    assert same_weights(before, separator)
    old, new = before.state_dict(), adapted.state_dict()
    changed = [name for name, value in new.items() if not torch.equal(value, old[name])]
    assert changed and all(".encoder." in name for name in changed)
    assert [i for i, loss in seen if loss == loss] == [1, 2, 3, 4]
    assert adapted.options == separator.options
    wav = noise(1, 1, RATE)
    out = adapted.separate(wav)
    torch.testing.assert_close(out.sum(1), wav[:, 0], atol=1e-5, rtol=0)


def test_it_depends_on_the_seed_alone(separator, album):
    made = [adapt_separator(separator, album, 2, seed=seed) for seed in (0, 0, 1)]
    assert same_weights(*made[:2]) and not same_weights(*made[1:])


def test_many_recordings_are_heard_in_parts(separator, album, monkeypatch):
    monkeypatch.setattr(learning, "MOST_EXCERPTS", 2)
    heard = []
    estimate = GenerativeSeparator.estimated_sources

    def look(self, mixture, n, **options):
        heard.append((mixture.n_samples, n))
        return estimate(self, mixture, n, **options)

    monkeypatch.setattr(GenerativeSeparator, "estimated_sources", look)
    adapt_separator(separator, album, 1)
    assert len(heard) == 2 and {n for _, n in heard} == {1}


def test_silence_teaches_nothing(separator, album):
    adapted = adapt_separator(separator, album[2:], 2)
    assert same_weights(adapted, separator)


@pytest.mark.parametrize(
    ("recordings", "steps", "error", "text"),
    [
        ([], 2, ValueError, "recordings must be a list of files, at least one"),
        ("a.wav", 2, ValueError, "recordings must be a list of files"),
        (["none.wav"], 2, FileNotFoundError, "none.wav"),
        (["none.wav"], 0, ValueError, "steps must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_arguments_are_refused(separator, recordings, steps, error, text):
    with pytest.raises(error, match=text):
        adapt_separator(separator, recordings, steps)


def test_priors_need_encoders(priors, album):
    with pytest.raises(ValueError, match='adapt needs solver="encoder", got "paper"'):
        adapt_separator(GenerativeSeparator(priors), album, 2)


def test_the_command_saves_a_separator(separator, album, tmp_path, capsys):
    separator.save_pretrained(tmp_path / "band", card={"results": {"bass": {"SDR (dB)": 5.0}}})
    output = tmp_path / "own"
    command = ["adapt", album[0].parent, "--priors", tmp_path / "band", "-o", output]
    command = [str(word) for word in (*command, "--steps", 2, "--device", "cpu")]
    assert main(command) == 0
    assert f"{output} has learnt from 3 recordings" in capsys.readouterr().out
    adapted = GenerativeSeparator.from_pretrained(output)
    assert not same_weights(adapted, separator)
    assert adapted.card.training["adaptation"] == "2 steps on 3 recordings without stems"
    assert adapted.card.results == {}
    assert main(command) == 2
    assert "is not empty" in capsys.readouterr().err
