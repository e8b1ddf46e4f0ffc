"""From tracks to a table: medians, means, intervals, and nothing left unsaid."""

import csv
import io
import json

import numpy as np
import pytest
from scored_folders import value

from asteroid_instglow.evaluation import PROTOCOLS, Report
from asteroid_instglow.evaluation.plot import box_plot


def made_report(values, protocol="mdx"):
    """A report on one source whose tracks have these scores."""
    metrics = PROTOCOLS[protocol].metrics

    def track(score):
        scores = {**dict.fromkeys(metrics, score), "windows": dict.fromkeys(metrics, [score])}
        missing = np.isnan(score)
        status = "silent" if missing else "scored"
        counts = {"n_windows": 1, "n_windows_scored": int(not missing)}
        return {protocol: {"estimates": {"bass": {"status": status, **counts, **scores}}}}

    return Report({str(i): track(score) for i, score in enumerate(values)})


def test_bootstrap_is_seeded_and_covers_the_mean():
    values = np.random.default_rng(1).normal(5, 2, 40).tolist()

    first, again = made_report(values), made_report(values)

    assert first.to_json() == again.to_json()
    row = first.summary["mdx"]["estimates"]["bass"]["SDR"]
    assert row["value"] == pytest.approx(np.mean(values), abs=1e-6)
    # Of a mean, the bootstrap's interval is that of the normal distribution.
    error = 1.96 * np.std(values) / np.sqrt(len(values))
    assert row["high"] - row["value"] == pytest.approx(error, rel=0.15)
    assert row["value"] - row["low"] == pytest.approx(error, rel=0.15)
    assert first.summary["mdx"]["estimates"]["average"]["SDR"] == row


def test_median_and_mean_as_the_protocol_says():
    values = [1.0, 2.0, 9.0, float("nan")]

    assert value(made_report(values, "mdx"), "bass") == 4
    assert value(made_report(values, "sisec"), "bass") == 2
    assert value(made_report(values, "paper"), "bass") == 2


def test_one_track_has_no_interval():
    for values in ([3.0], [3.0, float("nan")]):
        row = made_report(values).summary["mdx"]["estimates"]["bass"]["SDR"]
        assert row["value"] == 3
        assert np.isnan([row["low"], row["high"]]).all()
        assert "3.00" in made_report(values).table()


def test_nothing_scored_is_said_and_not_crashed_on(recwarn):
    report = made_report([float("nan")] * 2)

    assert np.isnan(value(report, "average"))
    assert "2 of 2 tracks: silent reference" in report.table()
    assert json.loads(report.to_json())["protocols"]["mdx"]["scores"]["estimates"]["bass"][
        "SDR"
    ] == {"value": None, "low": None, "high": None}
    assert box_plot(report).startswith(b"\x89PNG")
    assert not recwarn.list
    with pytest.raises(ValueError, match="at least one track"):
        Report({})


def test_tables():
    report = made_report([1.0, 2.0, 3.0])

    assert report.table() == str(report)
    title, header, row, average = report.table().splitlines()
    assert title.startswith("mdx: global SDR") and title.endswith("3 tracks, dB")
    assert header.split() == ["source", "SDR", "95", "%", "interval"]
    assert row.split() == ["bass", "2.00", "1.00", "to", "3.00"]
    assert average.startswith("average")
    assert len({len(line) for line in (header, row, average)}) == 1


def test_csv_has_a_row_per_track_and_source_and_empty_cells_for_nan():
    report = made_report([1.5, float("nan")])

    rows = list(csv.DictReader(io.StringIO(report.to_csv())))

    assert [row["SDR"] for row in rows] == ["1.5", ""]
    assert [row["status"] for row in rows] == ["scored", "silent"]
    assert rows[0]["protocol"] == "mdx" and rows[0]["source"] == "bass"
    assert json.loads(report.to_json()) == report.to_dict()
