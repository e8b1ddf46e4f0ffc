"""MUSDB18 in its two formats, and folders of stems, to what training and evaluation read."""

import json

import musdb
import numpy as np
import pytest
from dataset_folders import (
    RATE,
    SPECIAL,
    STEMS,
    VALIDATION,
    contents,
    make_musdb_hq,
    make_musdb_stems,
    song,
    write_hq,
    write_stem_mp4,
)

from asteroid_instglow.audio.io import audio_info, load_audio
from asteroid_instglow.data import find_solos, list_sources
from asteroid_instglow.data.corpora.musdb import SOURCES, musdb_tracks
from asteroid_instglow.data.corpora.prepare import prepare

TINY = {"sample_rate": 22050, "piece_seconds": (0.5, 0.8), "min_seconds": 0.3, "progress": False}


@pytest.fixture(scope="module")
def hq(tmp_path_factory):
    return make_musdb_hq(tmp_path_factory.mktemp("musdb18hq"), seconds=1.5)


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    return make_musdb_stems(tmp_path_factory.mktemp("musdb18"), seconds=1.5)


@pytest.fixture(scope="module")
def tracks(hq):
    return musdb_tracks(hq)


@pytest.fixture(scope="module")
def prepared(tracks, tmp_path_factory):
    output = tmp_path_factory.mktemp("data")
    return output, prepare(tracks, output, SOURCES, **TINY)


def test_splits_are_the_official_ones(hq, stems):
    for root in (hq, stems):
        splits = {split: [] for split in ("train", "validation", "test")}
        for track in musdb_tracks(root):
            splits[track.split].append(track.name)
        assert splits["validation"] == [VALIDATION]
        assert VALIDATION not in splits["train"] and SPECIAL in splits["train"]
        assert SPECIAL in splits["test"]


def test_the_official_validation_tracks_are_fourteen(hq):
    assert len(musdb.DB(str(hq), is_wav=True).setup["validation_tracks"]) == 14


@pytest.mark.parametrize("kind", ["hq", "stems"])
def test_audio_is_what_the_musdb_package_reads(kind, request, tmp_path):
    root = request.getfixturevalue(kind)
    prepare([t for t in musdb_tracks(root) if t.split == "test"], tmp_path, SOURCES, **TINY)

    for track in musdb.DB(str(root), is_wav=kind == "hq", subsets="test"):
        wanted = {name: source.audio for name, source in track.sources.items()}
        wanted["mixture"] = track.audio
        # The package's own sum fails where stems differ in length.
        others = [wanted[name] for name in ("bass", "drums", "other")]
        length = min(map(len, others))
        wanted["accompaniment"] = sum(audio[:length] for audio in others)
        for name, audio in wanted.items():
            wav, rate = load_audio(next((tmp_path / "test" / track.name).glob(f"{name}.*")))
            length = min(wav.shape[-1], len(audio))
            assert rate == RATE
            if name != "accompaniment":
                # A stem that is shorter than the mixture is filled up.
                assert not wav[:, length:].any()
            np.testing.assert_allclose(wav[:, :length].T, audio[:length], atol=2 / 2**15)


def test_pieces_are_mono_solos_in_the_layout_of_the_training(hq, prepared):
    output, manifest = prepared
    assert list_sources(output / "train") == sorted(SOURCES)
    for source in SOURCES:
        pieces = find_solos(output / "train", source)
        assert manifest["train"]["pieces"][source] == len(pieces) > 0
        seconds = 0
        for path in pieces:
            info = audio_info(path)
            assert (info.sample_rate, info.channels) == (22050, 1)
            assert 0.3 <= info.seconds <= 0.8 + 1e-3
            seconds += info.seconds
        assert seconds == pytest.approx(manifest["train"]["seconds"][source], abs=0.01)
    original = load_audio(hq / "train" / "Artist - Song" / "bass.wav", 22050)[0].mean(0)
    piece = load_audio(output / "train" / "bass" / "Artist - Song" / "001.flac")[0][0]
    np.testing.assert_allclose(piece, original[: len(piece)], atol=1 / 2**15)


def test_accompaniment_is_the_sum_of_the_others(hq, prepared):
    track = prepared[0] / "test" / "AM Contra - Heart Peripheral"
    wavs = {name: load_audio(track / f"{name}.flac")[0] for name in (*SOURCES, "mixture")}
    others = sum(wavs[name] for name in ("bass", "drums", "other"))
    np.testing.assert_allclose(wavs["accompaniment"], others, atol=1e-6)
    np.testing.assert_allclose(wavs["vocals"] + others, wavs["mixture"], atol=3 / 2**15)


def test_oddities_are_tolerated_and_counted(prepared):
    output, manifest = prepared
    assert manifest["train"]["tracks"] == 3
    assert sorted(manifest["train"]["missing"]) == [
        "Nobody - No Bass/accompaniment",
        "Nobody - No Bass/bass",
    ]
    assert manifest["train"]["silent"] == [f"{SPECIAL}/vocals"]
    assert not (output / "train" / "vocals" / SPECIAL).exists()
    # A silent reference is one: the evaluator counts it.
    assert manifest["test"]["silent"] == [f"{SPECIAL}/vocals"]
    assert manifest["test"]["padded"] == [f"{SPECIAL}/bass"]
    lengths = {audio_info(path).frames for path in (output / "test" / SPECIAL).iterdir()}
    assert len(lengths) == 1
    assert not load_audio(output / "test" / SPECIAL / "vocals.flac")[0].any()


def test_a_stem_that_the_file_does_not_have(tmp_path):
    (tmp_path / "train").mkdir()
    four = tmp_path / "train" / "Some - One.stem.mp4"
    write_stem_mp4(four, {k: v for k, v in song(1.0).items() if k != "vocals"})
    (track,) = musdb_tracks(tmp_path)

    assert track.missing == ("vocals",)
    assert sorted(track.stems) == ["accompaniment", "bass", "drums", "other"]


def test_test_set_in_the_format_of_the_paper(tracks, tmp_path):
    test_tracks = [track for track in tracks if track.split == "test"]
    prepare(test_tracks, tmp_path, ["vocals"], test_format="mono", **TINY)

    files = sorted((tmp_path / "test" / SPECIAL).iterdir())
    assert [path.name for path in files] == ["mixture.flac", "vocals.flac"]
    for path in files:
        info = audio_info(path)
        assert (info.sample_rate, info.channels) == (22050, 1)


def test_preparation_is_deterministic_whatever_the_processes(tracks, prepared, tmp_path):
    manifest = prepare(tracks, tmp_path, SOURCES, jobs=2, **TINY)

    assert manifest == prepared[1]
    mine, its = contents(tmp_path), contents(prepared[0])
    assert mine.keys() == its.keys()
    assert not [name for name in mine if mine[name] != its[name]]


class TestRunAgain:
    @pytest.fixture
    def output(self, tracks, tmp_path):
        prepare(tracks, tmp_path, SOURCES, **TINY)
        return tmp_path

    def times(self, output):
        return {path: path.stat().st_mtime_ns for path in output.rglob("*.flac")}

    def test_what_is_there_is_left_alone(self, tracks, output):
        before = self.times(output)
        prepare(tracks, output, SOURCES, **TINY)
        assert self.times(output) == before

    def test_what_is_broken_is_made_anew(self, tracks, output):
        whole, before = contents(output), self.times(output)
        lost = output / "train" / "bass" / "Artist - Song" / "001.flac"
        cut = output / "test" / SPECIAL / "mixture.flac"
        record = output / "tracks" / "validation" / f"{VALIDATION}.json"
        lost.unlink()
        cut.write_bytes(cut.read_bytes()[:100])
        record.write_text(record.read_text()[:50])

        prepare(tracks, output, SOURCES, **TINY)

        assert contents(output) == whole
        after = self.times(output)
        kept = [path for path in before if SPECIAL in path.parts and "train" in path.parts]
        assert kept and all(after[path] == before[path] for path in kept)

    def test_other_settings_replace_everything(self, tracks, output):
        manifest = prepare(tracks, output, ["vocals", "drums"], **TINY)

        assert list_sources(output / "train") == ["drums", "vocals"]
        assert sorted(manifest["train"]["pieces"]) == ["drums", "vocals"]
        assert not list((output / "test").glob("*/bass.flac"))

    def test_another_form_of_the_test_set_leaves_the_training_as_it_was(self, tracks, output):
        before = json.loads((output / "manifest.json").read_text())
        mono = prepare(tracks, output, SOURCES, **{**TINY, "test_format": "mono"})
        assert mono["digest"] != before["digest"]
        assert mono["training_digest"] == before["training_digest"]

        fewer = [track for track in tracks if track.split != "validation"]
        without = prepare(fewer, output, SOURCES, **TINY)
        assert without["training_digest"] != before["training_digest"]

    def test_a_track_that_is_gone_goes(self, tracks, output):
        kept = [track for track in tracks if track.name != "Artist - Song"]
        prepare(kept, output, SOURCES, **TINY)

        assert not list(output.rglob("Artist - Song*"))


def test_loud_sums_keep_their_level(tmp_path):
    loud = {name: 6 * wav for name, wav in song(1.0).items()}
    write_hq(tmp_path / "hq" / "train" / "A - B", loud)
    write_hq(tmp_path / "hq" / "test" / "A - B", loud)
    prepare(musdb_tracks(tmp_path / "hq"), tmp_path / "data", ["vocals", "accompaniment"], **TINY)

    path = tmp_path / "data" / "test" / "A - B" / "accompaniment.wav"
    assert float(load_audio(path)[0].abs().max()) > 1.5
    piece = tmp_path / "data" / "train" / "accompaniment" / "A - B" / "001.flac"
    assert 0.9 < float(load_audio(piece)[0].abs().max()) <= 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sample_rate": 48000}, "sample_rate must be at most the 44100 Hz"),
        ({"test_format": "stereo"}, "test_format must be"),
        ({"jobs": 0}, "jobs must be"),
        ({"piece_seconds": (2.0, 1.0)}, "piece_seconds must be"),
    ],
)
def test_bad_arguments_are_refused(tracks, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        prepare(tracks, tmp_path, SOURCES, **{**TINY, **arguments})
    assert not list(tmp_path.rglob("*.flac"))


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="root must be the folder of MUSDB18"):
        musdb_tracks(tmp_path / "nothing")
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(ValueError, match="root must hold train/ and test/ .* got readme.txt"):
        musdb_tracks(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "A - B.stem.mp4").write_bytes(b"no audio")
    with pytest.raises(ValueError, match="holds a file that is no audio: .*A - B.stem.mp4"):
        musdb_tracks(tmp_path)
    with pytest.raises(ValueError, match="tracks must hold at least one track"):
        prepare([], tmp_path, SOURCES, **TINY)


def test_manifest_is_what_is_returned(prepared):
    output, manifest = prepared
    assert json.loads((output / "manifest.json").read_text(encoding="utf-8")) == manifest
    assert set(STEMS) < set(manifest["settings"]["sources"])
