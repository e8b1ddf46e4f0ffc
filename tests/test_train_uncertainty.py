"""scripts/train_uncertainty.py from separations to weights, at a small size."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import tiny_prior
from safetensors.torch import load_file

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.uncertainty import detection, errors
from asteroid_instglow.uncertainty.evidence import N_BANDS, QUANTITIES

SCRIPT = Path(__file__).parents[1] / "scripts" / "train_uncertainty.py"
SHIPPED = Path(errors.__file__).parent / errors.WEIGHTS
RATE = 8000


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("train_uncertainty")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A separator; songs; and solos in a folder for each group, without piano."""
    root = tmp_path_factory.mktemp("uncertainty")
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    names = ("bass", "drums", "piano")
    priors = {n: tiny_prior(n, i, encoder=encoder) for i, n in enumerate(names)}
    GenerativeSeparator(priors).save_pretrained(root / "model")
    rng = np.random.default_rng(0)
    places = ["songs/one/bass", "songs/one/drums", "songs/two/bass", "songs/two/piano"]
    places += ["pool/low/bass/0", "pool/low/bass/1", "pool/hit/drums/0"]
    for place in places:
        path = root / f"{place}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(7 * RATE), RATE)
    return root


def run(script, monkeypatch, data, output, *args):
    pairs = [f"{data}/model={data}/{kind}" for kind in ("songs", "pool")]
    sizes = ["--mixtures", "4", "--alone", "5", "--seconds", "6", "--steps", "3"]
    argv = [str(SCRIPT), *pairs, "--cache", str(data / "cache"), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", [*argv, *sizes, *args])
    script.main()
    return load_file(output)


def test_it_writes_weights_of_the_shipped_kind(script, data, monkeypatch):
    found = run(script, monkeypatch, data, data / "weights.safetensors")
    shipped = load_file(SHIPPED)
    assert {k: x.shape for k, x in found.items()} == {k: x.shape for k, x in shipped.items()}
    assert all(x.isfinite().all() for x in found.values())
    songs, pool = sorted((data / "cache").iterdir(), key=lambda x: -len(list(x.glob("song-*"))))
    assert [len(list(x.glob("*.pt"))) for x in (songs, pool)] == [2 + 4 + 5, 4 + 5]
    for path in pool.glob("alone-*.pt"):
        item = torch.load(path, weights_only=True)
        assert (item["signal"].sum(1) > 0).tolist().count(True) == 1
        assert not item["signal"][2].any()

    # What was separated is not separated again; with --keep, only familiarity is fitted.
    monkeypatch.setattr("uncertainty_data.observe", None)
    again = run(script, monkeypatch, data, data / "b.safetensors", "--keep", str(SHIPPED))
    own = {k for k in shipped if not k.startswith(("detection.familiar", "detection.alone"))}
    assert all(torch.equal(again[k], shipped[k]) for k in own)
    assert all(torch.equal(again[k], found[k]) for k in set(found) - own)


def test_half_of_the_solos_are_harder_than_the_middle_one(script, monkeypatch):
    torch.manual_seed(0)
    items = []
    for i in range(60):
        n_src = 1 if i < 41 else 2
        signal = torch.zeros(2, 3)
        signal[:n_src] = 1
        powers = torch.rand(2, 7, 24, 30) * 10 ** (-3 * torch.rand(1))
        items.append({"signal": signal, "powers": powers, "strange": False})
    numbers = script.fit_familiarity(items)
    numbers = {name.removeprefix("detection."): x for name, x in numbers.items()}
    monkeypatch.setattr(detection, "detection_numbers", lambda: numbers)
    weight, bias = numbers["alone.weight"], numbers["alone.bias"]
    each = [detection.figures(item["powers"].mean(-1).sum(2)) for item in items[:41]]
    hard = sorted(float(x[: detection.N_ALONE] @ weight + bias) for x in each)
    assert hard[20] == pytest.approx(0, abs=1e-3)
    easiest = min(each, key=lambda x: float(x[: detection.N_ALONE] @ weight))
    assert detection.familiarity(easiest) > 0.5


def test_the_level_of_the_guesses_is_right(script):
    torch.manual_seed(0)
    model = errors.ErrorModel().requires_grad_(False)
    powers = torch.rand(2, len(QUANTITIES), N_BANDS, 40)
    items = [{"powers": powers, "error": 3 * model(powers)}]
    script.set_level(model, [items])
    torch.testing.assert_close(model(powers).sum(), items[0]["error"].sum(), rtol=1e-4, atol=0)
