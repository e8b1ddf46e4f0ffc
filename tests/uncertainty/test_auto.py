"""``sources="auto"`` runs the encoders once, and gives what the sources that play give alone."""

import dataclasses
from collections import namedtuple

import numpy as np
import pytest
import soundfile
import torch
from conftest import tiny_prior
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, separator
from asteroid_instglow.audio import stems
from asteroid_instglow.encoder import solve
from asteroid_instglow.utils.kept import KeptEstimates

SOURCES = ["bass", "drums", "piano"]


@pytest.fixture
def model():
    """Three tiny priors with an LSTM and a band-split encoder each, of one body."""
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    priors = {n: tiny_prior(n, i, encoder=encoder) for i, n in enumerate(SOURCES)}
    return GenerativeSeparator(priors, chunk=0.4, overlap=0.1)


@pytest.fixture
def song(tmp_path):
    """A stereo file at another rate, silent for a piece, with equal channels at its end."""
    wav = 0.1 * np.random.default_rng(0).standard_normal((20_000, 2))
    wav[13_000:, 1] = wav[13_000:, 0]
    wav[6000:12_000] = 0
    soundfile.write(tmp_path / "song.wav", wav, 11025)
    return tmp_path / "song.wav"


@pytest.fixture
def passes(monkeypatch):
    """Counts how often encoders estimate."""
    estimate, found = solve.estimate_each, []

    def counted(*args):
        found.append(1)
        return estimate(*args)

    monkeypatch.setattr(solve, "estimate_each", counted)
    return found


def pretend(monkeypatch, present):
    """Lets only some sources count as playing."""
    tell = separator.detection_of

    def told(evidence, sources):
        probability = torch.tensor([float(name in present) for name in sources])
        return dataclasses.replace(tell(evidence, sources), probability=probability)

    monkeypatch.setattr(separator, "detection_of", told)


def read(paths):
    return {name: soundfile.read(path, dtype="float32")[0] for name, path in paths.items()}


@pytest.mark.parametrize("present", [["piano", "bass"], ["drums"], SOURCES, [], ["residual"]])
@pytest.mark.parametrize("stereo", ["mid", "channels", "spatial"])
def test_it_is_that_of_the_sources_that_play(model, song, passes, monkeypatch, present, stereo):
    model.residual = "residual" in present
    options = {"subtype": "FLOAT", "stereo": stereo}
    kept = [name for name in SOURCES if name in present] or SOURCES
    alone = read(model.subset(kept).separate(song, song.parent / "alone", **options))
    n_passes = len(passes)
    pretend(monkeypatch, present)
    found = read(model.separate(song, song.parent / "auto", sources="auto", **options))
    assert len(passes) == 2 * n_passes
    for name in model.sources:
        if name in alone:
            assert_close(found[name], alone[name], atol=1e-6, rtol=0)
        else:
            assert not found[name].any()


def test_what_was_estimated_without_an_absent_source_is_estimated_again(
    model, song, passes, monkeypatch
):
    for prior, heard in zip(model.priors, (["bass", "drums"], ["bass", "drums"], SOURCES)):
        prior.encoder.heard = heard
    options = {"subtype": "FLOAT"}
    alone = read(model.subset(["bass", "drums"]).separate(song, song.parent / "alone", **options))
    n_passes = len(passes)
    pretend(monkeypatch, ["bass", "drums"])
    found = read(model.separate(song, song.parent / "auto", sources="auto", **options))
    # Once for all three, again for two from what the third leaves, and once for these alone.
    assert len(passes) == n_passes + 3 * n_passes
    assert_close(found["bass"], alone["bass"], atol=1e-6, rtol=0)
    assert not found["piano"].any()


def test_progress_goes_from_start_to_end_once(model, song):
    seen = []
    model.separate(song, song.parent / "out", sources="auto", progress=lambda n, _: seen.append(n))
    assert seen == list(range(1, len(seen) + 1)) and len(seen) > 3


def test_a_disk_without_room_for_the_estimates_is_full_before_the_work(
    model, song, passes, monkeypatch
):
    kept = []
    monkeypatch.setattr(KeptEstimates, "keep", lambda self, x: kept.append(x.nbytes))
    room = namedtuple("usage", "total used free")
    monkeypatch.setattr(stems.shutil, "disk_usage", lambda path: room(0, 0, 10**9))
    pretend(monkeypatch, SOURCES)
    monkeypatch.setattr(KeptEstimates, "give_back", lambda *args: None)
    model.separate(song, song.parent / "out", sources="auto", suffix=".flac")
    n_passes = len(passes)
    # Three stems of two channels, as floats and one of them as integers besides.
    audio = 20_000 * 2 * (3 * 4 + 2)
    monkeypatch.setattr(stems.shutil, "disk_usage", lambda path: room(0, 0, audio + sum(kept) - 1))
    with pytest.raises(OSError, match="the disk is too full"):
        model.separate(song, song.parent / "full", sources="auto")
    assert len(passes) == n_passes and not (song.parent / "full").exists()
    model.separate(song, song.parent / "names", sources=SOURCES)


def test_estimates_come_back_in_their_order(tmp_path):
    pieces = [torch.randn(1, 3, 1, 4, n, dtype=torch.complex64) for n in (5, 2)]
    with KeptEstimates(tmp_path / "not" / "there") as kept:
        for piece in pieces:
            kept.keep(piece)
        assert not kept.is_complete and not list(tmp_path.iterdir())
        kept.give_back([2, 0])
        for piece in pieces:
            assert torch.equal(kept.next(), piece[:, [2, 0]])
