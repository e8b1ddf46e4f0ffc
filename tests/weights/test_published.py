"""Checkpoints of the published implementation, made here from a prior of ours, and a real one."""

import pytest
import torch
from conftest import tiny_prior
from published_form import published
from torch.testing import assert_close

from asteroid_instglow import GlowPrior
from asteroid_instglow.weights.published import published_config

PRIOR = {"n_blocks": 3, "hidden": 6, "n_fft": 64, "hop_length": 16}


@pytest.fixture
def prior():
    return tiny_prior("vocals", 3, **PRIOR)


def same(prior, other):
    a, b = prior.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    for name in a:
        assert_close(a[name], b[name], rtol=0, atol=0)


def test_there_and_back(prior):
    checkpoint, config = published(prior)

    loaded = GlowPrior.from_published(checkpoint, config, "vocals")
    same(loaded, prior)
    assert loaded.get_model_args() == prior.get_model_args()
    assert not loaded.training


@pytest.mark.parametrize("head", ["module.", "model.", "module.model.", "model.module."])
def test_prefixes_of_wrappers(prior, head):
    checkpoint, config = published(prior)
    checkpoint["model"] = {head + name: value for name, value in checkpoint["model"].items()}

    same(GlowPrior.from_published(checkpoint, config, "vocals"), prior)


def test_half_precision_and_unused_tensors(prior):
    checkpoint, config = published(prior)
    tensors = {name: value.half() for name, value in checkpoint["model"].items()}
    tensors["decoder.flows.2.wn.cond_layer.weight_v"] = torch.zeros(12, 256, 1)
    loaded = GlowPrior.from_published({"model": tensors}, config)

    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for name, value in loaded.state_dict().items():
        assert_close(value, prior.state_dict()[name], rtol=1e-3, atol=1e-6)


def test_every_wrong_tensor_is_named(prior):
    checkpoint, config = published(prior)
    tensors = checkpoint["model"]
    del tensors["decoder.flows.0.logs"]
    del tensors["decoder.flows.5.wn.in_layers.0.weight_g"]
    tensors["decoder.flows.4.weight"] = torch.eye(3)
    tensors["encoder.weight"] = torch.zeros(1)

    with pytest.raises(ValueError) as caught:
        GlowPrior.from_published(checkpoint, config)
    for message in (
        "decoder.flows.0.logs is missing",
        "decoder.flows.5.wn.in_layers.0.weight_g is missing",
        "decoder.flows.4.weight must be (4, 4), got (3, 3)",
        "encoder.weight is unexpected",
    ):
        assert message in str(caught.value)
    assert str(caught.value).count(";") == 3


def test_a_config_that_does_not_fit(prior):
    checkpoint, config = published(prior)
    for section, name, value, message in (
        ("data", "win_length", 32, "win_length must equal filter_length 64, got 32"),
        ("data", "n_ipt_channels", 80, "n_ipt_channels must be 34"),
        ("model", "n_blocks_dec", 4, "decoder.flows.9.* is missing"),
        ("model", "n_blocks_dec", 2, "decoder.flows.8.* is unexpected"),
    ):
        changed = {**config, section: {**config[section], name: value}}
        with pytest.raises(ValueError, match=message):
            GlowPrior.from_published(checkpoint, changed)
    with pytest.raises(ValueError, match="sampling_rate"):
        published_config({"model": config["model"], "data": {}})
