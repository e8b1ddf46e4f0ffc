"""Glow on spectrogram frames: squeeze, then blocks of ActNorm, 1x1 convolution and coupling."""

from .coupling import AffineCoupling
from .layers import ActNorm, InvertibleConv1x1, Squeeze
from .transform import Compose, Transform
from .wavenet import WaveNet


class Glow(Transform):
    r"""The flow of Glow-TTS's decoder, as used by InstGlow, without conditioning.

    :math:`z = \mathrm{unsqueeze} \circ f_n \circ \dots \circ f_1 \circ \mathrm{squeeze}(x)` with
    :math:`f_i` = coupling after 1x1 convolution after ActNorm.

    Args:
        n_chan (int): Channels (bins, padding row included); ``n_chan * n_sqz`` a multiple of
            ``2 * n_split`` or of 4 when ``n_split`` is 4.
        n_blocks (int): Number of blocks.
        hidden (int): Channels of the conditioners.
        kernel_size (int): Kernel of the conditioners, odd.
        n_layers (int): Gated convolutions a conditioner.
        dilation_rate (int): Dilation growth in the conditioners.
        n_sqz (int): Frames squeezed into one.
        n_split (int): Channels mixed by a 1x1 convolution, even.
        sigmoid_scale (bool): Bounded scales in the couplings.
        dropout (float): Dropout in the conditioners.

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
        n_chan,
        n_blocks=12,
        hidden=128,
        kernel_size=5,
        n_layers=4,
        dilation_rate=1,
        n_sqz=2,
        n_split=4,
        sigmoid_scale=False,
        dropout=0.05,
    ):
        super().__init__()
        folded = n_chan * n_sqz
        if n_split % 2 or folded % n_split:
            raise ValueError(
                f"n_split must be even and divide n_chan * n_sqz = {folded}, got {n_split}"
            )
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        self.squeeze = Squeeze(n_sqz, n_split)
        steps = []
        for _ in range(n_blocks):
            net = WaveNet(
                folded // 2, folded, hidden, kernel_size, n_layers, dilation_rate, dropout
            )
            steps += [ActNorm(folded), InvertibleConv1x1(n_split)]
            steps += [AffineCoupling(net, sigmoid_scale)]
        self.steps = Compose(steps)

    def forward(self, x, mask=None):  # noqa: D102
        x, mask = self.squeeze(x, mask)
        z, ladj = self.steps(x, mask)
        return self.squeeze.inverse(z, mask), ladj

    def inverse(self, z, mask=None):  # noqa: D102
        z, mask = self.squeeze(z, mask)
        x, ladj = self.steps.inverse(z, mask)
        return self.squeeze.inverse(x, mask), ladj
