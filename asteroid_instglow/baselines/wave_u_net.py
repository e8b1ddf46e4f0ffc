"""Wave-U-Net: a U-Net on the samples themselves."""

import torch
import torch.nn.functional as F
from torch import nn

from .base import constructor_arguments
from .supervised import Supervised


class WaveUNet(Supervised):
    """Convolutions, every other sample dropped, and back up by linear interpolation.

    Levels of ``width``, ``2 * width``, ... channels; the last source is what the others leave of
    the mixture ("difference output layer"), so that they sum up. Differs from [1] in that the
    convolutions are padded with zeros instead of reading real context around each piece: pieces
    are seconds long here, and cross-faded.

    Args:
        sources (list[str]): Names; at least two.
        sample_rate (int): Hz.
        depth (int): Levels.
        width (int): Channels that each level has more than the one before.
        down_size (int): Kernel on the way down. up_size (int): Kernel on the way up.

    References
        - [1] : "Wave-U-Net: A Multi-Scale Neural Network for End-to-End Audio Source Separation",
          Stoller, Ewert & Dixon 2018. https://arxiv.org/abs/1806.03185
    """

    defaults = {"n_steps": 100_000, "batch_size": 16, "segment": 6.0, "lr": 1e-4}
    loss_name = "mse"
    sums_up = True

    def __init__(self, sources, sample_rate=22050, depth=12, width=24, down_size=15, up_size=5):
        super().__init__(constructor_arguments(locals()))
        if len(sources) < 2:
            raise ValueError(f"sources must be two or more, got {list(sources)}")
        chan = [width * (level + 1) for level in range(depth + 1)]
        down = [1, *chan[:-1]]
        self.down = nn.ModuleList(_conv(down[i], chan[i], down_size) for i in range(depth))
        self.middle = _conv(chan[-2], chan[-1], down_size)
        self.up = nn.ModuleList(
            _conv(chan[i + 1] + chan[i], chan[i], up_size) for i in reversed(range(depth))
        )
        self.last = nn.Conv1d(width + 1, len(sources) - 1, 1)

    def estimate(self, mixture):  # noqa: D102
        n = mixture.shape[-1]
        # Odd at every level, so that the samples that are kept include the last.
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


def _conv(n_in, n_out, size):
    return nn.Sequential(nn.Conv1d(n_in, n_out, size, padding=size // 2), nn.LeakyReLU(0.2))
