"""The network that conditions a coupling layer; it is not invertible."""

from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from ..utils.checks import check_between, check_whole

MAX_CHAN = 2**22
MAX_REACH = 2**16  # frames


class WaveNet(nn.Module):
    r"""Gated residual convolutions between two 1x1 convolutions; initially the zero function.

    Each layer computes :math:`\tanh(a) \sigma(b)`, with (a, b) a convolution of its input, and adds
    projections of it to the residual path and to the skip path; the skip path is the output.

    Args:
        in_chan (int): Number of input channels.
        out_chan (int): Number of output channels.
        hidden (int): Number of channels of the residual and of the skip path.
        kernel_size (int): Odd kernel size of the gated convolutions.
        n_layers (int): Number of gated convolutions.
        dilation_rate (int): Layer i has the dilation ``dilation_rate ** i``.
        dropout (float): Dropout probability before the gate.

    Shape:
        - Input: (batch, in_chan, n_frames). Output: (batch, out_chan, n_frames).

    References
        - [1] : "WaveGlow", Prenger et al. 2019; "Glow-TTS", Kim et al. 2020.
    """

    def __init__(
        self,
        in_chan: int,
        out_chan: int,
        hidden: int = 128,
        kernel_size: int = 5,
        n_layers: int = 4,
        dilation_rate: int = 1,
        dropout: float = 0.05,
    ):
        super().__init__()
        check_sizes(in_chan, out_chan, hidden, kernel_size, n_layers, dilation_rate, dropout)
        self.start = weight_norm(nn.Conv1d(in_chan, hidden, 1))
        self.in_layers: Any = nn.ModuleList()
        self.res_skip_layers: Any = nn.ModuleList()
        for i in range(n_layers):
            dilation = dilation_rate**i
            padding = (kernel_size - 1) * dilation // 2
            conv = nn.Conv1d(hidden, 2 * hidden, kernel_size, dilation=dilation, padding=padding)
            self.in_layers.append(weight_norm(conv))
            # The last layer has no residual path.
            out = hidden if i == n_layers - 1 else 2 * hidden
            self.res_skip_layers.append(weight_norm(nn.Conv1d(hidden, out, 1)))
        self.dropout = nn.Dropout(dropout)
        self.end = nn.Conv1d(hidden, out_chan, 1)
        for parameter in self.end.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Maps (batch, in_chan, n_frames) to (batch, out_chan, n_frames)."""

        def valid(v: torch.Tensor) -> torch.Tensor:
            return v if mask is None else v * mask

        h = valid(self.start(x))
        skip: Any = 0
        for conv, res_skip in zip(self.in_layers, self.res_skip_layers):
            a, b = self.dropout(conv(h)).chunk(2, 1)
            out = res_skip(torch.tanh(a) * torch.sigmoid(b))
            if out.shape[1] > h.shape[1]:
                residual, out = out.chunk(2, 1)
                h = valid(h + residual)
            skip = skip + out
        return self.end(valid(skip))


def check_sizes(
    in_chan: int,
    out_chan: int,
    hidden: int,
    kernel_size: int,
    n_layers: int,
    dilation_rate: int,
    dropout: float,
) -> None:
    """Raises ValueError unless these are arguments of a :class:`WaveNet`."""
    check_whole("in_chan", in_chan, 1, MAX_CHAN)
    check_whole("out_chan", out_chan, 1, MAX_CHAN)
    check_whole("hidden", hidden, 1, 2**13)
    check_whole("kernel_size", kernel_size, 1, 255)
    check_whole("n_layers", n_layers, 1, 64)
    check_whole("dilation_rate", dilation_rate, 1, 16)
    check_between("dropout", dropout, 0, 1)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {kernel_size}")
    reach = (kernel_size - 1) * dilation_rate ** (n_layers - 1)
    if reach > MAX_REACH:
        raise ValueError(f"dilation_rate and n_layers must be smaller: {reach} frames")


def count_parameters(
    in_chan: int, out_chan: int, hidden: int, kernel_size: int, n_layers: int
) -> int:
    """Returns the number of parameters of a :class:`WaveNet`, without building it.

    Building it on the "meta" device would take two seconds: torch imports its compiler for that.

    Examples:
        >>> sum(p.numel() for p in WaveNet(4, 6, 8, 3, 2).parameters())
        1174
        >>> count_parameters(4, 6, 8, 3, 2)
        1174
    """

    def normed(n_in: int, n_out: int, size: int = 1) -> int:
        # Directions, lengths and biases.
        return n_out * (n_in * size + 2)

    gated = n_layers * normed(hidden, 2 * hidden, kernel_size)
    projections = (n_layers - 1) * normed(hidden, 2 * hidden) + normed(hidden, hidden)
    return normed(in_chan, hidden) + gated + projections + out_chan * (hidden + 1)
