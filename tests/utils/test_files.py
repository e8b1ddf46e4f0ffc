import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from asteroid_instglow.utils.files import (
    atomic_path,
    hash_file,
    read_json,
    scratch_folder,
    write_atomic,
    write_json,
)


def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_atomic(path, "old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["a.txt"]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    path = tmp_path / "a.txt"
    killed = f"""
import os, signal
from pathlib import Path
from asteroid_instglow.utils.files import atomic_path
with atomic_path(Path({str(path)!r})) as temporary:
    temporary.write_text("half of a long text")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert [name for name in os.listdir(tmp_path) if name != path.name]  # it was killed within
    write_atomic(path, "whole")
    assert os.listdir(tmp_path) == ["a.txt"] and path.read_text() == "whole"


def test_a_scratch_folder_of_a_killed_process_is_removed_by_the_next(tmp_path):
    killed = f"""
import os, signal
from asteroid_instglow.utils.files import scratch_folder
with scratch_folder({str(tmp_path)!r}) as folder:
    (folder / "song.wav").write_text("a download")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "mine").mkdir()
    with scratch_folder(tmp_path) as living:
        subprocess.run([sys.executable, "-c", killed], check=False)
        assert len(os.listdir(tmp_path)) == 3
        with scratch_folder(tmp_path) as folder:
            assert {path.name for path in tmp_path.iterdir()} == {"mine", living.name, folder.name}
    assert os.listdir(tmp_path) == ["mine"]


def test_writers_of_one_file_take_turns(tmp_path):
    path, contents = tmp_path / "a.txt", [str(i) * 10**6 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_atomic(path, content), contents * 4))
    assert path.read_text() in contents and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("content", ["text", b"text", lambda path: path.write_text("text")])
def test_text_bytes_and_functions_are_written(tmp_path, content):
    write_atomic(tmp_path / "a", content)
    assert (tmp_path / "a").read_text() == "text"


def test_an_error_names_the_file_not_the_temporary_one(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="cannot write .*folder: Is a directory") as caught:
        write_atomic(tmp_path / "folder", "text")
    assert "tmp:" not in str(caught.value)


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("old", "new"):
        (tmp_path / name).symlink_to(tmp_path / "there" / name)
    (tmp_path / "there" / "old").write_text("before")
    for name in ("old", "new"):
        write_atomic(tmp_path / name, "after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "there" / name).read_text() == "after"
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match=f"cannot write {loop}: Too many levels"):
        write_atomic(loop, "x")
    assert loop.is_symlink()


def test_json_is_read_back_and_anything_else_refused(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"é": [1, None]})
    assert read_json(path) == {"é": [1, None]}
    for text, message in [("{", "is not JSON"), ("[1]", "JSON object"), ("[" * 10**5, "not JSON")]:
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_json(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="is not JSON"):
        read_json(path)


def test_hashes_are_those_of_sha256sum_and_md5sum(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert hash_file(path).startswith("ba7816bf8f01cfea414140de5dae2223")
    assert hash_file(path, "md5") == "900150983cd24fb0d6963f7d28e17f72"
