"""Affine coupling: half of the channels decide how the other half is shifted and scaled."""

import torch
from torch import nn

from .transform import Pair, Transform, at_least_float32


class AffineCoupling(Transform):
    r"""Shifts and scales the second half of the channels by functions of the first.

    .. math:: z_1 = x_1, \quad z_2 = m(x_1) + e^{s(x_1)} \odot x_2, \quad \log|\det J| = \sum s

    Args:
        conditioner (nn.Module): Network from n_chan / 2 channels to n_chan: first m, then s.
        sigmoid_scale (bool): Bounds the scale: ``s <- log(1e-6 + sigmoid(s + 2))``.

    References
        - [1] : "Density estimation using Real NVP", Dinh et al. 2017, sec. 3.2.
          https://arxiv.org/abs/1605.08803
    """

    def __init__(self, conditioner: nn.Module, sigmoid_scale: bool = False):
        super().__init__()
        if not isinstance(sigmoid_scale, bool):
            raise ValueError(f"sigmoid_scale must be True or False, got {sigmoid_scale!r}")
        self.conditioner = conditioner
        self.sigmoid_scale = sigmoid_scale

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        x1, x2 = x.chunk(2, 1)
        shift, log_scale = self._condition(x1, mask)
        z2 = torch.addcmul(shift, log_scale.exp(), x2)
        return _join(x1, z2, mask), _ladj(log_scale, mask)

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        z1, z2 = z.chunk(2, 1)
        shift, log_scale = self._condition(z1, mask)
        x2 = (z2 - shift) * (-log_scale).exp()
        return _join(z1, x2, mask), -_ladj(log_scale, mask)

    def _condition(self, x1: torch.Tensor, mask: torch.Tensor | None) -> Pair:
        out = at_least_float32(self.conditioner(x1, mask))
        shift, log_scale = out.chunk(2, 1)
        if self.sigmoid_scale:
            log_scale = torch.log(1e-6 + torch.sigmoid(log_scale + 2))
        return shift, log_scale


def _join(first: torch.Tensor, second: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return torch.cat([first, second if mask is None else second * mask], 1)


def _ladj(log_scale: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return (log_scale if mask is None else log_scale * mask).sum((1, 2))
