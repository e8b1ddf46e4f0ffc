"""Tests the page: self-contained, with the report's numbers and one player per track."""

import base64
import csv
import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from report_pages import RATE, SECONDS, decode, make, pitch, save, sine

from asteroid_instglow.evaluation import evaluate_folders
from asteroid_instglow.report.formatting import format_cell, format_number

TRACKS = ["<img src=x onerror=alert(1)>\"&'", "Zoë – 夜", "plain"]
SOURCES = ["bass & <i>co", "drums"]
NLL = "NLL, nats/dim"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Three tracks with names that a page must escape, scored; one source is silent once."""
    root = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    for i, track in enumerate(TRACKS):
        for j, source in enumerate(SOURCES):
            wav = 0.1 * rng.standard_normal((SECONDS * RATE, 2))
            estimate = wav + (i + 1) * 0.05 * rng.standard_normal(wav.shape)
            save(root / "references" / track / f"{source}.wav", wav * (i + j > 0))
            if (i, j) != (1, 1):
                save(root / "estimates" / track / f"{source}.wav", estimate)
    evaluate_folders(
        *(root / "references", root / "estimates", ["sisec", "si-sdr"]),
        output=root / "scores",
        baseline="mixture",
        missing="skip",
        progress=False,
    )
    return root


@pytest.fixture(scope="module")
def made(experiment):
    """Answer and parsed page of that experiment."""
    folders = {name: experiment / name for name in ("references", "estimates")}
    return make(experiment / "page.html", experiment / "scores", **folders)


def test_page_needs_no_other_file_and_no_network(made):
    _, page = made
    for address in ("http://", "https://", "//cdn", "url(", "@import", "file:"):
        assert address not in page.source
    names = {node.name for node in page.elements}
    assert not names & {"link", "iframe", "object", "embed", "base", "source", "video"}
    ids = [node.attributes["id"] for node in page.elements if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    for node in page.elements:
        assert not [name for name in node.attributes if name.startswith("on")]
        if "src" in node.attributes:
            assert decode(node.attributes["src"])
        if "href" in node.attributes:
            anchor = node.attributes["href"]
            assert anchor.startswith(("#", "data:text/csv"))
            assert anchor[0] != "#" or anchor[1:] in ids
    (script,) = page.root.all("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (policy,) = page.root.all("meta", http_equiv="Content-Security-Policy")
    assert "default-src 'none'" in policy.attributes["content"]
    assert f"script-src 'sha256-{digest}'" in policy.attributes["content"]


def test_tables_hold_the_numbers_of_the_report(experiment, made):
    _, page = made
    aggregate = json.loads((experiment / "scores/aggregate.json").read_text())
    tables = page.tables()
    for name, protocol in aggregate["protocols"].items():
        header, *rows = tables[f"{name}: {protocol['description']}"]
        main = protocol["main_metric"]
        expected, baselines = protocol["scores"]["estimates"], protocol["scores"]["baseline"]
        assert [row[0] for row in rows] == [*SOURCES, "average"] == list(expected)
        for row in rows:
            cells, scores = dict(zip(header, row, strict=False)), expected[row[0]]
            metrics = [m for m, value in scores.items() if isinstance(value, dict)]
            for metric in metrics:
                shown = cells[f"{main} (dB)" if metric == main else metric]
                assert shown == format_number(scores[metric]["value"])
            low, high = (scores[main][side] for side in ("low", "high"))
            assert cells["95 % interval"] == format_cell((low, high))
            if row[0] != "average":
                assert cells["tracks scored"] == f"{scores['n_scored']} of {len(TRACKS)}"
                alone = baselines[row[0]][metrics[0]]["value"]
                assert cells[f"{metrics[0]} of mixture / n"] == format_number(alone)
    left_out = " ".join(item.text for item in page.root.all("ul", class_="left-out"))
    assert f"{SOURCES[0]}: 1 of 3 tracks: silent reference" in left_out
    assert "drums: 1 of 3 tracks: no estimate" in left_out


def test_the_headline_and_the_csv_come_from_the_report(experiment, made):
    _, page = made
    aggregate = json.loads((experiment / "scores/aggregate.json").read_text())
    for box, (name, protocol) in zip(
        page.root.all("div", class_="headline"), aggregate["protocols"].items(), strict=True
    ):
        average = protocol["scores"]["estimates"]["average"][protocol["main_metric"]]
        assert box.first("strong").text == format_number(average["value"])
        assert f"protocol {name}." in box.text
    (link,) = page.root.all("a", download="tracks.csv")
    rows = csv.DictReader(io.StringIO(decode(link.attributes["href"]).decode()))
    with (experiment / "scores/tracks.csv").open(encoding="utf-8") as file:
        assert list(rows) == list(csv.DictReader(file))
    sections = [section.attributes.get("id") for section in page.root.all("section")]
    assert sections == ["listen", "scores", "made"]
    charts = [node.attributes["aria-label"] for node in page.root.all("svg")]
    assert charts == [
        f"Scores of single tracks, {m}" for m in ("SDR (dB), sisec", "SI-SDRi (dB), si-sdr")
    ]


def test_every_track_has_its_players_pictures_and_scores(experiment, made):
    answer, page = made
    articles = {a.first("h3").text: a for a in page.root.all("article")}
    # Best score first.
    assert sorted(articles) == sorted(TRACKS) == sorted(answer["tracks"]) and not answer["left_out"]
    players = page.players()
    for track, article in articles.items():
        for label in [f"mixture of {track}", *(f"{s} of {track}, reference" for s in SOURCES)]:
            wav, rate = players[label]
            assert rate == RATE and wav.shape == (2 * RATE, 2)
        assert f"bass & <i>co of {track}, separated" in players
        for image in article.all("img"):
            picture = Image.open(io.BytesIO(decode(image.attributes["src"])))
            assert picture.format == "WEBP" and np.ptp(np.asarray(picture)) >= 0
            assert image.attributes["alt"]
        stems = [
            button.text for button in article.all("button") if "data-stem" in button.attributes
        ]
        assert stems == ["mixture", *SOURCES]
        for source in SOURCES:
            told = article.first("div", role="group", aria_label=source).first("p").text
            path = experiment / "scores/tracks/sisec" / f"{track}.json"
            record = json.loads(path.read_text(encoding="utf-8"))["estimates"][source]
            if record["SDR"] is None:
                assert f"no SDR (sisec): {record['status']}" in told
            else:
                assert f"SDR {format_number(record['SDR'])} dB (sisec)" in told
            assert "(si-sdr)" in told
    (absent,) = page.root.all("p", class_="absent")
    assert absent.text == "Not separated."
    assert "reference (silent here)" in [f.text for f in page.root.all("figcaption")]
    (whole,) = [rows for caption, rows in page.tables().items() if caption == "SDR in dB, sisec"]
    assert sorted(row[0] for row in whole[1:]) == sorted(TRACKS)


def test_each_player_has_its_own_file_and_levels_are_kept(tmp_path):
    pitches = {
        "mixture": 440,
        "bass_reference": 700,
        "bass": 900,
        "drums_reference": 1500,
        "drums": 1200,
    }
    for name, frequency in pitches.items():
        save(
            tmp_path / "examples/song" / f"{name}.wav",
            sine(frequency, level=0.05 if frequency == 900 else 0.2),
        )
    _, page = make(tmp_path / "page.html", tmp_path)
    players = page.players()
    where = {"mixture": "mixture of song", "bass_reference": "bass of song, reference"}
    where |= {"bass": "bass of song, separated", "drums": "drums of song, separated"}
    where["drums_reference"] = "drums of song, reference"
    assert set(players) == set(where.values())
    for name, label in where.items():
        wav, rate = players[label]
        assert pitch(wav, rate) == pytest.approx(pitches[name], abs=1)
        peak = 0.05 if name == "bass" else 0.2
        assert np.abs(wav[1000:-1000]).max() == pytest.approx(peak, rel=0.1)


def test_what_does_not_fit_is_left_out_and_named(experiment, made, tmp_path):
    folders = {name: experiment / name for name in ("references", "estimates")}
    limit = (experiment / "page.html").stat().st_size / 1e6 - 0.02
    answer, page = make(tmp_path / "page.html", experiment / "scores", max_size=limit, **folders)
    assert len(answer["left_out"]) == 1 and len(answer["tracks"]) == 2
    assert (tmp_path / "page.html").stat().st_size < limit * 1e6
    assert any(
        f": {answer['left_out'][0]}." in note and "left out" in note.lower() for note in page.notes
    )
    answer, page = make(tmp_path / "page.html", experiment / "scores", max_size=1e-6, **folders)
    assert not answer["tracks"] and not page.players() and len(answer["left_out"]) == 3


def test_tracks_are_spread_between_best_and_worst(experiment, tmp_path):
    folders = {name: experiment / name for name in ("references", "estimates")}
    rows = (experiment / "scores/tracks.csv").read_text().splitlines()
    assert rows[0].startswith("protocol,system,track,source,status")
    answer, page = make(tmp_path / "page.html", experiment / "scores", n_tracks=2, **folders)
    table = page.tables()["SDR in dB, sisec"]
    means = {
        row[0]: np.mean([float(c.replace("−", "-")) for c in row[1:] if c[-1].isdigit()])
        for row in table[1:]
    }
    assert answer["tracks"] == [max(means, key=means.get), min(means, key=means.get)]
    assert "2 of 3 tracks, evenly spread from the best score to the worst." in page.source
