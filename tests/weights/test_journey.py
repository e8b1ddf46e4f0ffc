"""Whole models on their way to the Hub and back, in processes of author and user."""

import json
import re

import pytest
import torch
from hub_server import HubServer, run_client

ARGS = {"n_blocks": 1, "hidden": 4, "n_fft": 64, "hop_length": 16, "sample_rate": 8000}
MAKE = f"""
import json, hashlib, torch
from pathlib import Path
from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.weights.card import Card

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
bass, drums = (make(name, i) for i, name in enumerate(["bass", "drums"]))
bass.card = Card(license="mit", training={"steps": 9})
bass_at = bass.push_to_hub("tester/bass")
drums.push_to_hub("tester/drums", private=True)
drums.push_to_hub("tester/drums", revision="v2", half=True)
separator = GenerativeSeparator({"bass": bass, "drums": drums}, n_iter=2).eval()
separator.push_to_hub("tester/band")
print(json.dumps([bass_at, sound(separator)]))
""",
            token=hub.token,
        )
        put_oddities(hub)
        got = run_client(
            hub,
            MAKE
            + f"""
token = {hub.token!r}
load = lambda name, **args: said(lambda: GlowPrior.from_pretrained(name, **args).source)
band = GenerativeSeparator.from_pretrained("tester/band")
print(json.dumps({{
    "sound": sound(band),
    "card": band.priors[0].card.to_dict(),
    "parts": [load("tester/band/priors/drums"), load("tester/drums@v2", token=token),
              load({sent[0]!r}), load("tester/plain")],
    "errors": {{
        "private": load("tester/drums"),
        "kind": load("tester/band"),
        "asteroid": load("tester/convtasnet"),
        "other": load("tester/other"),
        "empty": load("tester/empty"),
        "newer": load("tester/newer"),
        "none": load("exp/bass"),
        "part": load("tester/band/priors/harp"),
        "two": load("tester/bass@main", revision="v1"),
        "offline": load("tester/newer2", local_files_only=True),
        "tampered": load("tester/tampered"),
    }},
}}))
""",
            env={"HF_HOME": hub.home + "/user"},
        )
        yield hub, sent, got


def put_oddities(hub):
    """Repositories that hold no folder of ours."""
    bass = hub.files("tester/bass")
    hub.put("tester/plain", {"pytorch_model.bin": bass["pytorch_model.bin"]})
    torch.save({"model_name": "ConvTasNet", "model_args": {}, "state_dict": {}}, hub.home + "/c")
    with open(hub.home + "/c", "rb") as file:
        hub.put("tester/convtasnet", {"pytorch_model.bin": file.read()})
    other = b'{"model_type": "bert"}'
    hub.put("tester/other", {"config.json": other, "model.safetensors": b"x" * 100})
    hub.put("tester/empty", {"README.md": b"# Empty"})
    newer = json.dumps(json.loads(bass["config.json"]) | {"format": 99}).encode()
    hub.put("tester/newer", {"config.json": newer, "model.safetensors": b""})
    hub.put("tester/tampered", bass)
    name = "model.safetensors"
    hub.tampered["tester/tampered", name] = bytes(len(bass[name]))


def test_the_same_bytes_and_the_same_sound_after_the_journey(travelled):
    hub, (bass_at, sound), got = travelled

    assert got["sound"] == sound and got["parts"] == ["drums", "drums", "bass", "bass"]
    assert got["card"] == {"license": "mit", "training": {"steps": 9}}
    up = hub.files("tester/bass")
    assert sorted(up) == ["README.md", "config.json", "model.safetensors", "pytorch_model.bin"]
    half = hub.files("tester/drums", "v2")["model.safetensors"]
    assert len(half) < len(hub.files("tester/drums")["model.safetensors"])
    assert hub.repos["tester/drums"].private
    # The first commit of each is the Hub's own.
    assert len(hub.repos["tester/bass"].commits) == len(hub.repos["tester/band"].commits) == 2
    assert bass_at == f"tester/bass@{hub.repos['tester/bass'].branches['main']}"


@pytest.mark.parametrize(
    "what, expected",
    [
        ("private", "NoRepository: .*tester/drums.*private.*token"),
        ("kind", "ValueError: .*must hold a GlowPrior, got a GenerativeSeparator in tester/band"),
        ("asteroid", "ValueError: .*got a ConvTasNet in tester/convtasnet"),
        ("other", "ValueError: tester/other is not a prior or separator"),
        ("empty", "FileNotFoundError: tester/empty.* has no config.json"),
        ("newer", "ValueError: tester/newer has format 99.*upgrade"),
        ("none", "NoRepository: there is no folder or file exp/bass, and there is no repository"),
        ("part", "FileNotFoundError: tester/band has no prior harp; its priors are bass, drums"),
        ("two", "ValueError: revision must be that of tester/bass@main"),
        ("offline", "NotCached: .*tester/newer2 is not in the cache"),
        ("tampered", "ValueError: tester/tampered: model.safetensors is damaged.*hashes differ"),
    ],
)
def test_what_the_user_is_told(travelled, what, expected):
    text = travelled[2]["errors"][what]
    assert re.match(expected, text), text
    assert "\n" not in text
