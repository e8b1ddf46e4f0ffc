"""Saving and loading: layouts, names, cards, damage, and that nothing loaded is run."""

import json

import asteroid.models
import pytest
import torch
from conftest import tiny_prior
from safetensors.torch import load_file
from saved_models import edit, files, same_weights
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, GlowPrior, JointEncoder
from asteroid_instglow.weights import config
from asteroid_instglow.weights.base import load_model
from asteroid_instglow.weights.card import Card
from asteroid_instglow.weights.folder import write_model

ARGS = {"n_blocks": 1, "hidden": 4, "n_fft": 64, "hop_length": 16, "sample_rate": 8000}


def test_a_separator_comes_back_whole_and_each_prior_alone(separator, tmp_path):
    card = {"license": "mit", "training": {"steps": 3}}
    separator.priors[1].card = Card(license="cc0-1.0")
    separator.save_pretrained(tmp_path / "s", card=card)

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
    assert part.card.license == "cc0-1.0" and part.license == "cc0-1.0"
    with pytest.raises(FileNotFoundError, match="no prior harp; its priors are bass, e piano"):
        GlowPrior.from_pretrained(tmp_path / "s" / "priors" / "harp")


def with_encoders():
    """A separator whose encoders have one body and a mask each."""
    joint = JointEncoder(["bass", "drums"], 8000, {"width": 32, "n_fft": 64, "hop_length": 16})
    priors = {name: tiny_prior(name, n_blocks=1) for name in joint.sources}
    for name, prior in priors.items():
        prior.add_encoder(joint.encoder_of(name))
    return GenerativeSeparator(priors).eval()


def test_equal_tensors_are_stored_once_and_shared_when_loaded(tmp_path):
    separator = with_encoders()
    sizes = []
    for names in (["bass"], ["bass", "drums"]):
        separator.subset(names).save_pretrained(tmp_path / f"{len(names)}")
        sizes.append((tmp_path / f"{len(names)}" / "model.safetensors").stat().st_size)
    body = sum(
        4 * v.numel()
        for k, v in separator.priors[0].encoder.state_dict().items()
        if "mask" not in k
    )
    assert sizes[1] < 2 * sizes[0] - 0.9 * body

    loaded = GenerativeSeparator.from_pretrained(tmp_path / "2")
    # Saved again, it is the same file, whose layout is that of safetensors.
    content = (tmp_path / "2" / "model.safetensors").read_bytes()
    for _ in range(3):
        loaded.save_pretrained(tmp_path / "again")
        assert (tmp_path / "again" / "model.safetensors").read_bytes() == content
    assert int.from_bytes(content[:8], "little") % 8 == 0
    assert load_file(tmp_path / "2" / "model.safetensors").keys() < separator.state_dict().keys()
    first, second = (prior.encoder for prior in loaded.priors)
    assert same_weights(loaded, separator)
    assert first.lstm is second.lstm and first.mask is not second.mask
    alone = GlowPrior.from_pretrained(f"{tmp_path}/2/priors/drums")
    assert same_weights(alone, separator.priors[1])


def test_a_folder_of_the_first_format_with_priors_of_their_own_loads(tmp_path):
    separator, folder = with_encoders(), tmp_path / "s"
    args = separator.get_model_args()
    priors = dict(zip(args.pop("priors"), separator.priors))
    for name, prior in priors.items():
        (folder / "priors" / name).mkdir(parents=True)
        part = {"model_name": "GlowPrior", "model_args": prior.get_model_args(), "format": 1}
        write_model(folder / "priors" / name, part, prior.state_dict())
    places = {name: f"./priors/{name}" for name in priors}
    config = {"format": 1, "model_name": "GenerativeSeparator", "model_args": args}
    (folder / "config.json").write_text(json.dumps({**config, "priors": places}))

    assert same_weights(GenerativeSeparator.from_pretrained(folder), separator)
    assert same_weights(GlowPrior.from_pretrained(folder / "priors/drums"), separator.priors[1])
    assert same_weights(GlowPrior.from_pretrained(f"{folder}/priors/drums"), separator.priors[1])
    separator.save_pretrained(folder)
    assert files(folder) == ["config.json", "model.safetensors"]


def test_licences_travel_and_a_non_commercial_one_is_told(prior, tmp_path, caplog):
    prior.save_pretrained(tmp_path / "a", card={"license": "cc-by-nc-sa-4.0"})
    (tmp_path / "a" / "LICENSE.txt").write_text("Not for sale.")
    loaded = GlowPrior.from_pretrained(tmp_path / "a")
    (record,) = caplog.records
    assert "licence of these weights is cc-by-nc-sa-4.0" in record.getMessage()
    loaded.save_pretrained(tmp_path / "b")
    assert (tmp_path / "b" / "LICENSE.txt").read_text() == "Not for sale."
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    assert config["license"] == "cc-by-nc-sa-4.0"
    free = tiny_prior("drums", n_blocks=1)
    free.license = "mit"
    separator = GenerativeSeparator({"bass": loaded, "drums": free})
    separator.save_pretrained(tmp_path / "s")
    again = GenerativeSeparator.from_pretrained(tmp_path / "s").subset(["bass"])
    again.save_pretrained(tmp_path / "subset")
    for name, its in (("s", "cc-by-nc-sa-4.0 and mit"), ("subset", "cc-by-nc-sa-4.0")):
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert config["license"] == its
        assert (tmp_path / name / "LICENSE.txt").is_file()
    caplog.clear()
    for name in ("mit", "cc-by-sa-4.0", "nvidia-open-model-license"):
        edit(tmp_path / "b", license=name)
        assert GlowPrior.from_pretrained(tmp_path / "b").license == name
    assert not caplog.records


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
    with pytest.raises(FileNotFoundError, match="path or a name, got ''"):
        GlowPrior.from_pretrained("")
    # Arguments alone would make a prior that was never trained.
    with pytest.raises(ValueError, match="must have model_name, model_args, state_dict"):
        GenerativeSeparator.from_pretrained({"x": ARGS})


def test_what_ships_with_the_package(separator, prior, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "SHIPPED", tmp_path / "shipped")
    separator.save_pretrained(tmp_path / "shipped" / "band")
    (tmp_path / "cwd" / "band").mkdir(parents=True)  # a data set, say
    monkeypatch.chdir(tmp_path / "cwd")

    assert same_weights(GenerativeSeparator.from_pretrained("band"), separator)
    part = GlowPrior.from_pretrained("band/priors/e piano")
    assert same_weights(part, separator.priors[1])
    with pytest.raises(FileNotFoundError, match="no folder or file band2; did you mean band"):
        GlowPrior.from_pretrained("band2")
    with pytest.raises(FileNotFoundError, match="no config.json"):
        GlowPrior.from_pretrained("./band")
    with pytest.raises(ValueError, match="revision is for the Hub"):
        GlowPrior.from_pretrained("band", revision="v1")
    prior.save_pretrained("band")
    assert same_weights(GlowPrior.from_pretrained("band"), prior)
