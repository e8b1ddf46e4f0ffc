"""Stems appear as a set: all or none, whatever happens, and never old beside new."""

import fcntl
import os
import signal
import subprocess
import sys
from collections import namedtuple
from contextlib import nullcontext

import numpy as np
import pytest
from stem_sets import NAMES, files, noise, write

from asteroid_instglow.audio import stems as module
from asteroid_instglow.audio.io import audio_info, load_audio
from asteroid_instglow.audio.stems import StemSet


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("clip", ["rescale", "clamp"])
def test_blocks_are_as_one(tmp_path, suffix, clip):
    options = {"suffix": suffix, "clip": clip}
    one, three = (write(tmp_path / str(n) / "song", n, **options) for n in (1, 3))
    for name in NAMES:
        wavs = [load_audio(paths[name])[0] for paths in (one, three)]
        assert wavs[0].shape == (2, 3000) and (wavs[0] == wavs[1]).all()
    assert files(tmp_path / "1") == [f"song/{name}{suffix}" for name in NAMES]


def test_rescaled_by_one_factor_and_said(tmp_path, caplog):
    loud = noise(1.0)
    peak = np.abs(loud).max()
    paths = write(tmp_path / "a", wav=loud, subtype="PCM_24")
    assert (
        "quieter than the input" in caplog.text and f"{20 * np.log10(peak):.2f} dB" in caplog.text
    )
    caplog.clear()
    for wav, path in zip(loud, paths.values()):
        np.testing.assert_allclose(load_audio(path)[0].numpy(), wav / peak, atol=1e-6)
    paths = write(tmp_path / "b", wav=loud, subtype="FLOAT")
    assert (load_audio(paths["drums"])[0].numpy() == loud[1]).all() and not caplog.text
    paths = write(tmp_path / "c", wav=loud, subtype="FLOAT", clip="clamp")
    assert (load_audio(paths["drums"])[0].numpy() == loud[1].clip(-1, 1)).all()
    with pytest.raises(ValueError, match="stems must lie in"):
        write(tmp_path / "d", wav=loud, clip="none")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left")])
def test_a_failure_keeps_what_was_there(tmp_path, monkeypatch, error):
    write(tmp_path / "song")
    before = {path: path.read_bytes() for path in (tmp_path / "song").iterdir()}
    monkeypatch.setattr(module.AudioWriter, "write", lambda *args: (_ for _ in ()).throw(error))
    kind = error if isinstance(error, type) else OSError
    with pytest.raises(kind) as raised:
        write(tmp_path / "song", overwrite=True)
    if kind is OSError:
        assert str(raised.value) == f"cannot write {tmp_path}/song/bass.wav: No space left"
    with pytest.raises(kind):
        write(tmp_path / "new" / "song")
    assert {path: path.read_bytes() for path in (tmp_path / "song").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_old_and_new_never_stand_side_by_side(tmp_path, monkeypatch, can_exchange):
    write(tmp_path / "song")
    (tmp_path / "song" / "notes.txt").write_text("mine")
    old, seen = {path.read_bytes() for path in (tmp_path / "song").glob("*.wav")}, set()

    def watched(function):
        def wrapper(*args, **options):
            done = function(*args, **options)
            now = {path.read_bytes() for path in (tmp_path / "song").glob("*.wav")}
            seen.add((len(now & old), len(now - old)))
            if function.__name__ == "replace":
                os.kill(os.getpid(), signal.SIGINT)
            return done

        return wrapper

    if not can_exchange:
        monkeypatch.setattr(module, "exchange", lambda *folders: False)
    for place, name in (
        *((module.Path, "unlink"), (module.os, "replace")),
        *((module.os, "link"), (module, "exchange")),
    ):
        monkeypatch.setattr(place, name, watched(getattr(place, name)))
    with nullcontext() if can_exchange else pytest.raises(KeyboardInterrupt):
        write(tmp_path / "song", wav=noise(seed=1), overwrite=True)
    if can_exchange:
        assert seen == {(2, 0), (0, 2)}
    else:
        assert {(2, 0), (0, 2)} < seen and (1, 1) not in seen
    assert files(tmp_path) == ["song/bass.wav", "song/drums.wav", "song/notes.txt"]


KILLED = """
import os, signal, sys
import numpy as np
from asteroid_instglow.audio.stems import StemSet
with StemSet(sys.argv[1], ["bass", "drums"], overwrite=True) as stems:
    stems.start(8000, 2, 3000)
    stems.write(np.zeros((2, 2, 1000), dtype="float32"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_leftovers_of_a_kill_are_replaced(tmp_path):
    write(tmp_path / "song")
    before = files(tmp_path)
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "song"], check=False)
    assert (tmp_path / ".song.partial").is_dir()
    assert [name for name in files(tmp_path) if not name.startswith(".")] == before
    write(tmp_path / "song", overwrite=True)
    assert files(tmp_path) == before


def test_two_processes_do_not_write_one_song(tmp_path):
    (tmp_path / ".song.partial").mkdir()
    with (tmp_path / ".song.partial" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process is writing to .*song"):
            write(tmp_path / "song")
    write(tmp_path / "song")


def test_what_can_be_checked_is_checked_first(tmp_path, monkeypatch):
    (tmp_path / "afile").touch()
    write(tmp_path / "song")
    for folder, options, error, says in [
        ("x", {"suffix": ".flac", "subtype": "FLOAT"}, ValueError, "subtype for .flac must be"),
        ("x", {"suffix": ".txt"}, ValueError, "path must end in one of"),
        ("x", {"clip": "wrap"}, ValueError, "clip must be one of"),
        ("afile", {}, NotADirectoryError, "afile is a file"),
        ("afile/x/y", {}, NotADirectoryError, "afile is a file"),
        ("song", {}, FileExistsError, "bass.wav, .*drums.wav exists"),
    ]:
        with pytest.raises(error, match=says):
            StemSet(tmp_path / folder, NAMES, **options)
    with pytest.raises(ValueError, match="must be the name of a file"):
        StemSet(tmp_path / "x", ["../bass"])
    with StemSet(tmp_path / "x", NAMES, ".mp3") as stems:
        with pytest.raises(ValueError, match="cannot write 65 channels"):
            stems.start(8000, 65, 100)
    usage = namedtuple("usage", "total used free")(100, 99, 1)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="cannot write .*x: the disk is too full"):
        write(tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["afile", "song"]


def test_wavs_beyond_four_gigabytes_get_another_header(tmp_path, monkeypatch):
    monkeypatch.setattr("asteroid_instglow.audio.writing._MAX_WAV", 1000)
    paths = write(tmp_path / "song")
    assert audio_info(paths["bass"])[:3] == (8000, 2, 3000)
    assert paths["bass"].read_bytes()[:4] == b"RF64"
