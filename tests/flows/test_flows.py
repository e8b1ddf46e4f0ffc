"""Every transform against the autograd Jacobian in float64, with perturbed weights."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.linalg import slogdet
from torch.testing import assert_close

from asteroid_instglow.flows import (
    ActNorm,
    AffineCoupling,
    Compose,
    Glow,
    InvertibleConv1x1,
    Squeeze,
    WaveNet,
)

N_CHAN, N_FRAMES = 8, 6


def perturbed(module, seed=0):
    """In float64, no parameter at its first value: a zero-initialised coupling hides errors."""
    torch.manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module


def conditioner(n_chan=N_CHAN):
    return WaveNet(n_chan // 2, n_chan, hidden=6, kernel_size=3, n_layers=2)


TRANSFORMS = {
    "actnorm": lambda: ActNorm(N_CHAN),
    "conv1x1": lambda: InvertibleConv1x1(4),
    "coupling": lambda: AffineCoupling(conditioner()),
    "coupling_sigmoid": lambda: AffineCoupling(conditioner(), sigmoid_scale=True),
    "compose": lambda: Compose([ActNorm(N_CHAN), InvertibleConv1x1(2), InvertibleConv1x1(8)]),
    "glow": lambda: Glow(4, n_blocks=2, hidden=6, kernel_size=3, n_layers=2),
    "glow_sigmoid": lambda: Glow(4, n_blocks=2, hidden=6, n_layers=1, sigmoid_scale=True),
    "glow_dilated": lambda: Glow(4, n_blocks=2, hidden=6, dilation_rate=2, n_layers=2),
    "glow_no_squeeze": lambda: Glow(8, n_blocks=2, hidden=6, n_layers=1, n_sqz=1),
    "glow_squeeze_3": lambda: Glow(4, n_blocks=2, hidden=6, n_layers=1, n_sqz=3, n_split=2),
    "glow_split_8": lambda: Glow(8, n_blocks=2, hidden=6, n_layers=1, n_split=8),
}


@pytest.fixture(params=TRANSFORMS)
def transform(request):
    return perturbed(TRANSFORMS[request.param]())


def data(transform, batch=3, seed=1):
    n_chan = 4 if isinstance(transform, Glow) and transform.squeeze.n_sqz > 1 else N_CHAN
    if isinstance(transform, Glow) and transform.squeeze.n_split == 8:
        n_chan = 8
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, n_chan, N_FRAMES, dtype=torch.float64, generator=generator)


def test_inverse_and_jacobian(transform):
    x = data(transform)
    z, ladj = transform(x)
    x_back, ladj_back = transform.inverse(z)
    assert_close(x_back, x)
    assert_close(ladj_back, -ladj)  # not enough: both can be wrong
    for i in range(len(x)):
        jac = jacobian(lambda v: transform(v[None])[0], x[i]).reshape(x[i].numel(), -1)
        assert_close(ladj[i], slogdet(jac).logabsdet)


def test_not_the_identity(transform):
    x = data(transform)
    assert (transform(x)[0] - x).abs().mean() > 0.01


def test_batch_changes_nothing(transform):
    x = data(transform)
    z, ladj = transform(x)
    for i in range(len(x)):
        one, one_ladj = transform(x[i : i + 1])
        assert_close(one[0], z[i])
        assert_close(one_ladj[0], ladj[i])


def test_padding_a_batch_changes_nothing(transform):
    x = data(transform)
    n_frames = torch.tensor([N_FRAMES, N_FRAMES, N_FRAMES])
    pad = 6
    padded = torch.cat([x, torch.randn(len(x), x.shape[1], pad, dtype=x.dtype)], -1)
    mask = (torch.arange(N_FRAMES + pad) < n_frames[:, None]).double()[:, None]
    z, ladj = transform(x, torch.ones_like(x[:, :1]))
    z_padded, ladj_padded = transform(padded * mask, mask)
    assert_close(z_padded[..., :N_FRAMES], z)
    assert_close(ladj_padded, ladj)
    assert not z_padded[..., N_FRAMES:].any() or isinstance(transform, InvertibleConv1x1)
    x_back, ladj_back = transform.inverse(z_padded, mask)
    assert_close(x_back[..., :N_FRAMES], x)
    assert_close(ladj_back, -ladj)


def test_gradients_reach_every_parameter(transform):
    x = data(transform)
    z, ladj = transform(x)
    (z.pow(2).sum() - ladj.sum() + z.sum()).backward()
    for name, parameter in transform.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_state_dict_round_trip(transform):
    x = data(transform)
    state = {k: v.clone() for k, v in transform.state_dict().items()}
    before = transform(x)[0]
    perturbed(transform, seed=5)
    assert (transform(x)[0] - before).abs().max() > 1e-3
    transform.load_state_dict(state)
    assert torch.equal(transform(x)[0], before)


def test_negative_determinant_is_finite():
    conv = InvertibleConv1x1(4).double()
    with torch.no_grad():
        conv.weight.copy_(torch.diag(torch.tensor([-1.0, 2.0, 1.0, 1.0])))
    _, ladj = conv(torch.randn(1, 8, 5, dtype=torch.float64))
    assert_close(ladj, torch.full((1,), 5 * 2 * torch.tensor(2.0).log().item()).double())


def test_actnorm_initialises_once_on_valid_frames():
    layer = ActNorm(3).double()
    x = 4 + 2 * torch.randn(5, 3, 40, dtype=torch.float64)
    x[:, 1] *= 10
    mask = torch.ones(5, 1, 40, dtype=torch.float64)
    mask[0, :, 10:] = 0
    garbage = torch.where(mask.bool(), x, torch.full_like(x, 1e3))
    z, _ = layer.train()(garbage, mask)
    valid = z.movedim(1, 0)[:, mask[:, 0].bool()]
    assert_close(valid.mean(1), torch.zeros(3).double(), atol=1e-9, rtol=0)
    assert_close(valid.var(1, correction=0), torch.ones(3).double())
    bias = layer.bias.clone()
    layer(torch.randn(2, 3, 7, dtype=torch.float64))
    assert torch.equal(layer.bias, bias)
    copy = ActNorm(3).double()
    copy.load_state_dict(layer.state_dict())
    copy.train()(torch.randn(2, 3, 7, dtype=torch.float64))
    assert torch.equal(copy.bias, bias), "a loaded layer must not initialise again"


def test_actnorm_waits_for_training():
    layer = ActNorm(3).eval()
    layer(torch.randn(2, 3, 7))
    assert not layer.initialised and not layer.bias.any()


def test_glow_starts_as_a_volume_preserving_mixing():
    flow = Glow(4, n_blocks=2, hidden=6, n_layers=1)
    with torch.no_grad():
        z, ladj = flow.eval()(torch.randn(2, 4, 8))
    assert_close(ladj, torch.zeros(2), atol=1e-5, rtol=0)


def test_squeeze_takes_pairs_of_frames_and_of_bins():
    x = torch.arange(4 * 6.0).reshape(1, 4, 6)
    squeezed, mask = Squeeze(2, 4)(x, torch.ones(1, 1, 6))
    # A group of the 1x1 convolution: channels g, g + 2, g + 4, g + 6.
    assert squeezed[0, [0, 2, 4, 6], 0].tolist() == [x[0, c, t] for t in (0, 1) for c in (0, 1)]
    assert squeezed.shape == (1, 8, 3) and mask.shape == (1, 1, 3)
    assert torch.equal(Squeeze(2, 4).inverse(squeezed), x)


def test_odd_frame_is_dropped():
    flow = perturbed(TRANSFORMS["glow"]())
    x = torch.randn(2, 4, 7, dtype=torch.float64)
    assert_close(flow(x)[0], flow(x[..., :6])[0])


SIZES = ("n_blocks", "hidden", "kernel_size", "n_layers", "dilation_rate", "n_sqz", "n_split")
BAD = [(name, value) for name in SIZES for value in (0, -1, 10**9, 2.0, True, "4", None)]
BAD += [("n_split", 3), ("n_split", 16), ("kernel_size", 4), ("sigmoid_scale", 1)]
BAD += [("dropout", value) for value in (-0.1, 1.5, float("nan"), "x", True)]
ALONE = [
    (Squeeze, "n_sqz"),
    (Squeeze, "n_split"),
    (ActNorm, "n_chan"),
    (InvertibleConv1x1, "n_split"),
]
ALONE += [(WaveNet, name) for name in ("in_chan", "hidden", "kernel_size", "n_layers", "dropout")]


@pytest.mark.parametrize("name, value", BAD)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must "):
        Glow(4, **{name: value})


@pytest.mark.parametrize("cls, name", ALONE)
def test_bad_arguments_of_a_layer_are_named(cls, name):
    sizes = {"in_chan": 2, "out_chan": 4} if cls is WaveNet else {}
    for value in (0, -1, 10**9, "4", True, None) if name != "dropout" else (-1, 2, "4", True, None):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            cls(**{**sizes, name: value})


def test_sizes_out_of_proportion_are_refused_before_building():
    with pytest.raises(ValueError, match="at most .* parameters"):
        Glow(514, n_blocks=256, hidden=8192)
    with pytest.raises(ValueError, match="dilation_rate and n_layers must be smaller"):
        Glow(514, n_layers=64, dilation_rate=16)


def test_bfloat16_autocast_keeps_log_determinants_in_float32():
    torch.manual_seed(0)
    flow = perturbed(Glow(8, n_blocks=2, hidden=8, n_layers=1)).float()
    x = torch.randn(2, 8, 16)
    _, exact = flow(x)
    with torch.autocast("cpu", torch.bfloat16):
        z, ladj = flow(x)
    assert z.dtype == ladj.dtype == torch.float32
    assert_close(ladj, exact, rtol=0.05, atol=0.5)
