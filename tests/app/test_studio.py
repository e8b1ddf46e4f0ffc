"""What the app does without a browser: sets of priors, the files of a song, clean failures."""

import zipfile

import numpy as np
import pytest
import soundfile as sf
from conftest import tiny_prior

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.app import Studio
from asteroid_instglow.cli.songs import load_on_device

RATE = 8000


@pytest.fixture
def studio(tmp_path):
    priors = {name: tiny_prior(name, i) for i, name in enumerate(("bass", "drums"))}
    GenerativeSeparator(priors, n_iter=2, wiener=True).save_pretrained(tmp_path / "band")
    tiny_prior("strings", 5).save_pretrained(tmp_path / "strings")
    noise = 0.1 * np.random.default_rng(0).standard_normal((RATE, 2))
    sf.write(tmp_path / "mixture.wav", noise, RATE)
    return Studio(tmp_path / "songs", load_on_device, [[str(tmp_path / "band")]])


def test_a_song(studio, tmp_path):
    (band,) = studio.sets
    told = []
    song = tmp_path / "mixture.wav"
    mix = studio.separate(song, band, ["drums"], lambda part, what: told.append((part, what)))
    assert (mix.song, mix.seconds, mix.sample_rate) == ("mixture", 1.0, RATE)
    assert [clip.name for clip in mix.clips] == ["mixture", "drums"]
    assert mix.clips[1].audio.name == "mixture - drums.wav"
    assert all(clip.image.read_bytes()[8:12] == b"WEBP" for clip in mix.clips)
    assert (sf.read(mix.clips[0].audio)[0] == sf.read(song)[0]).all()
    with zipfile.ZipFile(mix.archive) as file:
        assert file.namelist() == ["mixture/drums.wav"]
    parts = [part for part, _ in told]
    assert parts == sorted(parts) and parts[0] == 0 and len(set(parts)) > 2
    studio.forget(tmp_path)
    studio.forget(mix.folder)
    assert song.exists() and not mix.folder.exists()


def test_a_song_is_learnt_first(studio, tmp_path):
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    two = {n: tiny_prior(n, i, encoder=encoder) for i, n in enumerate(("bass", "drums"))}
    GenerativeSeparator(two).save_pretrained(tmp_path / "learner")
    name, told = studio.add(next(iter(studio.sets)), str(tmp_path / "learner")), []
    studio.separate(tmp_path / "mixture.wav", name, None, lambda *x: told.append(x), adapt=2)
    assert [*dict.fromkeys(what for _, what in told)][1:3] == [
        "Learning the song",
        "Separating the song",
    ]


def test_a_song_that_fails_leaves_nothing(studio, tmp_path):
    (band,) = studio.sets
    (tmp_path / "text.wav").write_text("no audio")
    for song, says in (("text.wav", "must be an audio file"), ("none.wav", "no file")):
        with pytest.raises((ValueError, OSError), match=says):
            studio.separate(tmp_path / song, band)
    assert not list((tmp_path / "songs").iterdir())


def test_priors_are_added(studio, tmp_path):
    (band,) = studio.sets
    new = studio.add(band, f"violin={tmp_path / 'strings'}")
    assert studio.separator(new).sources == ["bass", "drums", "violin"]
    assert studio.separator(band).sources == ["bass", "drums"]
    # A whole separator is a set of its own.
    assert studio.add(new, str(tmp_path / "band")) == band
    for spec, says in (("", "name a folder"), (str(tmp_path / "no"), "no folder or file")):
        with pytest.raises((ValueError, OSError), match=says):
            studio.add(band, spec)
    assert list(studio.sets) == [band, new]
