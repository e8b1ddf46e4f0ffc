"""The separator on files."""

import pytest
import soundfile
from sounds import noise

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.audio.io import load_audio


@pytest.fixture
def separator(priors):
    return GenerativeSeparator(priors, n_iter=3, wiener=True)


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "my song.flac"
    soundfile.write(path, noise(2, 22050).T.numpy(), 44100)
    return path


def test_file_separate(separator, song, tmp_path):
    paths = separator.separate(song, tmp_path / "out")
    assert {n: p.name for n, p in paths.items()} == {"bass": "bass.wav", "drums": "drums.wav"}
    mixture, _ = load_audio(song)
    total = 0
    for path in paths.values():
        wav, rate = load_audio(path)
        assert rate == 44100 and wav.shape == mixture.shape
        assert soundfile.info(path).subtype == "PCM_16"
        total = total + wav
    assert (total - mixture).abs().max() < 3 / 32768
    with pytest.raises(FileExistsError, match=r"bass\.wav"):
        separator.separate(song, tmp_path / "out")
    exact = separator.separate(str(song), tmp_path / "out", force_overwrite=True, subtype="FLOAT")
    total = sum(load_audio(path)[0] for path in exact.values())
    assert (total - mixture).abs().max() <= 1e-5 * mixture.abs().max()


def test_file_separate_beside_the_file(separator, song):
    paths = separator.separate(song, suffix=".flac", subtype="PCM_24")
    assert paths["bass"] == song.with_suffix("") / "bass.flac"
    assert soundfile.info(paths["bass"]).subtype == "PCM_24"


def test_resampling_can_be_refused(separator, song):
    with pytest.raises(ValueError, match="must have 8000 Hz as the priors, got 44100 Hz"):
        separator.separate(song, resample=False)
