"""Where the songs and stems of a corpus lie, and the manifest of what is done."""

import os
import subprocess
import sys
import tempfile

import fsspec
import pytest
from conftest import tiny_prior
from corpus_songs import write_songs

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.corpus import CorpusSong, list_songs, separate_corpus
from asteroid_instglow.corpus.manifest import FOLDER, CorpusManifest
from asteroid_instglow.corpus.storage import Place, local_copy
from asteroid_instglow.corpus.worker import SongWorker


@pytest.fixture
def remote():
    yield "memory://bucket"
    fsspec.filesystem("memory").rm("/", recursive=True)


def test_songs_and_stems_on_an_object_store(tmp_path, remote, monkeypatch):
    write_songs(tmp_path / "a" / "b", 2)
    place = Place(remote)
    place.fs.put(f"{tmp_path}/a", f"{place.root}/music", recursive=True)
    songs = list_songs(f"{remote}/music", f"{remote}/music/out")
    assert [song.track for song in songs] == ["b/00", "b/01"]
    assert songs[0].path == "memory:///bucket/music/b/00.wav"
    model = GenerativeSeparator({"bass": tiny_prior("bass"), "drums": tiny_prior("drums")})
    worker = SongWorker(lambda: model, f"{remote}/out", {"n_iter": 1, "suffix": ".flac"})
    result = worker.separate(*songs[0])
    assert (result["status"], result["seconds"]) == ("done", 1.0)
    assert place.has(["out/b/00/bass.flac", "out/b/00/drums.flac"])
    again = worker.separate(*songs[0])
    assert again["found"] and "seconds" not in again
    # An upload that fails leaves no part of a set.
    put = place.fs.put_file
    monkeypatch.setattr(
        type(place.fs), "put_file", lambda fs, a, b: put(a, b) if "bass" in b else 1 / 0
    )
    failed = worker.separate(*songs[1])
    assert (failed["status"], failed["again"]) == ("failed", True)
    assert not place.fs.find(f"{place.root}/out/b/01")


KILLED = """
import os, signal, sys
import fsspec
from asteroid_instglow.corpus.worker import SongWorker

class Killed:
    sources = ["bass"]

    def file_separate(self, path, folder, track, **options):
        os.kill(os.getpid(), signal.SIGKILL)

fsspec.filesystem("memory").pipe("/bucket/song.wav", b"audio")
SongWorker(Killed, "memory://bucket/out", {}).separate("memory://bucket/song.wav", "song")
"""


def test_the_next_worker_removes_what_a_killed_one_downloaded(tmp_path, remote, monkeypatch):
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", KILLED], env=env, check=False)
    assert len(list(tmp_path.rglob("song.wav"))) == 1 and len(os.listdir(tmp_path)) == 2
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Place(remote).fs.pipe("/bucket/song.wav", b"audio")
    with local_copy(f"{remote}/song.wav") as path:
        assert os.listdir(tmp_path) == [path.parent.name]
    assert not os.listdir(tmp_path)


def test_the_confidence_goes_to_an_object_store_too(tmp_path, remote):
    write_songs(tmp_path / "a", 1)
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    model = GenerativeSeparator({n: tiny_prior(n, encoder=encoder) for n in ("bass", "drums")})
    worker = SongWorker(lambda: model, f"{remote}/out", {"confidence": True})
    assert worker.separate(str(tmp_path / "a" / "00.wav"), "x/y")["status"] == "done"
    names = ("bass.wav", "drums.wav", "confidence.json")
    assert Place(remote).has([f"out/x/y/{name}" for name in names])


def test_the_manifest_survives_a_torn_line_and_refuses_another_run(tmp_path):
    place = Place(tmp_path / "out")
    with CorpusManifest(place, {"seed": 1}) as manifest:
        manifest.add({"path": "a.wav", "track": "a", "status": "done"})
        manifest.add({"path": "b.wav", "track": "b", "status": "failed"})
        with pytest.raises(ValueError, match="another run is writing"):
            CorpusManifest(place, {"seed": 1}).__enter__()
    [part] = (tmp_path / "out" / FOLDER).glob("*.jsonl")
    with part.open("a") as file:
        file.write('{"path": "c.wav", "tra')
    with CorpusManifest(place, {"seed": 1}) as manifest:
        assert manifest.tracks == {"a": "a.wav"}
    with pytest.raises(ValueError, match="made with another seed: seed=1"):
        CorpusManifest(place, {"seed": 2}).__enter__()
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "x.wav").touch()
    with pytest.raises(ValueError, match="must be a new folder"):
        separate_corpus([CorpusSong("x.wav", "x")], tmp_path / "music", lambda: None)


def test_the_manifest_on_an_object_store_has_parts(remote, monkeypatch):
    monkeypatch.setattr("asteroid_instglow.corpus.manifest.LINES_A_PART", 4)
    place = Place(f"{remote}/out")
    with CorpusManifest(place, {}) as manifest:
        for i in range(10):
            manifest.add({"path": f"{i}.wav", "track": str(i), "status": "done"})
    assert len(place.fs.ls(place.below(FOLDER))) == 3
    with CorpusManifest(place, {}) as manifest:
        assert manifest.tracks == {str(i): f"{i}.wav" for i in range(10)}


def test_songs_of_a_manifest(tmp_path):
    text = tmp_path / "songs.txt"
    text.write_text("x/a.wav\n\n/y/a.wav\ns3://bucket/b.mp3\nx/a.wav\n")
    songs = list_songs(text, "out")
    assert [song.path for song in songs] == [f"{tmp_path}/x/a.wav", "/y/a.wav", "s3://bucket/b.mp3"]
    assert [song.track for song in songs] == ["x/a", "y/a", "b"]
    lines = tmp_path / "songs.jsonl"
    lines.write_text('{"path": "/a.wav", "track": "one/two"}\n{"path": "/b.wav"}\n')
    assert [song.track for song in list_songs(lines, "out")] == ["one/two", "b"]
    for line in ("x.wav", '{"track": "a"}', '{"path": "/a.wav", "track": 1}'):
        lines.write_text(line)
        with pytest.raises(ValueError, match="line 1 of .*songs.jsonl must"):
            list_songs(lines, "out")
    text.write_text("\n")
    with pytest.raises(FileNotFoundError, match="no song in"):
        list_songs(text, "out")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        list_songs(tmp_path / "nowhere", "out")


def test_a_name_that_another_song_has_is_not_given_again(tmp_path):
    place = Place(tmp_path / "out")
    with CorpusManifest(place, {"progress": False}) as manifest:
        manifest.add({"path": "/a/x.mp3", "track": "x", "status": "done"})
    answer = separate_corpus([CorpusSong("/a/x.wav", "x")], tmp_path / "out", lambda: None)
    assert answer["failed"][0]["error"] == "its stems would replace those of /a/x.mp3"


@pytest.mark.parametrize(
    "line", ["1", "null", "[]", '"x"', '{"status": "done"}', "[" * 10**5, "\xff"]
)
def test_a_manifest_with_strange_lines_is_read(tmp_path, line):
    place = Place(tmp_path / "out")
    with CorpusManifest(place, {"seed": 1}) as manifest:
        manifest.add({"path": "a.wav", "track": "a", "status": "done"})
    [part] = (tmp_path / "out" / FOLDER).glob("*.jsonl")
    part.write_bytes(part.read_bytes() + line.encode("latin-1"))
    with CorpusManifest(place, {"seed": 1}) as manifest:
        assert manifest.tracks == {"a": "a.wav"}
    part.write_text('{"made_with": 1}')
    with pytest.raises(ValueError, match="must say what separated, got 1"):
        CorpusManifest(place, {"seed": 1}).__enter__()


def test_names_that_would_meet_are_refused(tmp_path):
    songs = [CorpusSong(f"{name}.wav", name) for name in ("a", "manifest")]
    with pytest.raises(ValueError, match="name must contain {track} for several songs"):
        separate_corpus(songs, tmp_path / "out", lambda: None, name="{stem}")
    answer = separate_corpus(songs[1:], tmp_path / "out", lambda: None)
    assert answer["failed"][0]["error"] == "its stems would replace the manifest"
    (tmp_path / "songs.txt").write_bytes(b"\xff.wav\n")
    assert list_songs(tmp_path / "songs.txt", "out")[0].track == "\udcff"
    (tmp_path / "songs.jsonl").write_text("[" * 10**5)
    with pytest.raises(ValueError, match="line 1 of .*songs.jsonl must"):
        list_songs(tmp_path / "songs.jsonl", "out")
