"""``instglow publish`` and ``instglow import-published``."""

import argparse
import json

import pytest
import torch
from conftest import tiny_prior
from hub_server import HubServer, run_client
from published_form import published
from saved_models import Malicious

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.cli import import_published, publish


def run(command, *args):
    """What a subcommand answers; also that it can be put into words and into JSON."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    answer = command.run(parser.parse_args([str(a) for a in args]))
    json.dumps(answer)
    return answer, command.describe(answer)


@pytest.fixture
def folder(tmp_path):
    tiny_prior("bass", 1, n_blocks=1).save_pretrained(tmp_path / "bass")
    return tmp_path / "bass"


def test_the_rehearsal_shows_what_would_go_up_and_sends_nothing(folder, tmp_path):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    answer, text = run(
        publish, folder, "--repo-id", "user/bass", "--license", "mit", "--datasets", "a", "b"
    )

    assert not answer["pushed"] and answer["reference"] is None
    assert sorted(answer["files"]) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
    ]
    assert answer["files"]["model.safetensors"] == (folder / "model.safetensors").stat().st_size
    for line in ("license: mit", "- a", 'from_pretrained("user/bass")', "Nothing was sent."):
        assert line in text
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_the_files_can_be_kept(folder, tmp_path):
    args = (folder, "--repo-id", "user/bass", "-o", tmp_path / "out", "--half")
    answer, text = run(publish, *args)

    assert answer["output"] == str(tmp_path / "out") and answer["output"] in text
    assert GlowPrior.from_pretrained(tmp_path / "out").source == "bass"
    with pytest.raises(FileExistsError, match="--overwrite"):
        run(publish, *args)
    run(publish, *args, "--overwrite")


def test_an_upload_that_fails_leaves_nothing(folder, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise ConnectionError("no network")

    monkeypatch.setattr("asteroid_instglow.weights.hub.upload", refuse)
    args = (folder, "--repo-id", "user/bass", "--push", "-o", tmp_path / "out")
    with pytest.raises(ConnectionError):
        run(publish, *args)
    assert list(tmp_path.iterdir()) == [folder]
    (tmp_path / "out").mkdir()
    with pytest.raises(ConnectionError):
        run(publish, *args)
    assert not list((tmp_path / "out").iterdir())


def test_where_the_card_comes_from(folder, tmp_path):
    card = {"description": "From the model.", "license": "mit", "title": "Low"}
    GlowPrior.from_pretrained(folder).save_pretrained(folder, card=card)
    record = {"steps": 600, "arguments": {"data": "/home/me/solos", "lr": 1e-4}}
    (folder / "training.json").write_text(json.dumps(record))
    (tmp_path / "card.json").write_text(json.dumps({"license": "cc0-1.0", "title": "Lower"}))
    options = ("--card", tmp_path / "card.json", "--title", "Lowest")
    text = run(publish, folder, "--repo-id", "user/bass", *options)[0]["card"]

    assert "# Lowest" in text and "license: cc0-1.0" in text and "From the model." in text
    assert "| steps | 600 |" in text and "/home" not in text


@pytest.mark.parametrize(
    "args, message",
    [
        (["bass"], "bass"),
        (["{folder}", "--repo-id", "bass"], "repo_id must be like \"user/name\", got 'bass'"),
        (["{folder}", "--card", "{folder}/config.json"], "card has no format"),
        (["{folder}", "--card", "{folder}/model.safetensors"], "is not JSON"),
        (["{folder}", "--token-file", "{folder}/none"], "none"),
    ],
)
def test_a_mistake_is_one_clear_line(folder, args, message):
    args = [arg.format(folder=folder) for arg in args]
    args += [] if "--repo-id" in args else ["--repo-id", "user/bass"]
    with pytest.raises((ValueError, OSError)) as caught:
        run(publish, *args)
    assert message in str(caught.value)


CLIENT = """
import argparse, json, sys
from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.cli import publish
def run(*args):
    parser = argparse.ArgumentParser()
    publish.add_arguments(parser)
    return publish.run(parser.parse_args([str(a) for a in args]))
"""


def test_create_upload_download_separate(tmp_path):
    priors = {name: tiny_prior(name, i, n_blocks=1) for i, name in enumerate(["bass", "drums"])}
    separator = GenerativeSeparator(priors, n_iter=2).eval()
    separator.save_pretrained(tmp_path / "band")
    wav = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
    torch.save(wav, tmp_path / "wav.pt")
    with HubServer() as hub:
        (tmp_path / "token").write_text(hub.token + "\n")
        code = f"""
import torch
answer = run({str(tmp_path / "band")!r}, "--repo-id", "tester/band", "--push", "--private",
             "--license", "mit", "--token-file", {str(tmp_path / "token")!r})
token = open({str(tmp_path / "token")!r}).read().strip()
separator = GenerativeSeparator.from_pretrained(answer["reference"], token=token)
torch.save(separator.separate(torch.load({str(tmp_path / "wav.pt")!r})), {str(tmp_path / "o.pt")!r})
print(json.dumps(answer))
"""
        answer = run_client(hub, CLIENT + code)
        files = hub.files("tester/band")
        assert hub.repos["tester/band"].private

    assert answer["pushed"] and answer["reference"].startswith("tester/band@")
    assert {name: len(content) for name, content in files.items()} == answer["files"]
    assert files["README.md"].decode() == answer["card"]
    assert files["model.safetensors"] == (tmp_path / "band" / "model.safetensors").read_bytes()
    assert torch.equal(torch.load(tmp_path / "o.pt"), separator.separate(wav))
    assert hub.token not in json.dumps(answer)


@pytest.fixture
def checkpoint(tmp_path):
    """Folder of a published checkpoint, and the prior that it holds."""
    prior = tiny_prior("vocals", 3, n_blocks=1)
    content, config = published(prior)
    folder = tmp_path / "vocals"
    folder.mkdir()
    torch.save(content, folder / "G_1000.pth")
    (folder / "config.json").write_text(json.dumps(config))
    return folder, prior


def test_a_published_checkpoint_becomes_a_prior(checkpoint, tmp_path):
    folder, prior = checkpoint
    args = (folder / "G_1000.pth", "--config", folder / "config.json", "--source", "voice")
    answer, text = run(import_published, *args, "-o", tmp_path / "prior")

    loaded = GlowPrior.from_pretrained(tmp_path / "prior")
    assert loaded.source == "voice" and answer["source"] == "voice" and "voice" in text
    for name, value in prior.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert loaded.card.license is None and loaded.card.training["iteration"] == 7
    assert "| learning rate | 0.0001 |" in (tmp_path / "prior" / "README.md").read_text()

    with pytest.raises(FileExistsError, match="--overwrite"):
        run(import_published, *args, "-o", tmp_path / "prior")
    run(import_published, folder / "G_1000.pth", "-o", tmp_path / "prior", "--overwrite", "--half")
    assert GlowPrior.from_pretrained(tmp_path / "prior").source == "vocals"


def test_a_wrong_checkpoint_leaves_nothing(checkpoint, tmp_path):
    folder, _ = checkpoint
    content = torch.load(folder / "G_1000.pth")
    short = {k: v for k, v in content["model"].items() if "flows.0" not in k}
    half = (folder / "G_1000.pth").read_bytes()[:500]
    for wrong, message in (
        ({"model": short}, "flows.0.bias is missing; .*flows.0.logs is missing"),
        ({"model": [1]}, "dict of tensors"),
        ({"weights": 1}, "dict of tensors"),
        ([1], "must hold a serialised model"),
        ({"model": Malicious(tmp_path / "it was run")}, "nothing in it was run"),
        (half, "no saved model"),
    ):
        path = folder / "G_2.pth"
        path.write_bytes(wrong) if isinstance(wrong, bytes) else torch.save(wrong, path)
        with pytest.raises(ValueError, match=message):
            run(import_published, path, "-o", tmp_path / "prior")
    for config in ("[1]", "{", '{"data": 3}'):
        (folder / "config.json").write_text(config)
        with pytest.raises(ValueError, match="config.json"):
            run(import_published, folder / "G_1000.pth", "-o", tmp_path / "prior")
    with pytest.raises(FileNotFoundError, match="G_3.pth"):
        run(import_published, folder / "G_3.pth", "-o", tmp_path / "prior")
    assert not (tmp_path / "prior").exists() and not (tmp_path / "it was run").exists()
