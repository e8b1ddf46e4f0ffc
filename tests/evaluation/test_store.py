"""Scores on disk: complete, reused only while nothing has changed, kept after a failure."""

import json
import os

import numpy as np
import pytest
from scored_folders import evaluate, write

from asteroid_instglow.evaluation import PROTOCOLS, folders


@pytest.fixture
def scored(monkeypatch):
    """Names of the (track, protocols) that are computed, in order."""
    calls = []
    compute = folders._evaluate_track

    def spy(track, protocols, *settings):
        calls.append((track.name, tuple(protocols)))
        return compute(track, protocols, *settings)

    monkeypatch.setattr(folders, "_evaluate_track", spy)
    return calls


def test_a_second_run_computes_only_what_changed(data, scored, tmp_path):
    (data[1] / "Track 0" / "bass.wav").unlink()  # so that NaN goes through the files too
    options = {"output": tmp_path / "scores", "missing": "skip", "baseline": "mixture"}
    first = evaluate(data, "sisec", **options)
    assert len(scored) == 3
    files = {p: p.read_bytes() for p in (tmp_path / "scores").rglob("*") if p.is_file()}
    scored.clear()

    again = evaluate(data, "sisec", **options)
    assert not scored
    assert again.to_json() == first.to_json()
    assert again.to_csv() == first.to_csv()
    assert files == {p: p.read_bytes() for p in (tmp_path / "scores").rglob("*") if p.is_file()}

    evaluate(data, ["sisec", "mdx"], **options)
    assert scored == [(track, ("mdx",)) for track in data[2]]
    scored.clear()
    path = data[1] / "Track 1" / "bass.wav"
    os.utime(path, ns=(1, 1))
    (tmp_path / "scores/tracks/sisec/Track 2.json").write_text("{broken")
    evaluate(data, "sisec", **options)
    assert scored == [("Track 1", ("sisec",)), ("Track 2", ("sisec",))]
    scored.clear()
    evaluate(data, "sisec", **options, seconds=2)
    assert len(scored) == 3
    scored.clear()
    evaluate(data, "sisec", **options, seconds=2, resume=False)
    assert len(scored) == 3


def test_what_was_done_before_a_failure_is_kept(data, scored, tmp_path):
    path = data[1] / "Track 2" / "bass.wav"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])

    with pytest.raises(ValueError, match="Track 2"):
        evaluate(data, output=tmp_path / "scores")
    # A file that is cut short has told so in its header already: nothing was computed in vain.
    assert not scored
    bad = data[2]["Track 2"][1][0].copy()
    bad[0, 5] = np.nan
    write(data[1] / "Track 2", "bass", bad)
    with pytest.raises(ValueError, match="bass.wav must hold finite samples"):
        evaluate(data, output=tmp_path / "scores")
    path.write_bytes(good)
    scored.clear()
    evaluate(data, output=tmp_path / "scores")
    assert scored == [("Track 2", ("sisec",))]


def test_output_is_complete_and_plain(data, tmp_path):
    report = evaluate(data, "all", output=tmp_path / "scores", baseline="mixture")

    names = {str(p.relative_to(tmp_path / "scores")) for p in (tmp_path / "scores").rglob("*.*")}
    tracks = {f"tracks/{name}/{track}.json" for name in PROTOCOLS for track in data[2]}
    assert names == {"tracks.csv", "aggregate.json", "boxplot.png", *tracks}
    assert (tmp_path / "scores/boxplot.png").read_bytes().startswith(b"\x89PNG")
    stored = json.loads((tmp_path / "scores/aggregate.json").read_text())
    assert stored == report.to_dict()
    assert stored["protocols"]["mdx"]["scores"]["estimates"]["bass"]["n_scored"] == 3
    track = json.loads((tmp_path / "scores/tracks/sisec/Track 0.json").read_text())
    assert track["track"] == "Track 0"
    assert len(track["estimates"]["bass"]["windows"]["SDR"]) == 3
    # Scores can be published as they are: no folder of this machine is in them.
    assert str(tmp_path) not in json.dumps([stored, track])
