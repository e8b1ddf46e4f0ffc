"""Downloads that break off, and archives; from a server on the loopback interface."""

import hashlib
import io
import tarfile
import zipfile
from collections import namedtuple

import pytest
from file_server import FileServer

from asteroid_instglow.data.corpora import download as module
from asteroid_instglow.data.corpora import musdb, slakh
from asteroid_instglow.data.corpora.download import Archive, download, fetch
from asteroid_instglow.data.corpora.unpack import unpack

FILES = {"train/Ångström - Straße/vocals.wav": b"vocals" * 9999, "test/a/mixture.wav": b"mix"}


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    monkeypatch.setattr(module, "_WAIT", 0)


def make_zip(files, top=""):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return content.getvalue()


def make_tar(files, top="", kind=tarfile.REGTYPE):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(top + name)
            member.size, member.type, member.linkname = len(data), kind, "../../x"
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def md5(content):
    return "md5:" + hashlib.md5(content).hexdigest()


def get(server, folder, content=None, name="data.zip", **options):
    archive = Archive(f"{server.url}/{name}", checksum=content and md5(content), access="Ask them.")
    return download(archive, folder, progress=False, **options)


def found(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.wav")}


def test_fetches_checks_and_unpacks(tmp_path):
    content = make_zip(FILES)
    with FileServer({"data.zip": content}) as server:
        get(server, tmp_path / "musdb", content)

    assert found(tmp_path / "musdb") == FILES
    assert sorted(path.name for path in (tmp_path / "musdb").iterdir()) == ["test", "train"]


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_where_it_broke_off(tmp_path, ranges):
    content = make_tar(FILES, "slakh2100_flac_redux/")
    breaks = [100, 50] if ranges else [100]
    with FileServer({"data.zip": content}, breaks, ranges=ranges) as server:
        get(server, tmp_path, content, keep=True)
        asked = [wanted for _, wanted in server.log]

    assert asked == ["", "bytes=100-", "bytes=150-"][: len(asked)] and len(asked) == len(breaks) + 1
    assert (tmp_path / "data.zip").read_bytes() == content
    assert found(tmp_path) == FILES


def test_gives_up_and_a_later_run_goes_on(tmp_path):
    content = make_zip(FILES)
    with FileServer({"data.zip": content}, [100, 0, 0, 0, 0, 0]) as server:
        with pytest.raises(ConnectionError, match="100 bytes of it are kept, so run this again"):
            get(server, tmp_path, content)
        assert (tmp_path / "data.zip.part").stat().st_size == 100
        get(server, tmp_path, content)
    assert found(tmp_path) == FILES


def test_a_server_that_is_busy_is_asked_again(tmp_path):
    content = make_zip(FILES)
    with FileServer({"data.zip": content}, statuses=[503, 429]) as server:
        get(server, tmp_path, content)
    assert found(tmp_path) == FILES


@pytest.mark.parametrize("status, kind", [(403, PermissionError), (404, FileNotFoundError)])
def test_says_how_to_get_access(tmp_path, status, kind):
    with FileServer({}, statuses=[status]) as server:
        with pytest.raises(kind, match=f"status {status}.*Ask them."):
            get(server, tmp_path)


def test_what_was_fetched_by_hand_is_taken_and_checked(tmp_path):
    content = make_zip(FILES)
    with FileServer({}) as server:
        (tmp_path / "data.zip").write_bytes(content)
        get(server, tmp_path, content)
        assert not server.log
    assert found(tmp_path) == FILES


def test_damage_is_found_and_removed(tmp_path):
    content = make_zip(FILES)
    with FileServer({"data.zip": content[:-1] + b"x"}) as server:
        with pytest.raises(ValueError, match="must have the checksum md5:.* it was removed"):
            get(server, tmp_path, content)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_known_before(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(0, 0, 10**9)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with FileServer({"data.zip": b""}) as server:
        archive = Archive(f"{server.url}/data.zip", size=6 * 10**8, unpacked_size=5 * 10**8)
        with pytest.raises(OSError, match="must have 1.1 GB free for data.zip, it has 1.0 GB"):
            fetch(archive, tmp_path / "data.zip", progress=False)
        assert not server.log


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_archives_lose_the_folder_around_them(tmp_path, make):
    for top in ("", "babyslakh_16k/"):
        (tmp_path / "archive").write_bytes(make(FILES, top))
        unpack(tmp_path / "archive", tmp_path / f"out{len(top)}", progress=False)
        assert found(tmp_path / f"out{len(top)}") == FILES


def test_archives_that_reach_out_are_refused(tmp_path):
    for make in (make_zip, make_tar):
        (tmp_path / "archive").write_bytes(make({"../evil.wav": b"x"}))
        with pytest.raises(ValueError, match="must stay in its folder"):
            unpack(tmp_path / "archive", tmp_path / "out", progress=False)
    (tmp_path / "archive").write_bytes(make_tar({"link.wav": b""}, kind=tarfile.SYMTYPE))
    unpack(tmp_path / "archive", tmp_path / "out", progress=False)
    assert not list(tmp_path.rglob("*.wav"))


@pytest.mark.parametrize("content", [b"text", make_zip(FILES)[:-30], make_tar(FILES)[:150]])
def test_broken_archives_leave_nothing(tmp_path, content):
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(ValueError, match="must be a zip or tar archive"):
        unpack(tmp_path / "archive", tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("archive", [*musdb.ARCHIVES.values(), *slakh.ARCHIVES.values()])
def test_official_archives_have_checksums_and_a_way_in(archive):
    algorithm, _, digits = archive.checksum.partition(":")
    assert len(digits) == 2 * hashlib.new(algorithm).digest_size
    assert archive.url.startswith("https://") and archive.access and archive.unpacked_size
    assert archive.name.endswith((".zip", ".tar.gz"))
