"""Stems appear as a set: all or none, whatever happens, and never old beside new."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections import namedtuple
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from asteroid_instglow.audio import stems as module
from asteroid_instglow.audio.io import audio_info, load_audio
from asteroid_instglow.audio.placing import finish_interrupted
from asteroid_instglow.audio.stems import StemSet

NAMES = ["bass", "drums"]
AUDIO = {"sample_rate": 8000, "channels": 2, "frames": 3000}


def noise(scale=0.1, seed=0):
    return np.float32(scale * np.random.default_rng(seed).standard_normal((2, 2, 3000)))


def write(folder, blocks=3, wav=None, **options):
    wav = noise() if wav is None else wav
    with StemSet(folder, NAMES, **options) as stems:
        stems.start(**AUDIO)
        for block in np.array_split(wav, blocks, -1):
            stems.write(block)
    return stems.paths


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


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


def template(root):
    return {name: root / name / "song.wav" for name in NAMES}


def write_in_two_folders(root, seed):
    with StemSet(root / "song", template(root), overwrite=True) as stems:
        stems.start(**AUDIO)
        stems.write(noise(seed=seed))
        stems.attach(root / "song.json", {"seed": seed})


def write_killed(root, n):
    """Writes a set in another process, which is killed before its nth renaming of a file."""
    pid = os.fork()
    if pid:
        return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    left, rename = n, os.replace

    def replace(*args):
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        rename(*args)

    os.replace = replace
    write_in_two_folders(root, 1)
    os._exit(0)


def read(root):
    """Returns the kind of each file of the set that is there: old, new or other."""
    seeds = {}
    for name, path in template(root).items():
        if path.exists():
            wav = load_audio(path)[0].numpy()
            own = NAMES.index(name)
            seeds[name] = next(i for i in (0, 1) if abs(wav - noise(seed=i)[own]).max() < 1e-3)
    if (root / "song.json").exists():
        seeds["json"] = json.loads((root / "song.json").read_text())["seed"]
    return seeds


@pytest.mark.parametrize("other_disk", [False, True])
def test_a_set_in_several_folders_is_finished_after_a_kill(tmp_path, monkeypatch, other_disk):
    n_killed = n_torn = 0
    if other_disk:
        # As if the folder of the bass were a disk of its own.
        stat = Path.stat

        def watched(self, **options):
            found = stat(self, **options)
            return os.stat_result([*found[:2], 99, *found[3:]]) if self.name == "bass" else found

        monkeypatch.setattr(Path, "stat", watched)
    for n in range(20):
        root = tmp_path / str(n)
        write_in_two_folders(root, 0)
        if not write_killed(root, n):
            break
        n_killed += 1
        found = read(root)
        assert len(set(found.values())) < 2, "old and new stand side by side"
        n_torn += len(found) < 3
        begun = finish_interrupted(root / "song", template(root).values())
        assert list(read(root).values()) == 3 * [int(begun)]
        write_in_two_folders(root, 1)
        assert files(root) == ["bass/song.wav", "drums/song.wav", "song.json"]
    assert n_killed > 6 and n_torn > 3


def test_an_error_among_the_moves_undoes_them(tmp_path, monkeypatch):
    write_in_two_folders(tmp_path, 0)
    replace = os.replace

    def refuse(source, target):
        if target == tmp_path / "drums" / "song.wav" and ".partial" in str(source):
            raise OSError(28, "No space left", str(target))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="cannot write .*No space left"):
            write_in_two_folders(tmp_path, 1)
    assert list(read(tmp_path).values()) == [0, 0, 0]
    assert files(tmp_path) == ["bass/song.wav", "drums/song.wav", "song.json"]


@pytest.mark.parametrize(
    "journal",
    [
        *("", "[]", "{", '{"moves": 1}', '{"moves": [["a"]]}', '{"moves": [[1, 2]]}'),
        '{"moves": [["{stage}/bass.wav", "{outside}/evil.wav"]]}',
        '{"moves": [["{stage}/bass.wav", "{stage}/../../evil.wav"]]}',
        '{"moves": [["{outside}/mine.wav", "{stage}/../bass.wav"]]}',
    ],
)
def test_a_hostile_journal_moves_nothing(tmp_path, journal):
    root, stage = tmp_path / "out", tmp_path / "out" / ".song.partial"
    stage.mkdir(parents=True)
    (stage / "bass.wav").touch()
    (tmp_path / "mine.wav").touch()
    text = journal.replace("{stage}", str(stage)).replace("{outside}", str(tmp_path))
    (stage / "journal.json").write_text(text)
    assert not finish_interrupted(root / "song")
    assert files(tmp_path) == ["mine.wav"]


def test_a_folder_is_no_stem(tmp_path):
    (tmp_path / "song" / "bass.wav").mkdir(parents=True)
    (tmp_path / "song" / "bass.wav" / "mine").touch()
    with pytest.raises(IsADirectoryError, match="stems must be files, .*bass.wav is a folder"):
        write(tmp_path / "song", overwrite=True)
    assert files(tmp_path) == ["song/bass.wav/mine"]


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
