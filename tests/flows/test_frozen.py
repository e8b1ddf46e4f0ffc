"""A frozen Glow against the Glow itself: values, log-determinants and gradients, both ways."""

import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.flows import FrozenGlow, Glow

FLOWS = {
    "published": {},
    "dilated": {"dilation_rate": 2, "n_layers": 3, "kernel_size": 3},
    "sigmoid": {"sigmoid_scale": True},
    "squeeze": {"n_sqz": 4, "n_split": 8, "n_layers": 1},
}


def perturbed(dtype=torch.float64, **args):
    torch.manual_seed(0)
    flow = Glow(18 if "n_sqz" not in args else 20, n_blocks=3, hidden=8, **args).to(dtype).eval()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return flow


def run(flow, way, x, weights=None):
    """Value, ladj, and the gradient of a random mixture of both."""
    x = x.clone().requires_grad_()
    y, ladj = getattr(flow, way)(x)
    torch.manual_seed(2)
    loss = (y * torch.randn_like(y)).sum() + (ladj * torch.randn_like(ladj)).sum()
    return y.detach(), ladj.detach(), torch.autograd.grad(loss, x)[0]


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("way", ["forward", "inverse"])
@pytest.mark.parametrize("n_frames", [13, 4])
def test_it_is_the_flow(name, way, n_frames):
    flow = perturbed(**FLOWS[name])
    torch.manual_seed(1)
    x = torch.randn(3, flow.steps.transforms[0].bias.numel() // flow.squeeze.n_sqz, n_frames)
    for got, expected in zip(run(FrozenGlow(flow), way, x.double()), run(flow, way, x.double())):
        assert_close(got, expected)


@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_half_precision_is_that_of_the_networks_alone(way):
    flow = perturbed(torch.float32)
    x = torch.randn(2, 18, 12)
    half = run(FrozenGlow(flow, torch.bfloat16), way, x)
    for got, expected in zip(half, run(flow, way, x)):
        assert got.dtype == torch.float32
        assert 0 < (got - expected).norm() < 0.02 * expected.norm()
    z, ladj = FrozenGlow(flow, torch.bfloat16)(x)
    # The networks see the same halves again, so that the inverse is as exact as it was.
    back, ladj_back = FrozenGlow(flow, torch.bfloat16).inverse(z)
    assert_close(back, x, atol=1e-3, rtol=0)
    assert_close(ladj_back, -ladj, atol=1e-2, rtol=0)


def test_the_input_and_the_flow_are_left_as_they_were():
    flow, x = perturbed(), torch.randn(1, 18, 12, dtype=torch.float64)
    before, state = x.clone(), {k: v.clone() for k, v in flow.state_dict().items()}
    frozen = FrozenGlow(flow)
    z, _ = frozen(x.requires_grad_())
    gradient = torch.ones_like(z)
    z.backward(gradient)
    assert torch.equal(x, before) and torch.equal(gradient, torch.ones_like(z))
    assert all(torch.equal(v, state[k]) for k, v in flow.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in flow.parameters())
    with torch.no_grad():
        flow.steps.transforms[1].weight.mul_(2)
    assert torch.equal(frozen(x)[0], z)


def test_a_second_backward_pass_and_a_mask_are_refused():
    frozen = FrozenGlow(perturbed())
    x = torch.randn(1, 18, 12, dtype=torch.float64, requires_grad=True)
    z, _ = frozen(x)
    z.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.sum().backward()
    with pytest.raises(ValueError, match="mask must be None"):
        frozen(x, torch.ones(1, 1, 12))
