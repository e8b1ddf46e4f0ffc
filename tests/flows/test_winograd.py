"""Convolutions as products of plain matrices, against PyTorch's."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from asteroid_instglow.flows.winograd import Windows, Winograd, frozen_convolution

CASES = {
    "published": (5, 1, torch.float64, Winograd),
    "kernel 3": (3, 1, torch.float64, Winograd),
    "one frame": (1, 1, torch.float64, Windows),
    "wide": (7, 1, torch.float64, Windows),
    "dilated": (5, 2, torch.float64, Windows),
    "half": (5, 1, torch.bfloat16, Windows),
}


def convolution(kernel, dilation=1, dtype=torch.float64, chan=(3, 6)):
    torch.manual_seed(0)
    padding = (kernel - 1) * dilation // 2
    return nn.Conv1d(*chan, kernel, padding=padding, dilation=dilation, dtype=dtype)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n_frames", [1, 4, 7, 16])
@torch.no_grad()
def test_value_and_gradient(name, n_frames):
    kernel, dilation, dtype, kind = CASES[name]
    conv, batch = convolution(kernel, dilation, dtype), 2
    frozen = frozen_convolution(conv, dtype)
    assert isinstance(frozen, kind)

    def rows(x):  # (batch, chan, n_frames) -> (batch * n_frames, chan)
        return x.transpose(1, 2).reshape(batch * n_frames, -1)

    x = torch.randn(batch, 3, n_frames, dtype=dtype)
    grad = torch.randn(batch, 6, n_frames, dtype=dtype)
    with torch.enable_grad():
        out = conv(x.requires_grad_())
        expected = torch.autograd.grad(out, x, grad)[0]
    close = {"atol": 0.05, "rtol": 0.02} if dtype == torch.bfloat16 else {}
    assert_close(frozen(rows(x), batch), rows(out), **close)
    assert_close(frozen.gradient(rows(grad), batch), rows(expected), **close)


@torch.no_grad()
def test_float32_stays_near_double():
    # At the published size: 5e-7 of the largest value in windows, some 3e-6 here.
    conv = convolution(5, chan=(128, 256))
    x = torch.randn(345, 128, dtype=torch.float64)
    exact = Winograd(conv, torch.float64)(x, 1)
    error = (Winograd(conv, torch.float32)(x.float(), 1) - exact).abs().max()
    assert error < 1e-5 * exact.abs().max()
