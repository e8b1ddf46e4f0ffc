"""Tests how the page compares the expected SDR with the true one."""

import json

import numpy as np
import pytest
from report_pages import RATE, make, save

from asteroid_instglow.evaluation.layout import Track
from asteroid_instglow.report.expected import expected_charts, expected_table, read_expected

SECONDS = 4


@pytest.fixture
def song(tmp_path):
    """A song of two stems with errors of -20 dB and -6 dB, the drums silent at first."""
    rng = np.random.default_rng(0)
    rows = {}
    for name, share in (("bass", 0.1), ("drums", 0.5)):
        true = 0.1 * rng.standard_normal(SECONDS * RATE)
        true[: RATE * (name == "drums")] = 0
        error = share * 0.1 * rng.standard_normal(len(true))
        save(tmp_path / "references/song" / f"{name}.wav", true)
        save(tmp_path / "estimates/song" / f"{name}.wav", true + error)
        middle = -20 * np.log10(share)
        rows[name] = {"sdr": [middle] * SECONDS, "low": [middle - 1] * 4, "high": [middle + 1] * 4}
    rows["drums"] = {key: [None, *values[1:]] for key, values in rows["drums"].items()}
    rows["bass"]["low"][0] = rows["bass"]["sdr"][0] = rows["bass"]["high"][0] = 30.0
    tell(tmp_path, {"seconds": [0, 1, 2, 3], "level": 0.8, "sources": rows})
    return tmp_path


def tell(folder, content):
    (folder / "estimates/song/confidence.json").write_text(json.dumps(content))


def track_of(folder):
    found = {}
    for kind in ("references", "estimates"):
        found[kind] = {n: folder / kind / "song" / f"{n}.wav" for n in ("bass", "drums")}
    return Track("song", **found)


def test_measured_is_the_ratio_of_signal_to_error_where_a_source_is_heard(song):
    level, found, notes = read_expected(track_of(song))
    assert level == 0.8 and not notes and list(found) == ["bass", "drums"]
    assert found["bass"].measured == pytest.approx([20] * 4, abs=0.3)
    assert np.isnan(found["drums"].measured[0])
    assert found["drums"].measured[1:] == pytest.approx([6.02] * 3, abs=0.3)
    assert found["bass"].compared().n_inside() == 3
    table = expected_table([(level, found)])
    assert table.header[3] == "in the 80 % interval"
    assert [[row[0], *row[3:]] for row in table.rows] == [
        ["bass", "75 %", 4],
        ["drums", "100 %", 3],
    ]
    assert table.rows[0][1:3] == pytest.approx([20, 20], abs=0.3)


def test_charts_share_their_axes_and_break_where_a_source_is_silent(song):
    level, found, _ = read_expected(track_of(song))
    charts = expected_charts(level, found, (1.0, 3.0))
    bass, drums = charts["bass"], charts["drums"]
    assert bass["y_ticks"] == drums["y_ticks"] and bass["excerpt"] == drums["excerpt"]
    assert bass["expected"].startswith("M44 ") and not drums["expected"].startswith("M44 ")
    assert "3 of 4 s in the interval" in bass["summary"]
    found["bass"].sdr[2] = found["bass"].low[2] = found["bass"].high[2] = np.nan
    again = expected_charts(level, found, (1.0, 3.0))["bass"]
    assert [again[key].count("M") for key in ("expected", "band", "measured")] == [2, 2, 1]
    found["drums"].sdr[:] = np.nan
    assert list(expected_charts(level, found, (1.0, 3.0))) == ["bass"]


def test_a_long_song_has_a_short_chart(song):
    level, found, _ = read_expected(track_of(song))
    for key in ("sdr", "low", "high", "measured"):
        setattr(found["bass"], key, np.resize(getattr(found["bass"], key), 10_000))
    assert len(expected_charts(level, found, (0, 9))["bass"]["expected"]) < 8000


def test_the_page_shows_it_beside_each_stem(song):
    folders = {name: song / name for name in ("references", "estimates")}
    _, page = make(song / "page.html", song, **folders)
    charts = [f.text for f in page.root.all("figure", class_="expected")]
    assert len(charts) == 2 and "between 19.0 and 21.0; measured" in charts[0]
    assert "80 % interval" in charts[0] and not page.notes[1:]
    (caption,) = (name for name in page.tables() if name.startswith("Confidence"))
    assert page.tables()[caption][1][3:] == ["75 %", "4"]
    for path in (song / "references").rglob("bass.wav"):
        path.unlink()
    _, page = make(song / "page.html", song, **folders)
    alone, _ = sorted((f.text for f in page.root.all("figure", class_="expected")), key=len)
    assert "measured" not in alone and "Expected 20.0 dB" in alone


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"level": 0.8, "sources": []},
        {"level": "x", "sources": {}},
        {"level": 0.8, "sources": {"bass": {"sdr": [1], "low": [1, 2], "high": [1]}}},
        {"level": 0.8, "sources": {"bass": {"sdr": [], "low": [], "high": []}}},
        {"level": 0.8, "sources": {"bass": {"sdr": ["x"], "low": [1], "high": [1]}}},
    ],
)
def test_a_file_of_another_kind_is_told(song, content):
    tell(song, content)
    assert read_expected(track_of(song))[1] == {}
    folders = {name: song / name for name in ("references", "estimates")}
    answer, page = make(song / "page.html", song, **folders)
    assert answer["tracks"] == ["song"]
    assert any("song: confidence.json cannot be read" in note for note in page.notes)
