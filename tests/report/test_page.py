"""Tests the page: self-contained, with the report's numbers and one player per track."""

import argparse
import base64
import csv
import hashlib
import io
import json

import numpy as np
import pytest
import soundfile as sf
from html_page import Page, decode
from PIL import Image

from asteroid_instglow.cli import report as command
from asteroid_instglow.evaluation import evaluate_folders
from asteroid_instglow.report import write_page
from asteroid_instglow.report.formatting import format_cell, format_number

RATE = 8000
SECONDS = 4
TRACKS = ["<img src=x onerror=alert(1)>\"&'", "Zoë – 夜", "plain"]
SOURCES = ["bass & <i>co", "drums"]
NLL = "NLL, nats/dim"


def sine(frequency, seconds=SECONDS, level=0.1, rate=RATE):
    return level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def pitch(wav, rate):
    return np.abs(np.fft.rfft(wav)).argmax() * rate / len(wav)


def save(path, wav, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, wav, rate)


def make(output, exp_dir, **options):
    options = {"seconds": 2.0, "progress": False, **options}
    return write_page(exp_dir, output, **options), Page(output)


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


def history(steps=3, key="nll"):
    return [
        {"step": 10 * i, key: 2.0 - i, f"train_{key}": None if i == 0 else 2.5 - i}
        for i in range(steps)
    ]


def test_output_of_the_demo(tmp_path):
    song = {name: sine(frequency) for name, frequency in (("bass", 200), ("piano", 900))}
    for name, wav in song.items():
        save(tmp_path / f"held_out/Track1/{name}.flac", wav)
        save(tmp_path / f"stems/{name}.wav", wav + sine(321, level=0.01))
    save(tmp_path / "mixture.wav", 0.5 * sum(song.values()))
    training = {"source": "bass", "history": history(), "versions": {"torch": "2"}, "steps": 20}
    (tmp_path / "priors/bass").mkdir(parents=True)
    (tmp_path / "priors/bass/training.json").write_text(json.dumps(training))
    encoder = {"source": "bass", "history": history(key="loss")}
    (tmp_path / "priors/bass/encoder.json").write_text(json.dumps(encoder))
    (tmp_path / "systems/nmf/model").mkdir(parents=True)
    other = {"system": "nmf", "history": [{"step": 0, "loss": 3.0}, {"step": 5, "loss": 1.0}]}
    (tmp_path / "systems/nmf/model/training.json").write_text(json.dumps(other))
    _, page = make(tmp_path / "page.html", tmp_path)
    assert len(page.players()) == 5
    assert page.root.first("article").first("h3").text == "Track1"
    # 20 log10(0.1 / 0.01): the quick scores, said to be such.
    assert page.tables()["mdx: global SDR of the whole track, mean over tracks"][1][1] == "20.00"
    assert any("quick protocols mdx and si-sdr" in note for note in page.notes)
    drawings = [node.attributes["aria-label"] for node in page.root.all("svg")]
    assert drawings == [
        f"bass, prior: validation from 2.00 to 0.00 at step 20 ({NLL})",
        "bass, encoder: validation from 2.00 to 0.00 at step 20 (loss)",
        "nmf: validation from 3.00 to 1.00 at step 5 (loss)",
    ]
    rows = page.tables()[f"bass, prior, {NLL}"]
    assert rows[0] == ["step", "validation", "training"]
    assert rows[1:] == [["0", "2.000", "–"], ["10", "1.000", "1.500"], ["20", "0.000", "0.500"]]
    assert '"torch": "2"' in "".join(pre.text for pre in page.root.all("pre"))

    save(tmp_path / "mixture.wav", sine(555))
    _, page = make(tmp_path / "page.html", tmp_path)
    assert any("held_out holds another song" in note for note in page.notes)
    assert len(page.players()) == 3


def test_folder_of_priors_alone_and_broken_pieces_are_said(tmp_path):
    for name, text in [
        ("a/training.json", json.dumps({"source": "<b>", "history": history()})),
        ("b/training.json", "{"),
        ("c/training.json", "[]"),
        ("d/training.json", json.dumps({"history": [{"step": 0, "nll": None}]})),
        ("a/checkpoints/x/training.json", json.dumps({"history": history()})),
        ("aggregate.json", '{"protocols": {}}'),
        ("conf.yml", "data: <script>alert(1)</script>"),
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    _, page = make(tmp_path / "page.html", tmp_path)
    assert len(list(page.root.all("svg"))) == 1
    notes = " ".join(page.notes)
    assert (
        "b/training.json could not be read" in notes
        and "c/training.json is no training record" in notes
    )
    assert "d/training.json has no loss" in notes and "audio" not in notes
    assert "data: <script>alert(1)</script>" in [pre.text for pre in page.root.all("pre")]
    assert len(list(page.root.all("script"))) == 1


def test_output_of_pretrain_has_nothing_to_note(tmp_path):
    record = {"sources": ["bass", "drums"], "history": history(key="loss"), "steps": 20}
    (tmp_path / "encoder.json").write_text(json.dumps(record))
    (tmp_path / "encoder/checkpoints").mkdir(parents=True)
    answer, page = make(tmp_path / "page.html", tmp_path)
    assert not answer["notes"] and not page.notes
    assert [node.attributes["id"] for node in page.root.all("section")] == ["training", "made"]
    (drawing,) = page.root.all("svg")
    assert drawing.attributes["aria-label"].startswith("joint encoder: validation from 2.00")


def test_numbers_of_another_kind_are_listed(tmp_path):
    metrics = {"si_sdr": 3.25, "by": {"bass": {"sdr": -1.5}}, "name": "x"}
    (tmp_path / "final_metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "all_metrics.csv").write_text("mixture_path,si_sdr\nx,1\n")
    _, page = make(tmp_path / "page.html", tmp_path)
    assert page.tables()["final_metrics.json"][1:] == [
        ["si_sdr", "3.25"],
        ["by / bass / sdr", "-1.5"],
    ]
    assert any("all_metrics.csv has no scores that can be shown" in note for note in page.notes)


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


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    folder = tmp_path / "examples/song"
    save(folder / "mixture.wav", sine(440))
    save(folder / "bass.wav", sine(440))
    (folder / "drums.wav").write_bytes(b"no audio")
    _, page = make(tmp_path / "page.html", tmp_path)
    assert list(page.players()) == ["mixture of song", "bass of song, separated"]
    assert any("drums.wav" in note for note in page.notes)
    assert "This file could not be read." in [p.text for p in page.root.all("p", class_="absent")]


@pytest.mark.parametrize(
    "options, error, says",
    [
        ({"exp_dir": "nowhere"}, FileNotFoundError, "exp_dir must be a folder"),
        ({}, ValueError, "exp_dir must hold scores"),
        ({"references": "."}, ValueError, "references without estimates"),
        ({"references": "none", "estimates": "none"}, FileNotFoundError, "there is none at"),
        ({"output": "page.wav"}, ValueError, "must be a file that ends in .html"),
        ({"n_tracks": -1}, ValueError, "n_tracks must be a whole number"),
        ({"seconds": 0}, ValueError, "seconds must be above 0"),
        ({"max_size": float("nan")}, ValueError, "max_size must be above 0"),
    ],
)
def test_mistakes_are_refused_in_one_line(tmp_path, monkeypatch, options, error, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(error, match=says) as caught:
        write_page(**{"exp_dir": tmp_path, "progress": False, **options})
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def test_command(tmp_path):
    save(tmp_path / "examples/my song/bass.wav", sine(440, 1))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    answer = command.run(parser.parse_args([str(tmp_path), "--seconds", "0.5", "--quiet"]))
    page = Page(tmp_path / "report.html")
    assert answer["page"] == str(tmp_path / "report.html")
    assert [len(wav) for wav, _ in page.players().values()] == [RATE // 2]
    assert f"instglow report {tmp_path}" in page.source
    told = command.describe(answer)
    assert told.startswith(answer["page"]) and all(note in told for note in page.notes)
    json.dumps(answer)


def test_text_is_escaped_whatever_it_holds(tmp_path):
    name = "<b a=\"'&" + "\udcff"
    save(tmp_path / "examples/song/bass.wav", sine(440))
    (tmp_path / "conf.yml").write_text("x", encoding="utf-8")
    record = {"source": name, "history": history()}
    (tmp_path / "training.json").write_text(json.dumps(record))
    _, page = make(tmp_path / "page.html", tmp_path)
    captions = [caption.text for caption in page.root.all("figcaption")]
    assert f"{name[:-1]}?, prior ({NLL})" in captions
