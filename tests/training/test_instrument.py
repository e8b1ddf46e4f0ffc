"""An instrument is added in a given time, at the sizes of those it joins."""

import time
from dataclasses import replace

import pytest
import torch
from conftest import tiny_prior
from solo_folders import RATE, write_solos

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.cli import main
from asteroid_instglow.data import list_sources
from asteroid_instglow.data.bundled import bundled_solos
from asteroid_instglow.training import EncoderOptions, train_encoder, train_instrument
from asteroid_instglow.training.instrument import default_init, sizes_of
from asteroid_instglow.training.pace import steps_that_fit
from asteroid_instglow.training.system import TrainingSystem

COMMON = {"progress": False, "accelerator": "cpu"}
ENCODER = {"segment": 0.6, "batch_size": 2, "validation_items": 4}


@pytest.fixture
def hum(tmp_path):
    """A prior with an encoder, to start from."""
    prior = tiny_prior("hum", sample_rate=RATE)
    prior.add_encoder({"width": 4, "heard": ["hum", "tone"]})
    return prior.save_pretrained(tmp_path / "hum")


@pytest.fixture
def solos(tmp_path):
    """A folder of nothing but the instrument's recordings."""
    return write_solos(tmp_path / "solos", n=3).joinpath("tone").rename(tmp_path / "tones")


def train(data, tmp_path, init, minutes=0.05, **options):
    options |= {"encoder": ENCODER, "flow": {"segment": 0.1, "batch_size": 2}, **COMMON}
    return train_instrument("strings", data, tmp_path / "strings", minutes, init, **options)


def test_it_joins_those_it_started_from(hum, solos, tmp_path):
    told = []
    answer = train(solos, tmp_path, hum, tell=told.append)
    assert answer["encoder"]["steps"] >= 1 and answer["flow"]["steps"] >= 1
    assert told[0].startswith("strings: 3 recordings against bass, drums, guitar, piano, vocals (b")
    prior = GlowPrior.from_pretrained(tmp_path / "strings")
    assert sizes_of(tmp_path / "strings") == sizes_of(hum)
    assert prior.encoder.heard == ["strings", "bass", "drums", "guitar", "piano", "vocals"]
    both = GenerativeSeparator.from_pretrained({"hum": hum, "strings": tmp_path / "strings"})
    assert both(torch.randn(1, RATE)).shape == (1, 2, RATE)
    again = train(solos, tmp_path, hum)
    # It goes on where the time was over, if the machine was slower than measured.
    before = answer["encoder"]["history"]
    assert again["encoder"]["history"][: len(before)] == before
    assert again["encoder"]["arguments"] == answer["encoder"]["arguments"]


def test_other_instruments_of_the_folder_are_the_background(hum, solos, tmp_path):
    root = tmp_path / "both"
    root.mkdir()
    solos.rename(root / "strings")
    write_solos(root, n=2, seed=1)
    train(root, tmp_path, hum, 0.02)
    assert GlowPrior.from_pretrained(tmp_path / "strings").encoder.heard == ["strings", "tone"]


def test_the_command(hum, solos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["train", "strings", "--data", str(solos), "--init", str(hum), "--minutes", "0.02"]
    command += ["--quiet", "--accelerator", "cpu", "--segment", "0.1", "--batch-size", "2"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "(bundled solos)" in shown.err and "encoder: " in shown.out
    assert GlowPrior.from_pretrained(tmp_path / "priors" / "strings").encoder is not None
    assert main([*command, "--encoder-width", "4"]) == 2
    assert "--encoder-width cannot be chosen" in capsys.readouterr().err


class Slow(TrainingSystem):
    """Each step takes its time."""

    def loss_terms(self, batch):
        time.sleep(0.02)
        return self.model(batch).square().sum(), len(batch)


@pytest.mark.parametrize("minutes", [0.1, 0.2])
def test_steps_fill_the_time(tmp_path, minutes):
    def make():
        model = torch.nn.Linear(2, 2)
        loader = torch.utils.data.DataLoader(torch.randn(400, 2), batch_size=2)
        return Slow(model, torch.optim.SGD(model.parameters(), 0.1), loader, loader)

    options = replace(EncoderOptions(accelerator="cpu"), minutes=minutes)
    fitted = steps_that_fit(options, tmp_path, make, time.monotonic())
    seconds = 0.02 * (fitted.n_steps + 3 * fitted.val_batches)
    # A busy machine takes longer for a step.
    assert 0.1 * 60 * minutes < seconds < 60 * minutes
    assert fitted.time_limit <= minutes
    assert steps_that_fit(EncoderOptions(), tmp_path, make, 0.0) == EncoderOptions()


def test_what_ships():
    assert set(list_sources(bundled_solos())) == {"bass", "drums", "guitar", "piano", "vocals"}
    assert sizes_of(default_init())["sample_rate"] == 22050


@pytest.fixture
def strong_hum(tmp_path):
    """A prior with both encoders, to start from."""
    prior = tiny_prior("hum", sample_rate=RATE)
    prior.add_encoder({"width": 4, "heard": ["hum", "tone"]})
    sizes = {"width": 8, "depth": 1, "n_heads": 2, "hidden": 8}
    prior.add_encoder({"architecture": "band-split", **sizes}, strong=True)
    return prior.save_pretrained(tmp_path / "hum")


def test_it_joins_with_a_mask_on_the_strong_body(strong_hum, solos, tmp_path):
    answer = train(solos, tmp_path, strong_hum)
    assert answer["strong_encoder"]["steps"] >= 1 and answer["encoder"]["steps"] >= 1
    assert (tmp_path / "strings" / "strong_encoder.json").is_file()
    strings = GlowPrior.from_pretrained(tmp_path / "strings").strong_encoder
    hum = GlowPrior.from_pretrained(strong_hum).strong_encoder
    assert strings.has_body_of(hum)
    assert not torch.equal(strings.mask[0].weight, hum.mask[0].weight)
    assert strings.heard[0] == "strings"
    both = GenerativeSeparator.from_pretrained({"hum": strong_hum, "strings": tmp_path / "strings"})
    bodies = {id(prior.strong_encoder.time) for prior in both.priors}
    assert len(bodies) == 1  # held, and run, once
    assert both(torch.randn(1, RATE)).shape == (1, 2, RATE)


def test_a_strong_mask_needs_a_body(hum, solos, tmp_path):
    tiny_prior("strings", sample_rate=RATE).save_pretrained(tmp_path / "strings")
    for init, wanted in ((hum, "a strong encoder"), (None, "strong encoder, got None")):
        with pytest.raises(ValueError, match=f"init must .*{wanted}"):
            train_encoder(tmp_path / "strings", solos, ["bass"], init=init, strong=True)
