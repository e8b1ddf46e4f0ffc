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


def test_priors_agree_with_log_prob():
    prior = tiny_prior().double()
    z = torch.randn(3, prior.n_chan, 8, dtype=torch.float64)
    x, ladj = prior.flow.inverse(z)
    full = 0.5 * z.square().sum((1, 2)) + ladj
    n_dims = z[0].numel()
    constant = 0.5 * torch.log(torch.tensor(2 * torch.pi, dtype=torch.float64))
    assert_close(objective.data_prior(z, ladj), full / n_dims + constant)
    assert_close(objective.latent_prior(z), 0.5 * z.square().sum((1, 2)) / n_dims)
    # What it says of x is what the prior says of x (here with the decoded padding row in place).
    z_back, ladj_back = prior.flow(x)
    assert_close(objective.data_prior(z_back, -ladj_back), objective.data_prior(z, ladj))


def test_frame_gain_limits_a_frame_to_the_mixture():
    mixture = torch.tensor([[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]])
    source = torch.tensor([[[3.0, 0.5, 0.0], [1.0, 0.5, 0.0]]])
    # Published: the source's sum over the larger of both sums.
    assert objective.frame_gain(source, mixture).tolist() == [[[1.0, 0.5, 0.0]]]
