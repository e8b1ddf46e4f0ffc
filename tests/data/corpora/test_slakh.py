"""Slakh2100 in its layouts: sub-mixes by program or class, splits, missing stems, other rates."""

import json

import numpy as np
import pytest
import soundfile as sf
from dataset_folders import RATE, make_slakh, write_slakh_track

from asteroid_instglow.audio.io import audio_info, load_audio
from asteroid_instglow.data import find_solos, list_sources
from asteroid_instglow.data.corpora.prepare import prepare
from asteroid_instglow.data.corpora.slakh import RESIDUAL, SOURCES, slakh_tracks

ALL = [*SOURCES, RESIDUAL]
TINY = {"sample_rate": 22050, "piece_seconds": (0.5, 0.8), "min_seconds": 0.3, "progress": False}


@pytest.fixture(scope="module")
def slakh(tmp_path_factory):
    return make_slakh(tmp_path_factory.mktemp("slakh2100_flac_redux"), seconds=1.5)


@pytest.fixture(scope="module")
def prepared(slakh, tmp_path_factory):
    output = tmp_path_factory.mktemp("data")
    return output, prepare(slakh_tracks(slakh), output, ALL, **TINY)


def stem(root, track, name):
    return sf.read(root / track / "stems" / f"{name}.flac")[0]


def test_splits_are_the_folders_without_what_is_omitted(slakh):
    assert [(track.split, track.name) for track in slakh_tracks(slakh)] == [
        ("test", "Track01876"),
        ("test", "Track01877"),
        ("train", "Track00001"),
        ("train", "Track00002"),
        ("validation", "Track01501"),
    ]


@pytest.mark.parametrize("key", ["program_num", "inst_class"])
def test_stems_are_grouped_by_instrument(slakh, key):
    track = next(t for t in slakh_tracks(slakh, mixing_key=key) if t.name == "Track00001")
    names = {source: [part.path.stem for part in parts] for source, parts in track.stems.items()}
    assert names == {
        "bass": ["S00"],
        "drums": ["S01"],
        "guitar": ["S02", "S03"],
        "piano": ["S04"],
        RESIDUAL: ["S05"],
    }
    # What was never rendered is not missing.
    assert track.missing == ()


def test_a_submix_is_the_sum_of_its_stems(slakh, prepared):
    track = prepared[0] / "test" / "Track01876"
    wavs = {name: load_audio(track / f"{name}.flac")[0][0] for name in (*ALL, "mixture")}
    guitar = sum(stem(slakh, "test/Track01876", name) for name in ("S02", "S03"))
    np.testing.assert_allclose(wavs["guitar"], guitar, atol=1e-6)
    np.testing.assert_allclose(sum(wavs[name] for name in SOURCES), wavs["mixture"], atol=1e-6)
    assert audio_info(track / "mixture.flac").sample_rate == RATE


def test_the_mixture_of_all_stems(slakh, tmp_path):
    tracks = [t for t in slakh_tracks(slakh, mixture="full") if t.name == "Track01876"]
    prepare(tracks, tmp_path, ALL, **TINY)

    mixture = load_audio(tmp_path / "test" / "Track01876" / "mixture.flac")[0][0]
    mix = sf.read(slakh / "test" / "Track01876" / "mix.flac")[0]
    np.testing.assert_allclose(mixture, mix, atol=6 / 2**15)


def test_oddities_are_tolerated_and_counted(prepared):
    output, manifest = prepared
    # A stem of a group is missing: the others are the group. A group is missing: no file.
    assert manifest["train"]["missing"] == ["Track00002/S03"]
    assert manifest["test"]["missing"] == ["Track01877/S04"]
    assert manifest["train"]["silent"] == ["Track00002/piano"]
    assert manifest["test"]["padded"] == ["Track01876/bass"]
    assert not (output / "test" / "Track01877" / "piano.flac").exists()
    assert (output / "train" / "guitar" / "Track00002").is_dir()
    assert not (output / "train" / "piano" / "Track00002").exists()
    assert {p.stem for p in (output / "test" / "Track01877").iterdir()} == {
        *("mixture", "bass", "drums", "guitar", RESIDUAL)
    }


def test_layout_is_that_of_the_training(prepared):
    output, manifest = prepared
    assert list_sources(output / "train") == sorted(ALL)
    for source in ALL:
        assert len(find_solos(output / "train", source)) == manifest["train"]["pieces"][source]
        assert find_solos(output / "validation", source)


@pytest.mark.parametrize("rate", [22050, 16000])
def test_copies_at_other_rates_as_wav(tmp_path, rate):
    make_slakh(tmp_path / "in", seconds=1.0, rate=rate, suffix=".wav")
    tracks = slakh_tracks(tmp_path / "in")
    prepare(tracks, tmp_path / "out", SOURCES, **{**TINY, "sample_rate": rate})

    assert audio_info(tmp_path / "out" / "test" / "Track01876" / "bass.flac").sample_rate == rate
    (piece, *_) = find_solos(tmp_path / "out" / "train", "bass")
    assert audio_info(piece).sample_rate == rate
    with pytest.raises(ValueError, match=f"sample_rate must be at most the {rate} Hz"):
        prepare(tracks, tmp_path / "out", SOURCES, **{**TINY, "sample_rate": rate + 1})


def test_folders_without_splits(tmp_path):
    for number in range(1, 21):
        write_slakh_track(tmp_path / f"Track{number:05d}", 0.01)
    splits = [track.split for track in slakh_tracks(tmp_path)]
    assert splits == ["train"] * 16 + ["validation"] * 2 + ["test"] * 2


def test_a_split_file_of_the_authors(slakh, tmp_path):
    kept = {"action": None, "source_split": "train"}
    moved = {"action": "move", "source_split": "train", "destination_split": "validation"}
    omitted = {"action": "omit", "source_split": "test"}
    splits = {"Track00001": kept, "Track00002": moved, "Track00003": kept}
    splits |= {"Track01501": moved, "Track01876": {**kept, "source_split": "test"}}
    path = tmp_path / "redux.json"
    path.write_text(json.dumps({**splits, "Track01877": omitted}))

    found = {track.name: track.split for track in slakh_tracks(slakh, split_file=path)}
    assert found == {
        "Track00001": "train",
        "Track00002": "validation",
        "Track00003": "train",
        "Track01501": "validation",
        "Track01876": "test",
    }
    path.write_text(json.dumps(splits))
    with pytest.raises(ValueError, match="split_file must know every track, it has no Track01877"):
        slakh_tracks(slakh, split_file=path)


def test_wrong_arguments_are_refused(slakh, tmp_path):
    with pytest.raises(FileNotFoundError, match="root must be the folder of Slakh2100"):
        slakh_tracks(tmp_path / "nothing")
    with pytest.raises(ValueError, match="root must hold train/"):
        slakh_tracks(tmp_path)
    with pytest.raises(ValueError, match="mixing_key must be"):
        slakh_tracks(slakh, mixing_key="plugin_name")
    with pytest.raises(ValueError, match="mixture must be"):
        slakh_tracks(slakh, mixture="mix.flac")


def test_stems_of_two_rates_are_refused(tmp_path):
    folder = tmp_path / "train" / "Track00001"
    write_slakh_track(folder, 0.5)
    wav = stem(tmp_path / "train", "Track00001", "S03")
    sf.write(folder / "stems" / "S03.flac", wav[::2], RATE // 2)
    with pytest.raises(ValueError, match="stems of a track must have one sample rate"):
        prepare(slakh_tracks(tmp_path), tmp_path / "out", SOURCES, **TINY)
