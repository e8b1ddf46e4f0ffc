import numpy as np
import pytest
import torch
from conftest import tiny_prior
from torch.autograd.functional import jacobian
from torch.testing import assert_close

from asteroid_instglow import GlowPrior


@pytest.fixture(scope="module")
def golden(reference):
    folder = reference / "checkpoint_small"
    prior = GlowPrior.from_published(folder / "G_7.pth", folder / "config.json")
    expected = np.load(folder / "expected.npz")
    return prior, {name: torch.from_numpy(expected[name]) for name in expected}


def test_golden_latent(golden):
    prior, expected = golden
    z, ladj = prior.flow(expected["x"], expected["mask"])
    assert_close(z, expected["z"], atol=1e-4, rtol=0)
    assert_close(ladj, expected["logdet"], atol=1e-4, rtol=0)


def test_golden_inverse(golden):
    prior, expected = golden
    x, _ = prior.flow.inverse(expected["z"], expected["mask"])
    assert_close(x, expected["x_reconstructed"], atol=1e-4, rtol=0)
    x, ladj = prior.flow.inverse(expected["z_sample"], expected["mask"])
    assert_close(x, expected["x_from_z_sample"], atol=1e-4, rtol=0)
    assert_close(ladj, expected["logdet_reverse"], atol=1e-4, rtol=0)


def test_golden_nll(golden):
    """The golden batch has noise in the padding row: what the prior pads is put there."""
    prior, expected = golden
    prior._pad = lambda magnitude: magnitude
    try:
        nll = prior(expected["x"], expected["lengths"])
    finally:
        del prior._pad
    assert_close(nll, expected["nll"], atol=1e-4, rtol=0)


def test_log_prob_is_the_change_of_variables():
    prior = tiny_prior(n_fft=6, hop_length=3, n_split=2).double()
    x = torch.rand(1, prior.n_freq, 4, dtype=torch.float64)
    padded = prior._pad(x)
    z = prior.flow(padded)[0]
    jac = jacobian(lambda v: prior.flow(v[None])[0], padded[0]).reshape(z.numel(), -1)
    normal = torch.distributions.Normal(0.0, 1.0)
    expected = normal.log_prob(z).sum() + torch.linalg.slogdet(jac).logabsdet
    assert_close(prior.log_prob(x)[0], expected)
    assert_close(prior(x), -expected / padded.numel())


def test_lengths_hide_the_padding_of_a_batch():
    prior = tiny_prior()
    x = torch.rand(2, prior.n_freq, 20)
    lengths = torch.tensor([20, 13])
    both = prior.log_prob(x, lengths)
    assert_close(both[1], prior.log_prob(x[1:, :, :12])[0])
    changed = x.clone()
    changed[1, :, 13:] = 7
    assert_close(prior.log_prob(changed, lengths), both)
    assert prior.n_dims(x, lengths).tolist() == [20 * prior.n_chan, 12 * prior.n_chan]


def test_encode_decode_and_resynthesis():
    prior = tiny_prior()
    x = torch.rand(2, prior.n_freq, 10)
    assert_close(prior.decode(prior.encode(x)), x, atol=1e-5, rtol=0)
    wav = torch.randn(2, 1, 801)
    assert_close(prior.forward_wav(wav), wav, atol=1e-4, rtol=0)


def test_sample_is_seeded_and_not_negative():
    prior = tiny_prior()
    draws = [prior.sample(9, n=3, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert draws[0].shape == (3, prior.n_freq, 9)
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert draws[0].min() >= 0
    cold = prior.sample(9, temperature=0.0, generator=torch.Generator().manual_seed(0))
    assert_close(cold, prior.decode(torch.zeros(1, prior.n_chan, 10))[..., :9].clamp_min(0))


def test_model_args_rebuild_the_model():
    prior = tiny_prior("guitar", n_split=2, sigmoid_scale=True)
    again = GlowPrior(**prior.get_model_args())
    again.load_state_dict(prior.state_dict())
    x = torch.rand(1, prior.n_freq, 6)
    assert torch.equal(again.eval().log_prob(x), prior.log_prob(x))
    assert again.source == "guitar"


@pytest.mark.parametrize(
    "name, value",
    [("n_blocks", 10**9), ("n_fft", 2**40), ("n_fft", 3), ("hop_length", 0), ("hop_length", 33)]
    + [("sample_rate", value) for value in (0, -1, float("nan"), 1e9, 1.5, "8000")],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        tiny_prior(**{name: value})


def test_bad_samples_are_refused():
    prior = tiny_prior()
    for name, value in (("n_frames", 0), ("n", 0), ("temperature", float("nan"))):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            prior.sample(**{"n_frames": 4, name: value})


def test_wrong_shape_is_named():
    prior = tiny_prior()
    with pytest.raises(ValueError, match=r"n_freq=33.*got \(1, 5, 6\)"):
        prior.log_prob(torch.rand(1, 5, 6))
    with pytest.raises(ValueError, match="at least n_sqz = 2 frames, got 1"):
        prior.log_prob(torch.rand(1, 33, 1))


def test_a_frozen_prior_is_the_same_density():
    prior = tiny_prior()
    x, modules = torch.rand(2, 33, 10), dict(prior.named_modules())
    frozen = prior.frozen()
    torch.testing.assert_close(frozen.log_prob(x), prior.log_prob(x))
    torch.testing.assert_close(frozen.decode(frozen.encode(x)), x, atol=1e-4, rtol=1e-4)
    assert dict(prior.named_modules()) == modules
    assert prior.log_prob(x).requires_grad and not frozen.log_prob(x).requires_grad
