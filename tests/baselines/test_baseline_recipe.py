"""``run.sh --stage 2 --system NAME``: another system on a recipe's data."""

import json

import pytest
import torch
from dataset_folders import make_slakh
from recipe_copy import Recipe

from asteroid_instglow.baselines import load_baseline
from asteroid_instglow.recipes.systems import train_system

SET = "n_steps=2 model.n_fft=128 model.hop_length=32 model.n_atoms=2"


def test_other_systems_in_stage_2(tmp_path):
    recipe = Recipe("slakh", tmp_path, ("bass", "piano"))
    make_slakh(recipe.data)
    code, output = recipe.run("--stop_stage", "0")
    assert code == 0, output

    for system, options in (("nmf", ["--system_set", SET]), ("irm", [])):
        code, output = recipe.run("--stage", "2", "--system", system, *options)
        assert code == 0, output
    found = {}
    for system in ("nmf", "irm"):
        folder = recipe.exp / "systems" / system
        found[system] = json.loads((folder / "final_metrics.json").read_text())
        assert (folder / "estimates" / "Track01876" / "bass.flac").is_file()
    assert load_baseline(recipe.exp / "systems" / "nmf" / "model").sources == ["bass", "piano"]
    averages = [found[system]["sisec"]["average"]["SDR"] for system in ("nmf", "irm")]
    assert averages[0] < averages[1]

    code, output = recipe.run("--stage", "2", "--system", "irm", torch=False)
    assert code == 0 and "system-irm: done already" in output
    code, output = recipe.run("--system", "nmf", torch=False)
    assert code == 2 and "--stage 2 --system nmf" in output


def test_what_the_test_set_lacks_is_silent_for_an_oracle(tmp_path):
    from asteroid_instglow.recipes.testing import _truth

    mixture = torch.randn(2, 100)
    assert torch.equal(_truth(tmp_path, ["bass"], mixture), torch.zeros(1, 1, 2, 100))


def test_bad_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="argument=value"):
        train_system("nmf", tmp_path, tmp_path, ["bass"], 8000, "n_steps")
