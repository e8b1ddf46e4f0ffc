"""Tests the report of every kind of folder: demo, priors, pretrain, foreign numbers, mistakes."""

import argparse
import json

import pytest
from report_pages import RATE, Page, make, save, sine

from asteroid_instglow.cli import report as command
from asteroid_instglow.report import write_page

NLL = "NLL, nats/dim"


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
