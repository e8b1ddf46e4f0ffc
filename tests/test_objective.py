import math

import torch
from conftest import tiny_prior
from torch.testing import assert_close

from asteroid_instglow import objective


def test_kl_is_zero_at_the_truth_and_positive_elsewhere():
    x = torch.rand(2, 5, 7, dtype=torch.float64) + 0.1
    assert_close(objective.kl_divergence(x, x), torch.zeros(2).double(), atol=1e-7, rtol=0)
    for other in (0.5 * x, 2 * x, x.flip(1)):
        assert (objective.kl_divergence(x, other) > 1e-3).all()


def test_kl_against_a_plain_sum():
    x, y = torch.rand(1, 3, 4).double() + 0.1, torch.rand(1, 3, 4).double() + 0.1
    expected = sum(a * (a / b).log() - a + b for a, b in zip(x.flatten(), y.flatten(), strict=True))
    assert_close(objective.kl_divergence(x, y)[0], expected / 12, atol=1e-6, rtol=0)
    # The sign of the sum does not matter, the padding row counts in the mean only.
    assert_close(objective.kl_divergence(x, -y, n_chan=4)[0], expected / 16, atol=1e-6, rtol=0)


def test_prior_terms_agree_with_log_prob():
    prior = tiny_prior().double()
    z = torch.randn(3, prior.n_chan, 8, dtype=torch.float64)
    x, ladj = prior.flow.inverse(z)
    n_dims = z[0].numel()
    full = 0.5 * z.square().sum((1, 2)) + ladj + 0.5 * math.log(2 * math.pi) * n_dims
    assert_close(objective.data_prior(z, ladj), full / n_dims)
    assert_close(objective.latent_prior(z), 0.5 * z.square().sum((1, 2)) / n_dims)
    # What it says of x is what the prior says of x (here with the decoded padding row in place).
    z_back, ladj_back = prior.flow(x)
    assert_close(objective.data_prior(z_back, -ladj_back), objective.data_prior(z, ladj))


def test_the_loss_is_the_sum_of_its_terms():
    mixture, sources = torch.rand(2, 3, 4), list(torch.rand(2, 2, 3, 4))
    latents, ladjs = list(torch.randn(2, 2, 4, 4)), list(torch.randn(2, 2))
    data = objective.kl_divergence(mixture, sum(sources), n_chan=4)
    loss = [objective.separation_loss(mixture, sources, latents, ladjs, w) for w in (0.0, 0.5)]
    assert_close(loss[0], data)
    assert_close(loss[1], data + 0.5 * sum(map(objective.latent_prior, latents)))
    loss = objective.separation_loss(mixture, sources, latents, ladjs, 0.5, "data")
    assert_close(loss, data + 0.5 * sum(map(objective.data_prior, latents, ladjs)))


def test_frame_gain_is_the_share_of_the_mixture():
    mixture = torch.tensor([[[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]])
    # The third row is padding, which the mixture has not.
    source = torch.tensor([[[3.0, 0.5, -0.5, 0.0], [1.0, 0.5, 0.0, 0.0], [1.0, 0.2, 0.1, 0.0]]])
    expected = torch.tensor([[[1.0, 0.6, -0.2, 0.0]]])
    assert_close(objective.frame_gain(source, mixture), expected)
