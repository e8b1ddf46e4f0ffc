"""Saving and loading: layouts, names, cards, damage, and that nothing loaded is run."""

import json
import os
import re
import shutil

import asteroid.models
import pytest
import torch
from conftest import tiny_prior
from hub_server import HubServer, run_client
from hub_store import File
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.weights import reading as package
from asteroid_instglow.weights.base import load_model
from asteroid_instglow.weights.card import Card
from asteroid_instglow.weights.folder import staged

ARGS = {"n_blocks": 1, "hidden": 4, "n_fft": 64, "hop_length": 16, "sample_rate": 8000}


@pytest.fixture
def prior():
    return tiny_prior("bass", 1, n_blocks=1)


@pytest.fixture
def separator():
    priors = {"bass": tiny_prior("bass", 1, n_blocks=1), "e piano": tiny_prior("x", 2, n_blocks=1)}
    return GenerativeSeparator(priors, n_iter=2).eval()


def same_weights(model, other):
    a, b = model.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("split", [False, True])
def test_a_separator_comes_back_whole_and_by_parts(separator, tmp_path, split):
    card = {"license": "mit", "training": {"steps": 3}}
    separator.priors[1].card = Card(license="cc0-1.0")
    separator.save_pretrained(tmp_path / "s", card=card, split=split)

    for loaded in (
        GenerativeSeparator.from_pretrained(tmp_path / "s"),
        GenerativeSeparator.from_pretrained(str(tmp_path / "s"), n_iter=7),
        load_model(tmp_path / "s"),
    ):
        assert same_weights(loaded, separator) and loaded.sources == separator.sources
        assert loaded.card == Card(**card) and loaded.priors[1].card.license == "cc0-1.0"
        assert not loaded.training
    part = GlowPrior.from_pretrained(tmp_path / "s" / "priors" / "e piano")
    assert same_weights(part, separator.priors[1]) and part.source == "x"
    assert part.card.license == "cc0-1.0"
    assert ("model.safetensors" in files(tmp_path / "s")) is not split
    with pytest.raises(FileNotFoundError, match="no prior harp; its priors are bass, e piano"):
        GlowPrior.from_pretrained(tmp_path / "s" / "priors" / "harp")


def test_names_of_priors_that_make_the_same_folder(tmp_path):
    priors = {name: tiny_prior(name, i, n_blocks=1) for i, name in enumerate(["a b", "a_b", "é"])}
    separator = GenerativeSeparator(priors)
    separator.save_pretrained(tmp_path / "s", split=True)

    assert same_weights(GenerativeSeparator.from_pretrained(tmp_path / "s"), separator)
    assert len(files(tmp_path / "s")) == 7


def test_the_old_layout_without_hashes_loads(separator, tmp_path):
    separator.save_pretrained(tmp_path / "s")
    config = json.loads((tmp_path / "s" / "config.json").read_text())
    assert config.pop("sha256")
    (tmp_path / "s" / "config.json").write_text(json.dumps(config))

    assert same_weights(GenerativeSeparator.from_pretrained(tmp_path / "s"), separator)


def test_half_precision(prior, tmp_path):
    prior.save_pretrained(tmp_path / "full")
    prior.save_pretrained(tmp_path / "half", half=True, with_bin=True)
    loaded = GlowPrior.from_pretrained(tmp_path / "half")
    plain = asteroid.models.BaseModel.from_pretrained(str(tmp_path / "half" / "pytorch_model.bin"))

    weights = [(tmp_path / d / "model.safetensors").stat().st_size for d in ("full", "half")]
    assert weights[1] < 0.75 * weights[0]  # the names of the tensors weigh, in one so small
    assert same_weights(loaded, plain)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for name, value in loaded.state_dict().items():
        assert_close(value, prior.state_dict()[name], rtol=1e-3, atol=1e-6)
    with torch.no_grad():
        prior.flow.steps.transforms[0].bias[3] = 1e6
    with pytest.raises(ValueError, match="half: .*bias exceed"):
        prior.save_pretrained(tmp_path / "half", half=True)
    assert same_weights(GlowPrior.from_pretrained(tmp_path / "half"), loaded)


@pytest.mark.parametrize("make", ["prior", "separator"])
def test_plain_asteroid_loads_the_bin(make, request, tmp_path):
    model = request.getfixturevalue(make)
    model.save_pretrained(tmp_path / "m", card=Card(license="mit"), with_bin=True)
    path = str(tmp_path / "m" / "pytorch_model.bin")

    assert same_weights(asteroid.models.BaseModel.from_pretrained(path), model)
    assert type(model).from_pretrained(path).card.license == "mit"
    # Alone in a folder, it is what Asteroid's own upload makes.
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "m" / name).unlink()
    assert same_weights(type(model).from_pretrained(tmp_path / "m"), model)


def test_saving_that_fails_leaves_what_was_there(prior, tmp_path, monkeypatch):
    prior.save_pretrained(tmp_path / "p")
    before = {name: (tmp_path / "p" / name).read_bytes() for name in files(tmp_path / "p")}

    with pytest.raises(ValueError, match="card: license"):
        prior.save_pretrained(tmp_path / "p", card={"license": 3})
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "p") as stage:
        (stage / "config.json").write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "new"):
        raise KeyboardInterrupt
    assert {name: (tmp_path / "p" / name).read_bytes() for name in files(tmp_path / "p")} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p"]

    # Cut short between the files: told by the hash.
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda a, b: replace(a, b) if b.name != "config.json" else 1 / 0
    )
    with torch.no_grad():
        next(prior.parameters()).add_(1)
    with pytest.raises(ZeroDivisionError):
        prior.save_pretrained(tmp_path / "p")
    with pytest.raises(ValueError, match="hashes differ"):
        GlowPrior.from_pretrained(tmp_path / "p")


def test_saving_again_leaves_other_files_and_no_old_weights(separator, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "training.json").write_text("{}")
    separator.save_pretrained(tmp_path / "s", with_bin=True, card=Card())
    separator.save_pretrained(tmp_path / "s", split=True)
    assert [n for n in files(tmp_path / "s") if "priors" not in n] == [
        "README.md",
        "config.json",
        "training.json",
    ]
    separator.save_pretrained(tmp_path / "s")
    assert not [n for n in files(tmp_path / "s") if "priors" in n]


def test_a_separator_from_a_dict_of_priors(prior, separator, tmp_path):
    prior.save_pretrained(tmp_path / "bass")
    separator.save_pretrained(tmp_path / "s")
    places = {
        "low": str(tmp_path / "bass"),
        "lower": tmp_path / "bass",
        "keys": f"{tmp_path}/s/priors/e piano",
        "here": prior,
        "packed": prior.serialize(),
    }
    loaded = GenerativeSeparator.from_pretrained(places, residual=True, n_iter=3)

    assert loaded.sources == [*places, "residual"] and loaded.options.n_iter == 3
    assert same_weights(loaded.priors[0], prior) and same_weights(loaded.priors[4], prior)
    assert same_weights(loaded.priors[2], separator.priors[1])
    with pytest.raises(ValueError, match="'x' must be a prior, got a GenerativeSeparator"):
        GenerativeSeparator.from_pretrained({"x": tmp_path / "s"})
    with pytest.raises(ValueError, match="must have model_name, state_dict"):
        GenerativeSeparator.from_pretrained({"model_args": {}})
    with pytest.raises(ValueError, match="revision"):
        GenerativeSeparator.from_pretrained({"x": "user/x"}, revision="v1")
    with pytest.raises(FileNotFoundError, match="empty string"):
        GlowPrior.from_pretrained("")
    # Arguments alone would make a prior that was never trained.
    with pytest.raises(ValueError, match="must have model_name, model_args, state_dict"):
        GenerativeSeparator.from_pretrained({"x": ARGS})


def test_the_wrong_kind(prior, separator, tmp_path):
    prior.save_pretrained(tmp_path / "p")
    separator.save_pretrained(tmp_path / "s")
    torch.save({"model_name": "ConvTasNet", "model_args": {}, "state_dict": {}}, tmp_path / "c.pth")

    with pytest.raises(ValueError, match='got a GlowPrior .*from_pretrained.{2}"bass": "'):
        GenerativeSeparator.from_pretrained(tmp_path / "p")
    with pytest.raises(ValueError, match="got a GenerativeSeparator .*of bass, e piano"):
        GlowPrior.from_pretrained(tmp_path / "s")
    with pytest.raises(ValueError, match="got a ConvTasNet .*BaseModel.from_pretrained"):
        GlowPrior.from_pretrained(tmp_path / "c.pth")
    with pytest.raises(
        ValueError,
        match="must hold a GenerativeSeparator or GlowPrior or JointEncoder, got a Conv",
    ):
        load_model(tmp_path / "c.pth")


def test_damage(prior, separator, tmp_path):
    prior.save_pretrained(tmp_path / "good")

    def broken(name):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "good", folder)
        return folder, folder / "model.safetensors"

    folder, weights = broken("truncated")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="model.safetensors is damaged"):
        GlowPrior.from_pretrained(folder)
    edit(folder, sha256={})
    with pytest.raises(ValueError, match="model.safetensors is damaged"):
        GlowPrior.from_pretrained(folder)
    folder, weights = broken("flipped")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="hashes differ"):
        GlowPrior.from_pretrained(folder)
    folder, weights = broken("newer")
    edit(folder, format=2)
    weights.unlink()  # said before anything else
    with pytest.raises(ValueError, match="format 2, this version reads up to 1: upgrade"):
        GlowPrior.from_pretrained(folder)
    folder, _ = broken("argument")
    edit(folder, model_args={"spline": True})
    with pytest.raises(ValueError, match="other arguments than this.*spline"):
        GlowPrior.from_pretrained(folder)
    with pytest.raises(TypeError, match="spline"):
        GlowPrior.from_pretrained(tmp_path / "good", spline=True)
    folder, _ = broken("shape")
    edit(folder, model_args={**prior.get_model_args(), "hidden": 6})
    with pytest.raises(ValueError, match="weights do not fit.*size mismatch"):
        GlowPrior.from_pretrained(folder)
    for text in ("", "[]", "{}", '{"model_name": 1}', "{" * 10**5, "[" * 10**5):
        (folder / "config.json").write_text(text)
        with pytest.raises(ValueError, match="shape"):
            GlowPrior.from_pretrained(folder)
    with pytest.raises(FileNotFoundError, match="no config.json"):
        GlowPrior.from_pretrained(tmp_path)


@pytest.mark.parametrize("place", ["./../bass", "./priors/..", "/etc", "../s", "./priors/a/b", 3])
def test_a_separator_does_not_read_outside_its_folder(separator, tmp_path, place):
    separator.save_pretrained(tmp_path / "s", split=True)
    tiny_prior("bass", n_blocks=1).save_pretrained(tmp_path / "bass")
    edit(tmp_path / "s", priors={"bass": place})

    with pytest.raises(ValueError, match="priors"):
        GenerativeSeparator.from_pretrained(tmp_path / "s")


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_is_refused_and_not_run(prior, tmp_path):
    trace = tmp_path / "it was run"
    package = prior.serialize() | {"infos": Malicious(trace)}
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (tmp_path / "model.pth", folder / "pytorch_model.bin"):
        for new in (True, False):
            torch.save(package, path, _use_new_zipfile_serialization=new)
            for load in (GlowPrior.from_pretrained, load_model):
                with pytest.raises(ValueError, match="nothing in it was run"):
                    load(path if path.suffix == ".pth" else folder)
    assert not trace.exists()
    torch.load(tmp_path / "model.pth", weights_only=False)  # it would have been
    assert trace.exists()

    # Beside safetensors it is not even looked at.
    prior.save_pretrained(tmp_path / "good")
    shutil.copy(folder / "pytorch_model.bin", tmp_path / "good")
    assert same_weights(GlowPrior.from_pretrained(tmp_path / "good"), prior)
    (tmp_path / "good" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="no config.json"):
        GlowPrior.from_pretrained(tmp_path / "good")


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x02.", b"PK\3\4", b"\x80\x02}q\0X"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.pth"):
        GlowPrior.from_pretrained(tmp_path / "model.pth")


def test_what_ships_with_the_package(separator, prior, tmp_path, monkeypatch):
    monkeypatch.setattr(package, "SHIPPED", tmp_path / "shipped")
    separator.save_pretrained(tmp_path / "shipped" / "band", split=True)
    (tmp_path / "cwd" / "band").mkdir(parents=True)  # a data set, say
    monkeypatch.chdir(tmp_path / "cwd")

    assert same_weights(GenerativeSeparator.from_pretrained("band"), separator)
    part = GlowPrior.from_pretrained("band/priors/e piano")
    assert same_weights(part, separator.priors[1])
    with pytest.raises(FileNotFoundError, match=r"band2, and .*\(these do: band\)"):
        GlowPrior.from_pretrained("band2")
    with pytest.raises(FileNotFoundError, match="no config.json"):
        GlowPrior.from_pretrained("./band")
    with pytest.raises(ValueError, match="revision is for the Hub"):
        GlowPrior.from_pretrained("band", revision="v1")
    prior.save_pretrained("band")
    assert same_weights(GlowPrior.from_pretrained("band"), prior)


MAKE = f"""
import json, hashlib, torch
from pathlib import Path
from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.weights.base import load_model

def said(call):
    try:
        return str(call())
    except (OSError, ValueError) as error:
        return type(error).__name__ + ": " + str(error)

def sound(model):
    wav = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
    return hashlib.sha256(model.separate(wav).numpy().tobytes()).hexdigest()

def make(name, seed):
    torch.manual_seed(seed)
    prior = GlowPrior(name, **{ARGS!r})
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return prior.eval()
"""


@pytest.fixture(scope="module")
def travelled():
    """What the author's and the user's processes said, and the Hub between them."""
    with HubServer() as hub:
        sent = run_client(
            hub,
            MAKE
            + """
bass, drums, piano = (make(name, i) for i, name in enumerate(["bass", "drums", "piano"]))
bass_at = bass.push_to_hub("tester/bass", card={"license": "mit", "training": {"steps": 9}})
drums.push_to_hub("tester/drums", private=True)
drums.push_to_hub("tester/drums", revision="v2", half=True)
drums = GlowPrior.from_pretrained("tester/drums")
separator = GenerativeSeparator({"bass": bass, "drums": drums, "piano": piano}, n_iter=2).eval()
separator_at = separator.push_to_hub("tester/band")
whole = separator.push_to_hub("tester/whole", embed=True)
with torch.no_grad():
    next(bass.parameters()).add_(0.01)  # no longer what is on the Hub
separator.push_to_hub("tester/changed")
print(json.dumps([bass_at, separator_at, sound(GenerativeSeparator.from_pretrained("tester/band")),
                  sound(GenerativeSeparator.from_pretrained("tester/changed")), sound(separator)]))
""",
            token=hub.token,
        )
        sent = json.loads(sent.stdout)
        put_oddities(hub)
        got = run_client(
            hub,
            MAKE
            + f"""
token = {hub.token!r}
private = said(lambda: GenerativeSeparator.from_pretrained("tester/band"))
band = GenerativeSeparator.from_pretrained("tester/band", token=token)
load = lambda name, **args: lambda: GlowPrior.from_pretrained(name, **args).source
print(json.dumps({{
    "sounds": [sound(band), sound(GenerativeSeparator.from_pretrained("tester/whole"))],
    "sources": band.sources,
    "card": band.priors[0].card.to_dict(),
    "parts": [said(load("tester/band/priors/piano")), said(load("tester/whole/priors/bass")),
              said(load("tester/drums@v2", token=token)), said(load({sent[0]!r}))],
    "errors": {{
        "private": private,
        "kind": said(load("tester/whole")),
        "asteroid": said(load("tester/convtasnet")),
        "other": said(load("tester/other")),
        "empty": said(load("tester/empty")),
        "newer": said(load("tester/newer")),
        "none": said(load("exp/bass")),
        "part": said(load("tester/whole/priors/harp")),
        "two": said(load("tester/bass@main", revision="v1")),
        "offline": said(load("tester/newer2", local_files_only=True)),
        "tampered": said(load("tester/tampered")),
    }},
}}))
""",
            env={"HF_HOME": hub.home + "/user"},
        )
        yield hub, sent, json.loads(got.stdout)


def put_oddities(hub):
    """Repositories that hold no model of ours."""
    store = hub.store

    def put(name, contents):
        repo = store.create("models", f"tester/{name}", hub.user)
        as_bytes = {
            p: c if isinstance(c, bytes) else json.dumps(c).encode() for p, c in contents.items()
        }
        repo.publish("main", {path: File(content) for path, content in as_bytes.items()})

    convtasnet = {"model_name": "ConvTasNet", "model_args": {}, "state_dict": {}}
    torch.save(convtasnet, hub.home + "/conv.bin")
    with open(hub.home + "/conv.bin", "rb") as file:
        put("convtasnet", {"pytorch_model.bin": file.read()})
    put("other", {"config.json": {"model_type": "bert"}, "model.safetensors": b"x" * 100})
    put("empty", {"README.md": b"# Empty"})
    bass = hub.files("tester/bass")
    config = json.loads(bass["config.json"])
    put("newer", {"config.json": config | {"format": 99}, "model.safetensors": b""})
    put("tampered", bass)
    size = len(bass["model.safetensors"])
    hub.tamper("tester/tampered", "model.safetensors", bytes(size))


def test_the_same_bytes_and_the_same_sound_after_the_journey(travelled):
    hub, (bass_at, band_at, sound, _, _), got = travelled

    assert got["sounds"] == [sound, sound] and got["sources"] == ["bass", "drums", "piano"]
    assert got["parts"] == ["piano", "bass", "drums", "bass"]
    assert got["card"] == {"license": "mit", "training": {"steps": 9}}
    up = hub.files("tester/bass")
    assert sorted(up) == ["README.md", "config.json", "model.safetensors", "pytorch_model.bin"]
    cache = f"{hub.home}/user/hub/models--tester--bass/snapshots/{bass_at.partition('@')[2]}"
    for name in ("config.json", "model.safetensors"):
        with open(f"{cache}/{name}", "rb") as file:
            assert file.read() == up[name]
    assert not os.path.exists(f"{cache}/pytorch_model.bin")
    half = hub.files("tester/drums", "v2")["model.safetensors"]
    assert len(half) < len(hub.files("tester/drums")["model.safetensors"])
    assert hub.store.repos["models", "tester/drums"].private


def test_a_separator_refers_to_priors_that_are_on_the_hub_and_unchanged(travelled):
    hub, (bass_at, _, sound, changed_sound, changed), _ = travelled

    places = json.loads(hub.files("tester/band")["config.json"])["priors"]
    assert places["bass"] == bass_at and places["drums"].startswith("tester/drums@")
    assert places["piano"] == "./priors/piano"
    assert "model.safetensors" not in hub.files("tester/band")
    assert bass_at in hub.files("tester/band")["README.md"].decode()
    assert "priors" not in json.loads(hub.files("tester/whole")["config.json"])
    places = json.loads(hub.files("tester/changed")["config.json"])["priors"]
    assert places["bass"] == "./priors/bass" and places["drums"].startswith("tester/drums@")
    assert changed_sound == changed != sound


def test_each_push_is_one_commit(travelled):
    hub, _, _ = travelled
    n_commits = {name: len(repo.commits) for (_, name), repo in hub.store.repos.items()}
    # The first of each is the Hub's own.
    assert n_commits["tester/bass"] == n_commits["tester/band"] == 2
    assert n_commits["tester/drums"] == 3


@pytest.mark.parametrize(
    "what, expected",
    [
        ("private", "NoRepository: .*tester/drums.*private.*token"),
        ("kind", "ValueError: .*must hold a GlowPrior, got a GenerativeSeparator in tester/whole"),
        ("asteroid", "ValueError: .*got a ConvTasNet in tester/convtasnet"),
        ("other", "ValueError: tester/other is not a prior or separator"),
        ("empty", "FileNotFoundError: tester/empty has no config.json"),
        ("newer", "ValueError: tester/newer has format 99.*upgrade"),
        ("none", "NoRepository: there is no folder or file exp/bass, and there is no repository"),
        ("part", "FileNotFoundError: tester/whole has no prior harp; its priors are bass, drums"),
        ("two", "ValueError: revision must be that of tester/bass@main"),
        ("offline", "NotCached: .*tester/newer2 is not in the cache"),
        ("tampered", "ValueError: model.safetensors of tester/tampered.* tampered"),
    ],
)
def test_what_the_user_is_told(travelled, what, expected):
    text = travelled[2]["errors"][what]
    assert re.match(expected, text), text
    assert "\n" not in text
