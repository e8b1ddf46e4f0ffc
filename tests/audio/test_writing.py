"""Writing: levels, refusals, and a file that is there whole or not at all."""

import os
import resource

import pytest
import torch
from sounds import noise
from torch.testing import assert_close

from asteroid_instglow.audio import writing
from asteroid_instglow.audio.io import load_audio, save_audio


def test_clip_modes(tmp_path):
    wav = noise(1, 1000, scale=1.0)
    peak = wav.abs().max()
    assert peak > 1
    wanted = {"rescale": wav / peak, "clamp": wav.clamp(-1, 1), "none": wav}
    for clip, want in wanted.items():
        save_audio(tmp_path / f"{clip}.wav", wav, 8000, "FLOAT", clip)
        assert_close(load_audio(tmp_path / f"{clip}.wav")[0], want)
        quiet = tmp_path / f"quiet_{clip}.wav"
        save_audio(quiet, 0.5 * wav / peak, 8000, "FLOAT", clip)
        assert_close(load_audio(quiet)[0], 0.5 * wav / peak)
    for name in ("a.wav", "a.ogg"):
        with pytest.raises(ValueError, match="wav must lie in .* got a peak of"):
            save_audio(tmp_path / name, wav, 8000, "PCM_16", "none")
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subtype": "PCM_8"}, "subtype for .wav must be one of PCM_16, PCM_24, FLOAT"),
        ({"clip": "wrap"}, "clip must be one of rescale, clamp, none, got 'wrap'"),
        ({"sample_rate": 0}, "sample_rate must be"),
        ({"path": "a.txt"}, "path must end in one of .wav"),
        ({"path": "a.flac", "subtype": "FLOAT"}, "subtype for .flac must be one of PCM_16, PCM_24"),
        ({"path": "a.ogg", "sample_rate": 300000}, "at most 192000"),
        ({"path": "a.mp3", "wav": torch.zeros(5, 100)}, "cannot write 5 channels"),
        ({"wav": torch.zeros(0)}, "not empty, got"),
        ({"wav": torch.zeros(1, 2, 3)}, "wav must be .channels, time."),
        ({"wav": torch.zeros(100, 2)}, "wav must be .channels, time."),
        ({"wav": torch.zeros(1, 100, dtype=torch.int16)}, "floating point, got torch.int16"),
    ],
)
def test_refusals_leave_nothing(tmp_path, options, message):
    arguments = {"path": "a.wav", "wav": torch.zeros(1, 100), "sample_rate": 8000, **options}
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(ValueError, match=message):
        save_audio(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept_unless_told(tmp_path):
    path = tmp_path / "a.wav"
    save_audio(path, noise(100), 8000)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="a.wav exists already"):
        save_audio(path, noise(100, seed=1), 8000)
    assert path.read_bytes() == before
    save_audio(path, noise(100, seed=1), 8000, overwrite=True)
    assert path.read_bytes() != before


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="the folder of .* does not exist"):
        save_audio(tmp_path / "no" / "a.wav", noise(100), 8000)


def test_read_only_folder(tmp_path, monkeypatch):
    # As root no folder is read-only, so the refusal is played where permissions do not bind.
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        monkeypatch.setattr(writing.Path, "open", _read_only)
    with pytest.raises(PermissionError, match="cannot write .*a.wav"):
        save_audio(tmp_path / "a.wav", noise(100), 8000)
    tmp_path.chmod(0o755)
    assert list(tmp_path.iterdir()) == []


def _read_only(path, mode):
    raise OSError(30, "Read-only file system", str(path))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_stopped_half_way_keeps_the_old_file(tmp_path, monkeypatch, stop):
    path = tmp_path / "a.wav"
    save_audio(path, noise(100), 8000)
    before = path.read_bytes()

    def write(file, samples):
        raise stop

    monkeypatch.setattr(writing.sf.SoundFile, "write", write)
    with pytest.raises(stop):
        save_audio(path, noise(100, seed=1), 8000, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("room", [20000, 10, 0])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_full_disk(tmp_path, suffix, room):
    # A limit on the size of files stands in for it.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(OSError, match="cannot write|were written"):
            save_audio(tmp_path / f"a.{suffix}", noise(1, 100000), 22050)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
