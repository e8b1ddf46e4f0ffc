"""Wave-U-Net: a U-Net on samples."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .base import build_bounded, constructor_arguments
from .supervised import Supervised


class WaveUNet(Supervised):
    """U-Net of convolutions that halves the rate at each level, up again by linear interpolation.

    Its levels have ``width``, ``2 * width``, ... channels. The last source is the mixture minus the
    others ("difference output layer"), so the sources sum to the mixture. Unlike in [1], the
    convolutions are padded with zeros and do not read context around each piece: pieces are seconds
    long here, and crossfaded.

    Args:
        sources (list[str]): Names of the sources, at least two.
        sample_rate (int): Sample rate in Hz.
        depth (int): Number of levels.
        width (int): Number of channels that each level adds.
        down_size (int): Kernel size on the way down, odd.
        up_size (int): Kernel size on the way up, odd.

    References
        - [1] : "Wave-U-Net: A Multi-Scale Neural Network for End-to-End Audio Source Separation",
          Stoller, Ewert & Dixon 2018. https://arxiv.org/abs/1806.03185
    """

    defaults = {"n_steps": 100_000, "batch_size": 16, "segment": 6.0, "lr": 1e-4}
    loss_name = "mse"
    sums_up = True
    sizes = {"depth": 20, "width": 2**10, "down_size": 255, "up_size": 255}

    def __init__(
        self,
        sources: list[str],
        sample_rate: int = 22050,
        depth: int = 12,
        width: int = 24,
        down_size: int = 15,
        up_size: int = 5,
    ):
        super().__init__(constructor_arguments(locals()))
        if len(sources) < 2:
            raise ValueError(f"sources must be two or more, got {list(sources)}")
        if not down_size % 2 or not up_size % 2:
            raise ValueError(f"down_size, up_size must be odd, got {down_size} and {up_size}")
        chan = [width * (level + 1) for level in range(depth + 1)]
        down = [1, *chan[:-1]]

        def encoder() -> nn.ModuleList:
            return nn.ModuleList(_conv(down[i], chan[i], down_size) for i in range(depth))

        def decoder() -> nn.ModuleList:
            levels = reversed(range(depth))
            return nn.ModuleList(_conv(chan[i + 1] + chan[i], chan[i], up_size) for i in levels)

        self.down: Any = build_bounded(encoder)
        self.middle = build_bounded(lambda: _conv(chan[-2], chan[-1], down_size))
        self.up: Any = build_bounded(decoder)
        self.last = nn.Conv1d(width + 1, len(sources) - 1, 1)

    def estimate(self, mixture: torch.Tensor) -> torch.Tensor:  # noqa: D102
        n = mixture.shape[-1]
        # An odd length at every level, so that the last sample is kept.
        mixture = F.pad(mixture, (0, (1 - n) % 2 ** len(self.down)))
        h, skips = mixture[:, None], []
        for conv in self.down:
            skips.append(conv(h))
            h = skips[-1][..., ::2]
        h = self.middle(h)
        for conv in self.up:
            skip = skips.pop()
            h = F.interpolate(h, skip.shape[-1], mode="linear", align_corners=True)
            h = conv(torch.cat([h, skip], 1))
        out = torch.tanh(self.last(torch.cat([h, mixture[:, None]], 1)))
        return torch.cat([out, mixture[:, None] - out.sum(1, keepdim=True)], 1)[..., :n]


def _conv(n_in: int, n_out: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(n_in, n_out, size, padding=size // 2), nn.LeakyReLU(0.2))
