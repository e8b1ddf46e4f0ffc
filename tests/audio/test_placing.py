"""Sets of stems whose files lie apart are whole after errors and kills, too."""

import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest
from stem_sets import AUDIO, NAMES, files, noise, write

from asteroid_instglow.audio.io import load_audio
from asteroid_instglow.audio.placing import finish_interrupted
from asteroid_instglow.audio.stems import StemSet
from asteroid_instglow.utils.files import write_json


def template(root):
    return {name: root / name / "song.wav" for name in NAMES}


def write_in_two_folders(root, seed):
    """Writes a set; the first has a file that the second has not."""
    with StemSet(root / "song", template(root), overwrite=True) as stems:
        stems.start(**AUDIO)
        stems.write(noise(seed=seed))
        stems.attach(root / "song.json", partial(write_json, content={"seed": seed}))
        if seed == 0:
            stems.attach(root / "song.txt", lambda path: path.write_text("of the first"))
        else:
            stems.drop([root / "song.txt", root / "not there"])


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
    if (root / "song.txt").exists():
        seeds["text"] = 0
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
        assert list(read(root).values()) == (3 * [1] if begun else 4 * [0])
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
    assert list(read(tmp_path).values()) == [0, 0, 0, 0]
    assert files(tmp_path) == ["bass/song.wav", "drums/song.wav", "song.json", "song.txt"]


@pytest.mark.parametrize(
    "journal",
    [
        *("", "[]", "{", '{"moves": 1}', '{"moves": [["a"]]}', '{"moves": [[1, 2]]}'),
        '{"moves": [["{stage}/bass.wav", "{outside}/evil.wav"]]}',
        '{"moves": [["{stage}/bass.wav", "{stage}/../../evil.wav"]]}',
        '{"moves": [["{outside}/mine.wav", "{stage}/../bass.wav"]]}',
        '{"moves": [], "stale": ["{outside}/mine.wav"]}',
        '{"moves": [], "stale": [1]}',
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


def test_the_stage_is_no_link_and_no_place_for_stems(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / ".song.partial").symlink_to("mine")
    for folder, paths in (
        (tmp_path / "song", NAMES),
        (tmp_path / "other", {"bass": tmp_path / ".other.partial" / "bass.wav"}),
    ):
        with pytest.raises(ValueError, match=".partial is kept for unfinished stems"):
            StemSet(folder, paths, overwrite=True)
    assert files(tmp_path / "mine") == ["file"]


def test_a_folder_is_no_stem(tmp_path):
    (tmp_path / "song" / "bass.wav").mkdir(parents=True)
    (tmp_path / "song" / "bass.wav" / "mine").touch()
    with pytest.raises(IsADirectoryError, match="stems must be files, .*bass.wav is a folder"):
        write(tmp_path / "song", overwrite=True)
    assert files(tmp_path) == ["song/bass.wav/mine"]
