"""Folders of any system: matched, checked, scored in parallel, and not scored twice."""

import unicodedata

import numpy as np
import pytest
from scored_folders import RATE, SOURCES, evaluate, value, write

from asteroid_instglow.evaluation import PROTOCOLS, evaluate_folders, evaluate_signals


def test_folders_give_what_signals_give(data):
    report = evaluate(data, "all", baseline="mixture")

    assert list(report.tracks) == list(data[2])
    for track, (references, estimates) in data[2].items():
        wavs = (x.astype(np.float32) for x in (references, estimates))
        expected = evaluate_signals(
            *wavs, sample_rate=RATE, protocol="all", sources=SOURCES, baseline="mixture"
        )
        # In float32, the sum of files is not the sum of signals in the last bit.
        for protocol, systems in expected.items():
            for system, sources in systems.items():
                for source, record in sources.items():
                    found = report.tracks[track][protocol][system][source]
                    main = PROTOCOLS[protocol].main_metric
                    assert found[main] == pytest.approx(record[main], abs=1e-4)
    medians = [report.tracks[track]["sisec"]["estimates"]["bass"]["SDR"] for track in data[2]]
    assert value(report, "bass") == pytest.approx(np.median(medians), abs=1e-6)
    means = [report.tracks[track]["mdx"]["estimates"]["bass"]["SDR"] for track in data[2]]
    assert value(report, "bass", protocol="mdx") == pytest.approx(np.mean(means), abs=1e-6)
    average = np.mean([value(report, source) for source in SOURCES])
    assert value(report, "average") == pytest.approx(average, abs=1e-6)


def test_names_match_whatever_the_case_accents_and_format(data, tmp_path):
    expected = evaluate(data, "mdx")
    accented = "Café"
    for side, form in (("references", "NFC"), ("estimates", "NFD")):
        folder = tmp_path / side
        (folder / "Track 1").rename(folder / unicodedata.normalize(form, accented))
        write(folder / "Track 2", ".hidden", [[1.0]])
    (tmp_path / "estimates" / "Track 0").rename(tmp_path / "estimates" / "TRACK 0")
    (tmp_path / "references/Track 2/bass.wav").rename(tmp_path / "references/Track 2/Bass.wav")
    (tmp_path / "estimates/Track 2/bass.wav").unlink()
    write(tmp_path / "estimates/Track 2", "BASS", data[2]["Track 2"][1][0], suffix=".flac")
    write(tmp_path / "estimates/Track 2", "vocals", [[0.1]])  # not asked for

    report = evaluate(data, "mdx")

    assert sorted(report.tracks) == ["Café", "Track 0", "Track 2"]
    assert list(report.summary["mdx"]["estimates"]) == ["bass", "drums", "average"]
    assert value(report, "bass") == pytest.approx(value(expected, "bass"), abs=1e-3)


def test_one_track_may_be_given_directly(data):
    folder = data[0] / "Track 1", data[1] / "Track 1"
    expected = evaluate(data).tracks["Track 1"]

    for references, estimates in (folder, (folder[0], data[1])):
        report = evaluate_folders(references, estimates, progress=False)
        assert report.tracks == {"Track 1": expected}
    elsewhere = data[1] / "Track 1"
    elsewhere = elsewhere.rename(data[1].parent / "my separation")
    report = evaluate_folders(folder[0], elsewhere, progress=False)
    assert report.tracks == {"Track 1": expected}


def test_what_is_missing_is_listed_or_counted(data):
    (data[1] / "Track 0" / "bass.wav").unlink()
    for path in (data[1] / "Track 2").iterdir():
        path.unlink()

    with pytest.raises(FileNotFoundError, match=r"for Track 0/bass, Track 2 \(the whole track\);"):
        evaluate(data)
    (data[1] / "Track 2").rmdir()
    with pytest.raises(FileNotFoundError, match="whole track.*missing='skip'"):
        evaluate(data)

    report = evaluate(data, missing="skip", baseline="mixture")
    summary = report.summary["sisec"]["estimates"]
    assert [summary[source]["n_missing"] for source in SOURCES] == [2, 1]
    assert value(report, "bass") == report.tracks["Track 1"]["sisec"]["estimates"]["bass"]["SDR"]
    assert report.summary["sisec"]["baseline"]["bass"]["n_scored"] == 3
    assert "bass: 2 of 3 tracks: no estimate" in report.table()
    evaluate(data, sources=["drums"], missing="skip")


def test_a_source_need_not_be_in_every_track(data):
    (data[0] / "Track 0" / "bass.wav").unlink()

    report = evaluate(data)

    assert report.summary["sisec"]["estimates"]["bass"]["n_tracks"] == 2
    assert "bass: has a reference in 2 of 3 tracks" in report.table()


def test_only_the_sources_asked_for(data):
    for track in data[2]:
        (data[1] / track / "drums.wav").unlink()

    report = evaluate(data, ["mdx", "si-sdr"], sources=["Bass"])

    assert list(report.summary["mdx"]["estimates"]) == ["Bass", "average"]
    # The mixture is still that of all references.
    assert report.tracks["Track 0"]["si-sdr"]["estimates"]["Bass"]["SI-SDRi"] > 1
    with pytest.raises(FileNotFoundError, match="no reference of vocals in"):
        evaluate(data, sources=["bass", "vocals"])


@pytest.mark.parametrize("name", ["mixture", "MIX"])
def test_a_mixture_file_is_the_mixture(data, name):
    without = evaluate(data, "si-sdr")
    for track, (references, _) in data[2].items():
        write(data[0] / track, name, references[0])

    report = evaluate(data, "si-sdr")

    assert value(report, "bass", "SI-SDR") == value(without, "bass", "SI-SDR")
    # Nothing improves on a mixture that is the source itself.
    assert value(report, "bass", "SI-SDRi") < -100


def test_the_accompaniment_is_not_counted_twice(data):
    expected = evaluate(data, "si-sdr")
    for track, (references, _) in data[2].items():
        write(data[0] / track, "accompaniment", references[1])

    report = evaluate(data, "si-sdr", sources=SOURCES)

    assert value(report, "bass", "SI-SDRi") == pytest.approx(value(expected, "bass", "SI-SDRi"))
    # Beside vocals alone it is a part like any other.
    for track in data[2]:
        (data[0] / track / "drums.wav").unlink()
        (data[0] / track / "bass.wav").rename(data[0] / track / "vocals.wav")
        (data[1] / track / "bass.wav").rename(data[1] / track / "vocals.wav")
    report = evaluate(data, "si-sdr", sources=["vocals"])
    assert value(report, "vocals", "SI-SDRi") == pytest.approx(value(expected, "bass", "SI-SDRi"))


def test_estimates_of_another_rate_are_resampled(data):
    time = np.arange(3 * RATE) / RATE
    sine = 0.5 * np.sin(2 * np.pi * 440 * time)
    again = 0.5 * np.sin(2 * np.pi * 440 * np.arange(6 * RATE) / (2 * RATE))
    for track in data[2]:
        write(data[0] / track, "bass", [sine])
        write(data[1] / track, "bass", [again], rate=2 * RATE)

    assert value(evaluate(data, "mdx"), "bass") > 30
    assert value(evaluate(data, "mdx", sample_rate=4000), "bass") > 30


def test_small_differences_of_length_are_cut_and_large_ones_refused(data):
    references, estimates = data[2]["Track 1"]
    write(data[1] / "Track 1", "bass", estimates[0][:, : -RATE // 10 + 1])
    report = evaluate(data, "mdx")
    cut = slice(0, references.shape[-1] - RATE // 10 + 1)
    expected = evaluate_signals(
        references[..., cut], estimates[..., cut], sample_rate=RATE, protocol="mdx"
    )["mdx"]["estimates"]["0"]["SDR"]
    found = report.tracks["Track 1"]["mdx"]["estimates"]["bass"]["SDR"]
    assert found == pytest.approx(expected, abs=1e-5)

    path = write(data[1] / "Track 1", "bass", estimates[0][:, : -RATE // 10])
    with pytest.raises(ValueError, match=r"Track 1: .*got 3.00 s in .*2.90 s in ") as error:
        evaluate(data, "mdx")
    assert str(path) in str(error.value)
    # Of the seconds that are scored, nothing is missing.
    evaluate(data, "mdx", seconds=2)


def test_seconds_scores_only_the_beginning(data):
    expected = {
        track: evaluate_signals(*(x[..., :RATE] for x in both), sample_rate=RATE, protocol="mdx")
        for track, both in data[2].items()
    }

    report = evaluate(data, "mdx", seconds=1)

    for track in data[2]:
        found = report.tracks[track]["mdx"]["estimates"]["bass"]["SDR"]
        assert found == pytest.approx(expected[track]["mdx"]["estimates"]["0"]["SDR"], abs=1e-5)


def test_stereo_against_mono_is_refused_unless_mono_is_meant(data):
    for track, (references, _) in data[2].items():
        write(data[0] / track, "bass", np.repeat(references[0], 2, axis=0) * [[0.5], [1.5]])

    with pytest.raises(ValueError, match=r"mono=True averages them\), got 2 in .*bass.wav and 1"):
        evaluate(data, ["mdx", "paper"])
    assert np.isfinite(value(evaluate(data, "mdx", mono=True), "bass"))
    assert np.isfinite(value(evaluate(data, "paper"), "bass"))


def test_folders_that_make_no_sense_are_refused(data, tmp_path):
    with pytest.raises(FileNotFoundError, match="references must be a folder"):
        evaluate_folders(tmp_path / "nowhere", data[1])
    with pytest.raises(FileNotFoundError, match="estimates must be a folder"):
        evaluate_folders(data[0], tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no audio in"):
        evaluate_folders(tmp_path / "empty", data[1])
    write(data[1] / "Track 0", "bass", data[2]["Track 0"][1][0], suffix=".flac")
    with pytest.raises(ValueError, match="each name once.*got bass.flac and bass.wav"):
        evaluate(data)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"seconds": 0}, "seconds must be above 0"),
        ({"sample_rate": 22050.5}, "sample_rate must be a whole number"),
        ({"jobs": 0}, "jobs must be a whole number of at least 1"),
        ({"missing": "ignore"}, "missing must be one of error, skip"),
        ({"protocol": "v3"}, "protocol must be"),
        ({"baseline": "x"}, "baseline must be"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_folders(tmp_path / "nowhere", tmp_path, **options)


def test_two_processes_give_the_same(data, tmp_path):
    options = {"protocol": ["sisec", "si-sdr"], "baseline": "mixture"}
    one = evaluate(data, **options)

    two = evaluate(data, **options, jobs=2, output=tmp_path / "scores")

    assert two.to_json() == one.to_json()
    assert list(two.tracks) == list(one.tracks)


def test_progress_goes_to_stderr(data, capsys):
    evaluate_folders(data[0], data[1], "mdx")

    out, err = capsys.readouterr()
    assert "3/3" in err
    assert not out
    evaluate(data, "mdx")
    assert capsys.readouterr() == ("", "")
