"""Glow on spectrogram frames: squeeze, then blocks of ActNorm, 1x1 convolution and coupling."""

import torch

from ..utils.checks import check_between, check_whole
from .coupling import AffineCoupling
from .layers import ActNorm, InvertibleConv1x1, Squeeze
from .transform import Compose, Pair, Transform
from .wavenet import WaveNet

MAX_PARAMETERS = 2**29
MAX_REACH = 2**16  # frames


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
        for name, value, most in (
            ("n_chan", n_chan, 2**16),
            ("n_blocks", n_blocks, 256),
            ("hidden", hidden, 2**13),
            ("kernel_size", kernel_size, 255),
            ("n_layers", n_layers, 64),
            ("dilation_rate", dilation_rate, 16),
            ("n_sqz", n_sqz, 64),
            ("n_split", n_split, 64),
        ):
            check_whole(name, value, 1, most)
        if not isinstance(sigmoid_scale, bool):
            raise ValueError(f"sigmoid_scale must be True or False, got {sigmoid_scale!r}")
        check_between("dropout", dropout, 0, 1)
        folded = n_chan * n_sqz
        if n_split % 2 or folded % n_split:
            raise ValueError(
                f"n_split must be even and divide n_chan * n_sqz = {folded}, got {n_split}"
            )
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        reach = (kernel_size - 1) * dilation_rate ** (n_layers - 1)
        if reach > MAX_REACH:
            raise ValueError(f"dilation_rate and n_layers must be smaller: {reach} frames")
        per_layer = hidden * hidden * 2 * (kernel_size + 1)
        size = n_blocks * (folded * hidden * 3 // 2 + n_layers * per_layer)
        if size > MAX_PARAMETERS:
            raise ValueError(f"n_blocks, hidden, n_layers and n_chan ask for {size} parameters")
        self.squeeze = Squeeze(n_sqz, n_split)
        steps = []
        for _ in range(n_blocks):
            net = WaveNet(
                folded // 2, folded, hidden, kernel_size, n_layers, dilation_rate, dropout
            )
            steps += [ActNorm(folded), InvertibleConv1x1(n_split)]
            steps += [AffineCoupling(net, sigmoid_scale)]
        self.steps = Compose(steps)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        x, mask = self.squeeze(x, mask)
        z, ladj = self.steps(x, mask)
        return self.squeeze.inverse(z, mask), ladj

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        z, mask = self.squeeze(z, mask)
        x, ladj = self.steps.inverse(z, mask)
        return self.squeeze.inverse(x, mask), ladj
