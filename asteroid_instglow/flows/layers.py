"""Squeeze, ActNorm and the invertible 1x1 convolution of Glow."""

import torch
from torch import nn
from torch.distributed import all_reduce, is_available, is_initialized

from ..utils.checks import check_whole
from .transform import Pair, Transform, at_least_float32, count_frames


class Squeeze(nn.Module):
    r"""Folds neighbouring frames and neighbouring bins into channels: (c, n t) -> (n c, t).

    The published flow stacks ``n_sqz`` frames, frame index outermost, and regroups the channels in
    every 1x1 convolution: it views them as (2, c / n_split, n_split / 2) and mixes the outer and
    the inner axis. This regrouping is a fixed permutation that keeps the two halves of the coupling
    apart, so it is done once, here: channels leave in the order (n_split, c / n_split), and the
    convolution mixes slices that are contiguous in memory. With the published ``n_sqz = 2`` and
    ``n_split = 4`` it mixes 2 frames x 2 bins.

    The volume does not change. Frames at the end that do not fill a squeeze are dropped.

    Args:
        n_sqz (int): Number of frames stacked into one.
        n_split (int): Number of channels mixed by one 1x1 convolution, even.

    Shape:
        - Input of :meth:`forward`: (batch, n_chan, n_frames).
        - Output: (batch, n_chan * n_sqz, n_frames // n_sqz).
    """

    def __init__(self, n_sqz: int = 2, n_split: int = 4):
        super().__init__()
        check_whole("n_sqz", n_sqz, 1, 64)
        check_whole("n_split", n_split, 2, 64)
        if n_split % 2:
            raise ValueError(f"n_split must be even, got {n_split}")
        self.n_sqz = n_sqz
        self.n_split = n_split

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Folds ``x`` and its mask; a folded frame is valid if its last frame is."""
        batch, n_chan, n_frames = x.shape
        t = n_frames // self.n_sqz
        x = x[..., : t * self.n_sqz].reshape(batch, n_chan, t, self.n_sqz)
        x = x.permute(0, 3, 1, 2).reshape(batch, n_chan * self.n_sqz, t)
        x = x[:, self.order(n_chan * self.n_sqz).to(x.device)]
        if mask is not None:
            mask = mask[..., self.n_sqz - 1 :: self.n_sqz].to(x.dtype)
            x = x * mask
        return x, mask

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Unfolds ``z``; ``mask`` is folded."""
        batch, n_chan, t = z.shape
        if mask is not None:
            z = z * mask
        z = z[:, self.order(n_chan).argsort().to(z.device)]
        z = z.reshape(batch, self.n_sqz, n_chan // self.n_sqz, t).permute(0, 2, 3, 1)
        return z.reshape(batch, n_chan // self.n_sqz, t * self.n_sqz)

    def order(self, n_chan: int) -> torch.Tensor:
        """Returns the place of each of the ``n_chan`` folded channels in the published order."""
        published = torch.arange(n_chan).view(2, n_chan // self.n_split, self.n_split // 2)
        return published.permute(0, 2, 1).reshape(-1)


class ActNorm(Transform):
    r"""Scales and shifts each channel; the first batch gets zero mean and unit variance.

    .. math:: z_t = b + e^{s} \odot x_t, \quad \log|\det J| = T \sum_c s_c

    The buffer ``initialised`` is saved with the weights. With several processes the statistics are
    those of the joint batch.

    Args:
        n_chan (int): Number of channels.

    References
        - [1] : "Glow", Kingma & Dhariwal 2018, sec. 3.1.
    """

    initialised: torch.Tensor

    def __init__(self, n_chan: int):
        super().__init__()
        check_whole("n_chan", n_chan, 1, 2**22)
        self.bias = nn.Parameter(torch.zeros(n_chan, 1))
        self.log_scale = nn.Parameter(torch.zeros(n_chan, 1))
        self.register_buffer("initialised", torch.tensor(False))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        if self.training and not self.initialised:
            self._initialise(x, mask)
        z = torch.addcmul(self.bias.to(x.dtype), self.log_scale.exp().to(x.dtype), x)
        ladj = count_frames(x, mask) * self.log_scale.sum().to(x.dtype)
        return (z if mask is None else z * mask), ladj

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        x = (z - self.bias.to(z.dtype)) * (-self.log_scale).exp().to(z.dtype)
        ladj = -count_frames(z, mask) * self.log_scale.sum().to(z.dtype)
        return (x if mask is None else x * mask), ladj

    @torch.no_grad()
    def _initialise(self, x: torch.Tensor, mask: torch.Tensor | None) -> None:
        mask = x.new_ones(len(x), 1, x.shape[-1]) if mask is None else mask.to(x.dtype)
        count = _sum_over_processes(mask.sum())
        mean = _sum_over_processes((x * mask).sum((0, 2))) / count
        square = ((x - mean[:, None]) ** 2 * mask).sum((0, 2))
        variance = (_sum_over_processes(square) / count).clamp_min(1e-6)
        self.log_scale.copy_(-0.5 * variance.log()[:, None])
        self.bias.copy_(-mean[:, None] * self.log_scale.exp())
        self.initialised.fill_(True)


class InvertibleConv1x1(Transform):
    r"""Mixes ``n_split`` channels at a time with one learned matrix.

    .. math:: z_{gt} = W x_{gt}, \quad \log|\det J| = T \frac{C}{n_{split}} \log|\det W|

    where group g holds the channels g, g + C / n_split, ... (see :class:`Squeeze`).

    Args:
        n_split (int): Number of channels in a group.

    References
        - [1] : "Glow", Kingma & Dhariwal 2018, sec. 3.2.
          https://arxiv.org/abs/1807.03039
        - [2] : "Glow-TTS", Kim et al. 2020, appendix A (mixing in groups).
    """

    def __init__(self, n_split: int = 4):
        super().__init__()
        check_whole("n_split", n_split, 1, 1024)
        weight = torch.linalg.qr(torch.randn(n_split, n_split))[0]
        if torch.linalg.det(weight) < 0:
            weight[:, 0] *= -1
        self.weight = nn.Parameter(weight)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        weight = at_least_float32(self.weight)
        return self._mix(weight, x), self._ladj(weight, x, mask)

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        weight = at_least_float32(self.weight)
        # In float64: the inverse is applied twelve times and 4 x 4 costs nothing.
        inverse = torch.linalg.inv(weight.double()).to(z.dtype)
        return self._mix(inverse, z), -self._ladj(weight, z, mask)

    def _mix(self, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            # One matrix product per item: three times as fast on the CPU as a batched product.
            groups = x.reshape(len(x), len(weight), -1)
            return torch.stack([weight.to(x.dtype) @ item for item in groups]).view_as(x)

    def _ladj(
        self, weight: torch.Tensor, x: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        # slogdet, not logdet: det W may turn negative in training.
        with torch.autocast(x.device.type, enabled=False):
            log_det = torch.linalg.slogdet(weight.to(x.dtype)).logabsdet
        return count_frames(x, mask) * log_det * (x.shape[1] // len(weight))


def _sum_over_processes(value: torch.Tensor) -> torch.Tensor:
    if is_available() and is_initialized():
        all_reduce(value)
    return value
