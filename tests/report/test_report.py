"""The listening page: self-contained, true to numbers and files, honest on what is missing."""

import argparse
import base64
import hashlib
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile as sf
from PIL import Image

from asteroid_instglow.cli import report as command
from asteroid_instglow.evaluation import evaluate_folders
from asteroid_instglow.report import separation_figure, write_page
from asteroid_instglow.report.clips import _boxes, _spectrum, _ticks, make_excerpt
from asteroid_instglow.report.markup import number, tag
from asteroid_instglow.report.tracks import Track, read_tracks

RATE = 8000
SECONDS = 4
TRACKS = ["<img src=x onerror=alert(1)>\"&'", "Zoë – 夜", "plain"]
SOURCES = ["bass & <i>co", "drums"]
NLL = "NLL, nats/dim"
VOID = {"img", "input", "meta", "br"}


class Node:
    """An element with its attributes, children and text."""

    def __init__(self, name, attributes, parent):
        self.name, self.attributes, self.parent = name, dict(attributes), parent
        self.children = []

    def all(self, name, **wanted):
        """Elements below of a name and with the attributes ("class_" is "class")."""
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in wanted.items()}
        for child in self.children:
            if isinstance(child, Node):
                has = all(child.attributes.get(k) == v for k, v in wanted.items())
                if child.name == name and has:
                    yield child
                yield from child.all(name, **wanted)

    def first(self, name, **wanted):
        return next(self.all(name, **wanted))

    @property
    def text(self):
        return "".join(c.text if isinstance(c, Node) else c for c in self.children)


class Page(HTMLParser):
    """Parses strictly: what is opened must be closed, in order."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.root = self.here = Node("root", {}, None)
        self.elements = []
        self.feed(self.source)
        self.close()
        assert self.here is self.root

    def handle_starttag(self, name, attributes):
        node = Node(name, attributes, self.here)
        self.here.children.append(node)
        self.elements.append(node)
        if name not in VOID:
            self.here = node

    def handle_endtag(self, name):
        assert self.here.name == name
        self.here = self.here.parent

    def handle_data(self, text):
        self.here.children.append(text)

    @property
    def notes(self):
        return [
            item.text for box in self.root.all("section", class_="note") for item in box.all("li")
        ]

    def tables(self):
        """Caption to rows of cells, heads included."""
        return {
            found.attributes["aria-label"]: [
                [cell.text for cell in row.children] for row in found.all("tr")
            ]
            for found in self.root.all("table")
        }

    def players(self):
        """Label to (samples, rate) of all players."""
        players = list(self.root.all("audio"))
        found = {p.attributes["aria-label"]: _decode(p.attributes["src"]) for p in players}
        assert len(found) == len(players)
        return {label: sf.read(io.BytesIO(content)) for label, content in found.items()}


def _decode(uri):
    head, _, content = uri.partition(",")
    assert head.startswith("data:") and head.endswith(";base64")
    return base64.b64decode(content, validate=True)


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
    for node in page.elements:
        assert not [name for name in node.attributes if name.startswith("on")]
        if "src" in node.attributes:
            assert _decode(node.attributes["src"])
        if "href" in node.attributes:
            anchor = node.attributes["href"]
            assert anchor.startswith("#") and list(
                page.root.all(anchor_name(page, anchor), id=anchor[1:])
            )
    (script,) = page.root.all("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (policy,) = page.root.all("meta", http_equiv="Content-Security-Policy")
    assert "default-src 'none'" in policy.attributes["content"]
    assert f"script-src 'sha256-{digest}'" in policy.attributes["content"]
    ids = [node.attributes["id"] for node in page.elements if "id" in node.attributes]
    assert len(ids) == len(set(ids))


def anchor_name(page, anchor):
    return next(n.name for n in page.elements if n.attributes.get("id") == anchor[1:])


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
                assert shown == number(scores[metric]["value"])
            low, high = (scores[main][side] for side in ("low", "high"))
            interval = "–" if low is None else f"{number(low)} to {number(high)}"
            assert cells["95 % interval"] == interval
            if row[0] != "average":
                assert cells["tracks scored"] == f"{scores['n_scored']} of {len(TRACKS)}"
                alone = baselines[row[0]][metrics[0]]["value"]
                assert cells[f"{metrics[0]} of mixture / n"] == number(alone)
    left_out = " ".join(item.text for item in page.root.all("ul", class_="left-out"))
    assert f"{SOURCES[0]}, 1 of 3: the reference is silent" in left_out
    assert "drums, 1 of 3: there is no estimate" in left_out
    image = next(page.root.first("figure", class_="chart").all("img"))
    assert _decode(image.attributes["src"]) == (experiment / "scores/boxplot.png").read_bytes()


def test_every_track_has_its_players_pictures_and_scores(experiment, made):
    answer, page = made
    articles = {a.first("h3").text: a for a in page.root.all("article")}
    # Best score first.
    assert sorted(articles) == sorted(TRACKS) == sorted(answer["tracks"]) and not answer["left_out"]
    players = page.players()
    lines = (experiment / "scores/tracks.csv").read_text().splitlines()
    assert len(lines) > 1
    for track, article in articles.items():
        for label in [f"mixture of {track}", *(f"{s} of {track}, reference" for s in SOURCES)]:
            wav, rate = players[label]
            assert rate == RATE and wav.shape == (2 * RATE, 2)
        assert f"bass & <i>co of {track}, estimate" in players
        for image in article.all("img"):
            picture = Image.open(io.BytesIO(_decode(image.attributes["src"])))
            assert picture.format == "WEBP" and np.ptp(np.asarray(picture)) >= 0
            assert image.attributes["alt"]
        for source, group in zip(SOURCES, article.all("div", role="group"), strict=True):
            told = group.first("p").text
            path = experiment / "scores/tracks/sisec" / f"{track}.json"
            record = json.loads(path.read_text(encoding="utf-8"))["estimates"][source]
            if record["SDR"] is None:
                assert f"no SDR (sisec): {record['status']}" in told
            else:
                assert f"SDR {number(record['SDR'])} dB (sisec)" in told
            assert "(si-sdr)" in told
    (absent,) = page.root.all("p", class_="absent")
    assert absent.text == "No estimate."
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
    where |= {"bass": "bass of song, estimate", "drums": "drums of song, estimate"}
    where["drums_reference"] = "drums of song, reference"
    assert set(players) == set(where.values())
    for name, label in where.items():
        wav, rate = players[label]
        assert pitch(wav, rate) == pytest.approx(pitches[name], abs=1)
        peak = 0.05 if name == "bass" else 0.2
        assert np.abs(wav[1000:-1000]).max() == pytest.approx(peak, rel=0.1)


@pytest.mark.parametrize(
    "names",
    [
        ["mix.flac", "a_ref.flac", "a_est.flac", "b_ref.flac", "b_est.flac"],
        ["mixture.wav", "a.wav", "a_estimate.wav", "b.wav", "b_estimate.wav", "all_but_a.wav"],
        ["mixture.wav", "a.wav", "a_reference.wav", "b.ogg", "b-true.wav"],
        [
            "mixture.wav",
            "references/a.wav",
            "references/b.wav",
            "estimates/a.wav",
            "estimates/b.wav",
        ],
    ],
)
def test_layouts_of_examples(tmp_path, names):
    for name in names:
        save(tmp_path / "examples/song" / name, sine(440, 0.1))
    (track,), missing = read_tracks(tmp_path)
    assert not missing and track.name == "song"
    assert [path.stem[:3] for path in track.mixture] == ["mix"]
    assert list(track.estimates) == ["a", "b"]
    assert sorted(track.references) == ["a", *["all_but_a"] * ("all_but_a.wav" in names), "b"]
    assert all(track.references[s] != track.estimates[s] for s in "ab")


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
    assert "b/training.json could not be read" in notes and "c/training.json holds no" in notes
    assert "d/training.json has no loss" in notes and "No audio" in notes
    assert "data: <script>alert(1)</script>" in [pre.text for pre in page.root.all("pre")]
    assert len(list(page.root.all("script"))) == 1


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


def test_what_does_not_fit_is_left_out_and_named(experiment, tmp_path):
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
    assert list(page.players()) == ["mixture of song", "bass of song, estimate"]
    assert any("drums.wav" in note for note in page.notes)
    assert "The estimate could not be read." in [
        p.text for p in page.root.all("p", class_="absent")
    ]


def test_excerpt_is_where_all_sources_play_and_does_not_clip(tmp_path):
    silence = np.zeros(10 * RATE)
    late, early = silence.copy(), silence.copy()
    late[4 * RATE :], early[: 8 * RATE] = sine(300, 6, 1.5), sine(500, 8, 0.3)
    for name, wav in (("late", late), ("early", early), ("mixture", late + early)):
        (tmp_path / "x").mkdir(exist_ok=True)
        sf.write(tmp_path / f"x/{name}.wav", wav, RATE, "FLOAT")
    paths = {name: tmp_path / f"x/{name}.wav" for name in ("late", "early")}
    track = Track("x", [tmp_path / "x/mixture.wav"], paths, {})
    excerpt, problems = make_excerpt(track, 3.0)
    assert not problems and 4 <= excerpt.start <= 5 and excerpt.seconds == 3
    peaks = {}
    for name, clip in [
        ("mixture", excerpt.clips["mixture"][None]),
        *excerpt.clips["references"].items(),
    ]:
        wav, rate = sf.read(io.BytesIO(clip.audio))
        assert len(wav) == 3 * rate == clip.seconds * rate
        peaks[name] = np.sort(np.abs(wav))[-200]
    assert peaks["mixture"] == pytest.approx(1, abs=0.05)
    assert peaks["late"] / peaks["early"] == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize("rate, n_channels", [(96000, 1), (22050, 6), (44100, 2), (6000, 1)])
def test_any_rate_and_number_of_channels_can_be_heard(tmp_path, rate, n_channels):
    wav = np.stack([sine(440, 0.5, rate=rate)] * n_channels, axis=1)
    save(tmp_path / "x.wav", wav, rate)
    excerpt, _ = make_excerpt(Track("x", [], {}, {"x": tmp_path / "x.wav"}), 20.0)
    clip = excerpt.clips["estimates"]["x"]
    heard, new_rate = sf.read(io.BytesIO(clip.audio), always_2d=True)
    assert len(heard) / new_rate == pytest.approx(0.5, abs=1e-3)
    assert pitch(heard[:, 0], new_rate) == pytest.approx(440, abs=2)
    assert excerpt.channels == n_channels and excerpt.sample_rate == rate


@pytest.mark.parametrize("frequency", [200, 1000, 4000])
def test_spectrum_peaks_at_the_tick_of_its_frequency(frequency):
    wav = sine(frequency, 1.0, rate=22050)[None].astype(np.float32)
    spectrum = _spectrum(wav, 22050, 11025.0)
    place = dict(_ticks(11025.0))[
        f"{frequency} Hz" if frequency < 1000 else f"{frequency // 1000} kHz"
    ]
    assert (spectrum.mean(1).argmax() + 0.5) / len(spectrum) == pytest.approx(place, abs=0.01)


def test_boxes_keep_the_sum():
    values = np.random.default_rng(0).random((7, 2))
    edges = np.array([0, 0.4, 0.9, 3.2, 7])
    sums = _boxes(values, edges) * np.diff(edges)[:, None]
    np.testing.assert_allclose(sums.sum(0), values.sum(0))
    np.testing.assert_allclose(_boxes(values, edges)[0], values[0])


def test_text_is_escaped_whatever_it_holds():
    bad = "<b a=\"'&" + "\udcff"
    page = HTMLParser()
    found = []
    page.handle_starttag = lambda name, attributes: found.append((name, attributes))
    page.handle_data = found.append
    page.feed(tag("p", {"title": bad}, bad))
    page.close()
    expected = bad.replace("\udcff", "?")
    assert found == [("p", [("title", expected)]), expected]


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


def test_separation_figure():
    wavs = {"bass": sine(100), "drums": sine(2000)}
    figure = separation_figure(sum(wavs.values()), wavs, RATE, wavs, {"bass": "bass, 8.1 dB"})
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["mixture", "bass, 8.1 dB", "drums", "bass, true", "drums, true"]
    figure.savefig(io.BytesIO())
