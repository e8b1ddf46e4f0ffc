"""The model card: what the Hub's classes read in it, what it leaves out, and that its code runs."""

import re
import shlex

import pytest
import torch
from conftest import tiny_prior
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from asteroid_instglow import GenerativeSeparator, save_audio
from asteroid_instglow.cli import main
from asteroid_instglow.cli.publish import training_rows_of
from asteroid_instglow.utils.files import write_json
from asteroid_instglow.weights.card import Card, training_rows
from asteroid_instglow.weights.card_page import card_text
from asteroid_instglow.weights.examples import MAX_BYTES, Examples, find_examples

FULL = {
    "title": "A band",
    "description": "Four instruments.\n\nRendered from MIDI.",
    "license": "cc-by-4.0",
    "datasets": ["mini-Slakh", "own renderings"],
    "training": {"steps": 600, "optimizer": {"lr": 1e-4}, "seeds": [1, 2], "command": "a | b"},
    "results": {"bass": {"SDR (dB)": 5.123456789}, "drums": {"SDR (dB)": 6, "SI-SDRi (dB)": 9.5}},
    "results_on": "mini-Slakh test, SiSEC protocol",
}


def text_of(card, name="user/band", sources=("bass",), **args):
    return card_text(Card.of(card), "GlowPrior", sources, 22050, 11_700_000, name, **args)


def test_the_hub_reads_what_was_meant():
    data = ModelCard(text_of(FULL)).data

    assert data.license == "cc-by-4.0"
    assert data.library_name == "asteroid"
    assert data.pipeline_tag == "audio-to-audio"
    assert data.tags == ["asteroid", "audio", "audio-source-separation"]
    assert data.datasets == ["mini-Slakh", "own renderings"]


def test_a_licence_is_not_assumed():
    text = text_of({})
    data = ModelCard(text).data.to_dict()

    assert "license" not in data and "datasets" not in data
    assert "The licence of these weights is not stated." in text
    named = {"license": "other", "license_name": "the-band", "license_link": "https://a.b/c"}
    assert "[the-band](https://a.b/c)" in text_of(named) and "not stated" not in text_of(named)
    assert ModelCard(text_of(named)).data.license_name == "the-band"


def test_tables():
    text = text_of(FULL)

    assert "# A band\n\nFour instruments.\n\nRendered from MIDI.\n" in text
    for row in (
        "| steps | 600 |",
        "| optimizer, lr | 0.0001 |",
        "| seeds | 1, 2 |",
        r"| command | a \| b |",
        "|  | SDR (dB) | SI-SDRi (dB) |",
        "| bass | 5.12346 |  |",
        "| drums | 6 | 9.5 |",
    ):
        assert f"\n{row}\n" in text
    assert "On mini-Slakh test, SiSEC protocol." in text
    assert "Trained on mini-Slakh and own renderings." in text
    assert "## Results" not in text_of({}) and "## Training" not in text_of({})


@pytest.mark.parametrize("title", ["a: b", "---\nlicense: mit\n---", "é \"q\" 'x' # | `"])
def test_text_cannot_get_into_the_head(title):
    data = ModelCard(text_of({"title": title, "datasets": [title]})).data

    assert data.license is None and data.datasets == [title]


def test_a_head_that_reads_otherwise_is_refused(monkeypatch):
    monkeypatch.setattr(
        "asteroid_instglow.weights.card_page.ModelCard", lambda text: ModelCard("---\na: b\n---\n")
    )
    with pytest.raises(ValueError, match="cannot be written as YAML"):
        text_of({"license": "mit"})


@pytest.mark.parametrize(
    "card, message",
    [
        ({"licence": "mit"}, "card has no licence; it has title"),
        ({"license": ""}, "license must be a string that is not empty, got ''"),
        ({"license": ["mit"]}, "license must be a string"),
        ({"datasets": "slakh"}, "datasets must be a list of names, got 'slakh'"),
        ({"training": [1]}, "training must be a dict"),
        ({"results": {"bass": 5.0}}, "results must be a dict of dicts"),
        ({"training": {"x": object()}}, "training and results: Object of type"),
        ("mit", "card must be a Card or a dict, got str"),
    ],
)
def test_a_wrong_card_is_refused(card, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Card.of(card)


def test_round_trip_through_plain_types():
    assert Card.of(Card.of(FULL).to_dict()) == Card.of(FULL)
    assert Card().to_dict() == {}
    assert Card.of(None) is None


def test_the_record_of_a_training_without_its_paths():
    record = {
        "source": "bass",
        "steps": 600,
        "nll_after": 1.5,
        "history": [{"nll": 2.0}],
        "arguments": {"data": "/home/me/solos", "lr": 1e-4, "segment": 2.0},
        "data": {"train": {"roots": ["/home/me/solos"], "recordings": 7}},
        "hardware": {"machine": "x86_64"},
    }
    rows = training_rows(record)

    assert rows == {
        "steps": 600,
        "validation NLL after (nats/dim)": 1.5,
        "training recordings": 7,
        "learning rate": 1e-4,
        "segment (s)": 2.0,
        "machine": "x86_64",
    }
    text = text_of({"training": rows})
    assert "/home" not in text and "arguments" not in text


def test_a_card_tells_the_trainings_of_flow_and_encoder(tmp_path):
    common = {"arguments": {"seed": 3}, "hardware": {"machine": "x86_64"}}
    write_json(tmp_path / "training.json", {**common, "steps": 9, "nll_after": 1.5})
    assert training_rows_of(tmp_path)["steps"] == 9
    write_json(tmp_path / "encoder.json", {**common, "steps": 4, "loss_after": -1.25})
    rows = training_rows_of(tmp_path)
    assert rows["flow"] == {"steps": 9, "validation NLL after (nats/dim)": 1.5}
    assert rows["encoder"] == {"steps": 4, "error after (bel)": -1.25}
    assert rows["seed"] == 3 and "| encoder, steps | 4 |" in text_of({"training": rows})
    assert training_rows_of(tmp_path / "none") == {}


HOSTILE = "a](http://x) <img src=y> `z` | # _b_ *c*\n\n## Heading"


def test_names_are_text_and_nothing_else():
    text = text_of(
        {
            "title": HOSTILE,
            "datasets": [HOSTILE],
            "training": {HOSTILE: HOSTILE},
            "results": {HOSTILE: {HOSTILE: 1.0}},
            "results_on": HOSTILE,
            "license": "other",
            "license_name": HOSTILE,
            "license_link": "LICENSE",
        },
        sources=[HOSTILE],
    )
    shown = MarkdownIt().enable("table").render(text.split("---\n", 2)[2])
    assert "<img" not in shown and "http://x" not in re.findall(r'href="([^"]*)"', shown)
    assert shown.count("<h2>") == 5 and "<em>" not in shown and "<code>z" not in shown
    assert ModelCard(text).data.datasets == [HOSTILE]


@pytest.mark.parametrize(
    "link", ["javascript:x", "http://a b", "http://a)b", "../x", "a\nb", "<x>"]
)
def test_a_link_that_is_none_is_refused(link):
    with pytest.raises(ValueError, match="license_link must be a URL or file name"):
        Card(license="other", license_link=link)


@pytest.fixture
def model(request, tmp_path, monkeypatch):
    """A folder with a model, its card and a song; the working directory is there."""
    prior = tiny_prior("bass", 1, n_blocks=1)
    model = GenerativeSeparator({"bass": prior}) if request.param == "separator" else prior
    model.save_pretrained(tmp_path / "model", card=Card())
    monkeypatch.chdir(tmp_path / "model")
    wav = torch.randn(1, 1600, generator=torch.Generator().manual_seed(0)) / 10
    save_audio("song.wav", wav, 8000)
    return tmp_path / "model"


@pytest.mark.parametrize("model", ["prior", "separator"], indirect=True)
def test_the_examples_run_as_printed(model):
    text = (model / "README.md").read_text()
    (python,) = re.findall(r"```python\n(.*?)```", text, re.S)
    (bash,) = re.findall(r"```bash\n(.*?)```", text, re.S)

    exec(python, {})
    command = shlex.split(bash)
    assert command[0] == "instglow" and main([*command[1:], "--quiet"]) == 0
    assert (model / "stems" / "song" / "bass.wav").is_file()
    stem = model / "separated" / "song" / "bass.wav"
    assert stem.read_bytes() == (model / "stems" / "song" / "bass.wav").read_bytes()


def test_plain_asteroid_is_mentioned_where_it_works():
    assert 'BaseModel.from_pretrained("user/band")' in text_of({}, with_bin=True)
    assert "BaseModel" not in text_of({}) + text_of({}, name=None, with_bin=True)


def test_the_card_plays_and_shows_what_lies_in_examples(tmp_path, capsys):
    prior = tiny_prior("bass", 1, n_blocks=1)
    prior.save_pretrained(tmp_path / "bass", card=Card())
    assert "<audio" not in (tmp_path / "bass" / "README.md").read_text()
    (tmp_path / "bass" / "examples").mkdir()
    for name in ("vocals.mp3", "mixture.wav", 'a"><b>.ogg', "sep.png", "notes.txt", ".x.wav"):
        (tmp_path / "bass" / "examples" / name).write_bytes(b"x")
    args = ["publish", str(tmp_path / "bass"), "--repo-id", "me/bass", "--revision", "v1"]
    assert main([*args, "-o", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out

    assert "examples/mixture.wav" in shown and "notes.txt" not in shown
    kept = ("mixture.wav", 'a"><b>.ogg', "vocals.mp3")
    assert find_examples(tmp_path / "out") == Examples(kept, ("sep.png",))
    text = (tmp_path / "out" / "README.md").read_text()
    address = "https://huggingface.co/me/bass/resolve/v1/examples/"
    (example,) = ModelCard(text).data.to_dict()["widget"]
    assert example == {"src": f"{address}mixture.wav", "example_title": "mixture"}
    page = MarkdownIt().enable("table").render(text.split("---\n", 2)[2])
    played = re.findall(r'<audio controls preload="none" src="([^"]*)"></audio>', page)
    assert played == [address + n for n in ("mixture.wav", "a%22%3E%3Cb%3E.ogg", "vocals.mp3")]
    assert '<img src="examples/sep.png"' in page and "<b>" not in page


def test_examples_that_are_none_or_too_large_are_refused(tmp_path):
    prior = tiny_prior("bass", 1, n_blocks=1)
    with pytest.raises(ValueError, match="examples must be a folder with files in"):
        prior.push_to_hub("me/bass", examples=tmp_path)
    with open(tmp_path / "long.wav", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match="examples must be at most 50 MB"):
        prior.push_to_hub("me/bass", examples=tmp_path)
