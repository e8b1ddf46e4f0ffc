"""Solo recordings are found in all layouts, drawn by weight, split and told apart."""

import os

import numpy as np
import pytest
from solo_files import RATE, constant, noise, write

from asteroid_instglow.audio.finding import find_audio
from asteroid_instglow.data import (
    Recordings,
    Solo,
    SoloDataset,
    as_folders,
    data_digest,
    find_by_source,
    find_solos,
    list_sources,
    parse_folder,
    split_by_source,
    validation_split,
)
from asteroid_instglow.data.recordings import can_be_heard


def test_both_layouts_are_found_together(tmp_path):
    wanted = ["bass/a.wav", "bass/album/b.OGG", "bass/album/c.mp3", "T1/bass.flac"]
    other = ["T1/drums.flac", "drums/bass line.wav", "bass/._a.wav", "T2/x/bass.wav", "bass/x.txt"]
    for name in [*wanted, *other]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_solos(tmp_path, "bass") == sorted(tmp_path / name for name in wanted)
    assert find_solos(str(tmp_path), "drums") == [
        tmp_path / "T1" / "drums.flac",
        tmp_path / "drums" / "bass line.wav",
    ]


def test_a_missing_root_and_a_missing_source(band):
    with pytest.raises(FileNotFoundError, match="there is none at"):
        find_solos(band / "none", "bass")
    with pytest.raises(ValueError, match=r"\(bass, drums, piano\), got 'kazoo'"):
        find_solos(band, "kazoo")
    (band / "empty").mkdir()
    with pytest.raises(ValueError, match="no recordings at all"):
        find_solos(band / "empty", "bass")


def test_a_source_need_not_be_in_every_folder(tmp_path):
    for name in ("one/bass/a.wav", "two/bass/a.wav", "two/drums/a.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    both = [tmp_path / "one", tmp_path / "two"]
    found = find_by_source(["bass", "drums"], both)
    assert {name: [solo.path for solo in solos] for name, solos in found.items()} == {
        "bass": [tmp_path / "one/bass/a.wav", tmp_path / "two/bass/a.wav"],
        "drums": [tmp_path / "two/drums/a.wav"],
    }
    assert find_solos([both[0], both[0]], "bass") == [tmp_path / "one/bass/a.wav"]
    with pytest.raises(ValueError, match=r"one, .*two holds .*\(bass, drums\), got 'kazoo'"):
        find_solos(both, "kazoo")


@pytest.mark.parametrize(
    ("names", "sources"),
    [
        (["T1/bass", "T1/kazoo", "T1/mixture"], ["bass", "kazoo"]),
        (["bass/one", "bass/two", "kazoo/one"], ["bass", "kazoo"]),
        (["bass/deep/one", "drums/two"], ["bass", "drums"]),
        (["bass/one", "T1/drums"], ["bass", "drums"]),
        (["T1/kazoo", "T2/kazoo", "T3/kazoo", "T3/oboe"], ["kazoo", "oboe"]),
        (["kazoo/T1", "kazoo/T2", "kazoo/T3", "oboe/T1"], ["kazoo", "oboe"]),
        (["T1/mixture", "T1/oboe"], ["oboe"]),
    ],
)
def test_list_sources(tmp_path, names, sources):
    for name in names:
        write(tmp_path / f"{name}.wav", noise(0.1))
    (tmp_path / "docs").mkdir()
    assert list_sources(tmp_path) == sources


def test_split_is_a_partition_that_does_not_depend_on_the_order():
    files = [f"{number:03d}.wav" for number in range(50)]
    train, validation = validation_split(files, 0.1, seed=3)
    assert len(validation) == 5
    assert [str(solo.path) for solo in sorted(train + validation)] == files
    assert validation_split(files[::-1], 0.1, seed=3) == (train, validation)
    assert validation_split(files, 0.1, seed=4)[1] != validation
    assert [len(part) for part in validation_split(files[:2], 0.9)] == [1, 1]
    assert [len(part) for part in validation_split(files[:2], 0.01)] == [1, 1]
    assert [len(part) for part in validation_split(files, 0.0)] == [50, 0]


def test_sources_of_the_same_tracks_lose_the_same_tracks(band):
    lost = {
        source: {solo.path.parent for solo in validation_split(find_solos(band, source), 0.3)[1]}
        for source in ("bass", "drums")
    }
    assert lost["bass"] == lost["drums"]


def test_one_file_is_split_in_time(tmp_path):
    write(tmp_path / "a.wav", np.arange(RATE * 4) / 32768)
    train, validation = validation_split([tmp_path / "a.wav"], 0.25)
    assert train == [Solo(tmp_path / "a.wav", 0.0, 3.0)]
    parts = [Recordings(part, RATE, progress=False) for part in (train, validation)]
    pieces = [part.read(0, 0, part.lengths[0]) for part in parts]
    assert np.array_equal(np.concatenate(pieces) * 32768, np.arange(RATE * 4))
    assert len(pieces[1]) == RATE


@pytest.mark.parametrize(("files", "fraction"), [(["a"], 1.0), (["a"], -0.1), ([], 0.1)])
def test_split_refuses(files, fraction):
    with pytest.raises(ValueError, match="fraction must lie|files must hold"):
        validation_split(files, fraction)


def test_every_kind_of_audio_is_found_and_the_rest_is_named(tmp_path, caplog):
    wanted = ["bass/a.aiff", "bass/b.m4a", "bass/c.opus", "bass/d.MP3", "linked/e.wav"]
    junk = [
        "bass/.Trash-0/x.wav",
        "bass/@eaDir/x.wav",
        ".git/bass.wav",
        "bass/n.txt",
        "bass/.y.wav",
    ]
    for name in [*wanted, *junk]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "bass" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "bass" / "more").symlink_to(tmp_path / "linked", target_is_directory=True)
    found = find_solos(tmp_path, "bass")
    assert found == sorted([*(tmp_path / n for n in wanted[:4]), tmp_path / "bass/more/e.wav"])
    (line,) = caplog.messages
    assert line.startswith(f"{tmp_path}: left out 1 file (.txt), 3 hidden folders (")
    assert ".Trash-0" in line and "@eaDir" in line
    os.unlink(tmp_path / "bass" / "n.txt")
    assert [path.name for path in find_audio(tmp_path / "linked")[0]] == ["e.wav"]


def test_a_flat_folder_is_the_one_source_that_is_nowhere_else(tmp_path):
    for name in ("solos/1.wav", "solos/2.wav", "band/bass/a.wav", "band/drums/a.wav"):
        write(tmp_path / name, noise(0.1))
    roots = [tmp_path / "solos", tmp_path / "band"]
    found = find_by_source(["strings", "bass"], roots)
    assert [solo.path.name for solo in found["strings"]] == ["1.wav", "2.wav"]
    assert [solo.path for solo in found["bass"]] == [tmp_path / "band/bass/a.wav"]
    assert list_sources(roots) == ["bass", "drums"]
    with pytest.raises(ValueError, match="got 'strings'"):
        find_by_source(["strings", "kazoo"], roots)


def test_weights_are_read_and_checked(tmp_path):
    (tmp_path / "a:2").mkdir()
    (tmp_path / "b").mkdir()
    parsed = [parse_folder(f"{tmp_path}/{text}") for text in ("a:2", "a:2:3", "b:0.5", "b:x")]
    assert [weight for _, weight in parsed] == [None, 3.0, 0.5, None]
    assert [path.name for path, _ in parsed] == ["a:2", "a:2", "b", "b:x"]
    assert as_folders({tmp_path / "b": 2}) == [(tmp_path / "b", 2)]
    assert as_folders([tmp_path / "a:2", parsed[2]]) == [(tmp_path / "a:2", 1.0), parsed[2]]
    for bad, error in ({tmp_path: 0}, ValueError), ({}, ValueError), (parsed[3], FileNotFoundError):
        with pytest.raises(error, match="weight of|must name a folder|there is none at"):
            as_folders(bad)


@pytest.mark.parametrize("weights, share", [({"real": 4, "rendered": 1}, 0.8), (None, 0.2)])
def test_folders_are_drawn_by_weight_then_by_duration(tmp_path, weights, share):
    levels = {"real/bass/a": (4, 0.25), "rendered/bass/a": (4, 0.5), "rendered/bass/b": (12, 0.125)}
    for name, (seconds, level) in levels.items():
        write(tmp_path / f"{name}.wav", constant(seconds, level))
    names = weights or dict.fromkeys(("real", "rendered"))
    data = {tmp_path / name: weight for name, weight in names.items()}
    files = find_by_source(["bass"], data if weights else list(data))["bass"]
    data = SoloDataset(files, 0.5, RATE, 800, dither=False, progress=False)
    drawn = [data[i][0].item() for i in range(800)]
    assert drawn.count(0.25) / 800 == pytest.approx(share, abs=0.05)
    assert drawn.count(0.125) / drawn.count(0.5) == pytest.approx(3, rel=0.5)


def test_validation_is_of_recordings_that_can_be_heard(tmp_path):
    for number in range(6):
        write(tmp_path / "bass" / f"{number}.wav", constant(2, 0.0))
    write(tmp_path / "bass" / "short.wav", noise(0.05))
    files = find_by_source(["bass"], tmp_path)["bass"]

    def heard(solo):
        return can_be_heard(solo, RATE, 0.5)

    with pytest.raises(ValueError, match="only silent or too short ones: .*0.wav and 6 more"):
        validation_split(files, is_usable=heard)
    write(tmp_path / "bass" / "3.wav", np.concatenate([noise(3), np.zeros(RATE)]))
    train, (held_out,) = validation_split(files, 0.25, is_usable=heard)
    assert (held_out.path.name, held_out.start, held_out.stop) == ("3.wav", 2.0, 3.0)
    assert [(s.start, s.stop) for s in train if s.path.name == "3.wav"] == [(0.0, 2.0), (3.0, 4.0)]
    write(tmp_path / "bass" / "5.wav", noise(2))
    for seed in range(5):
        train, held_out = split_by_source(["bass"], tmp_path, None, seed, heard)
        assert len(held_out["bass"]) == 1 and heard(held_out["bass"][0])
        assert any(heard(solo) for solo in train["bass"])


def test_digest_tells_other_data_and_not_another_place(tmp_path):
    for root in ("one", "two"):
        write(tmp_path / root / "bass" / "a.wav", noise(1))

    def digest(root, **weight):
        data = {tmp_path / root: weight["weight"]} if weight else tmp_path / root
        return data_digest(find_by_source(["bass"], data))

    assert digest("one") == digest("two")
    assert digest("one", weight=2) != digest("one")
    write(tmp_path / "two" / "bass" / "b.wav", noise(1))
    assert digest("one") != digest("two")
