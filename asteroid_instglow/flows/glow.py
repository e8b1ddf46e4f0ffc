"""Glow on spectrogram frames: squeeze, then blocks of ActNorm, 1x1 convolution and coupling."""

import torch

from ..utils.checks import check_whole
from .coupling import AffineCoupling
from .layers import ActNorm, InvertibleConv1x1, Squeeze
from .transform import Compose, Pair, Transform
from .wavenet import WaveNet, check_sizes, count_parameters

MAX_PARAMETERS = 2**29


class Glow(Transform):
    r"""The decoder flow of Glow-TTS without text conditioning, as used by InstGlow.

    :math:`z = \mathrm{unsqueeze} \circ f_n \circ \dots \circ f_1 \circ \mathrm{squeeze}(x)` with
    :math:`f_i` = coupling after 1x1 convolution after ActNorm.

    Args:
        n_chan (int): Number of channels, the padding row included.
        n_blocks (int): Number of blocks.
        hidden (int): Number of channels in the conditioners.
        kernel_size (int): Kernel size of the conditioners, odd.
        n_layers (int): Number of gated convolutions in a conditioner.
        dilation_rate (int): Growth of the dilation from one gated convolution to the next.
        n_sqz (int): Number of frames squeezed into one.
        n_split (int): Number of channels mixed by a 1x1 convolution; even, divides n_chan * n_sqz.
        sigmoid_scale (bool): Bounds the scales of the couplings.
        dropout (float): Dropout probability in the conditioners.

    Shape:
        - Input, output: (batch, n_chan, n_frames); frames that do not fill a squeeze are dropped.

    Examples:
        >>> flow = Glow(34, n_blocks=2, hidden=16)
        >>> z, ladj = flow(torch.rand(1, 34, 40))
        >>> x, _ = flow.inverse(z)

    References
        - [1] : "Glow-TTS", Kim et al. 2020. https://arxiv.org/abs/2005.11129
    """

    def __init__(
        self,
        n_chan: int,
        n_blocks: int = 12,
        hidden: int = 128,
        kernel_size: int = 5,
        n_layers: int = 4,
        dilation_rate: int = 1,
        n_sqz: int = 2,
        n_split: int = 4,
        sigmoid_scale: bool = False,
        dropout: float = 0.05,
    ):
        super().__init__()
        check_whole("n_chan", n_chan, 1, 2**16)
        check_whole("n_blocks", n_blocks, 1, 256)
        self.squeeze = Squeeze(n_sqz, n_split)
        folded = n_chan * n_sqz
        if folded % n_split:
            raise ValueError(f"n_split must divide n_chan * n_sqz = {folded}, got {n_split}")
        sizes = (folded // 2, folded, hidden, kernel_size, n_layers, dilation_rate, dropout)
        check_sizes(*sizes)
        size = n_blocks * count_parameters(*sizes[:5])
        if size > MAX_PARAMETERS:
            raise ValueError(f"the sizes must give at most {MAX_PARAMETERS} parameters, got {size}")
        steps: list[Transform] = []
        for _ in range(n_blocks):
            coupling = AffineCoupling(WaveNet(*sizes), sigmoid_scale)
            steps += [ActNorm(folded), InvertibleConv1x1(n_split), coupling]
        self.steps = Compose(steps)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        x, mask = self.squeeze(x, mask)
        z, ladj = self.steps(x, mask)
        return self.squeeze.inverse(z, mask), ladj

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        z, mask = self.squeeze(z, mask)
        x, ladj = self.steps.inverse(z, mask)
        return self.squeeze.inverse(x, mask), ladj
