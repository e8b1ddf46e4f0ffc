"""Convolutions over time with constant weights, as matrix products."""

import functools

import torch
import torch.nn.functional as F
from torch import nn

# Evaluation points of Winograd's algorithm, besides infinity.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
_TILE = 4  # output frames per tile


def frozen_convolution(conv: nn.Conv1d, dtype: torch.dtype) -> "Windows | Winograd":
    """Chooses the fastest algorithm for a convolution with constant weights.

    Args:
        conv (nn.Conv1d): Convolution with an odd kernel that keeps the length; it is not modified.
        dtype (torch.dtype): Type of the products.

    Returns:
        Windows | Winograd: A function of (batch * n_frames, in_chan) and the batch size to
        (batch * n_frames, out_chan). Its method ``gradient`` maps gradients in the other direction.
    """
    n_points = conv.kernel_size[0] + _TILE - 1
    exact = dtype.itemsize >= 4  # half precision is too coarse for the sums of points
    winograd = exact and conv.dilation[0] == 1 and _TILE < n_points <= len(_POINTS) + 1
    return (Winograd if winograd else Windows)(conv, dtype)


class Windows:
    """Convolves by one product with windows of frames, for any kernel size and dilation.

    Args:
        conv (nn.Conv1d): See :func:`frozen_convolution`.
        dtype (torch.dtype): Type of the products.
    """

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype):
        self.weight = kernel_outermost(conv.weight, dtype)
        self.bias = copy_bias(conv, dtype)
        self.kernel, self.dilation = conv.kernel_size[0], conv.dilation[0]

    def __call__(self, h: torch.Tensor, batch: int) -> torch.Tensor:  # noqa: D102
        padding = self._padding()
        padded = F.pad(h.view(batch, -1, h.shape[1]), (0, 0, padding, padding))
        item, frame, one = padded.stride()
        shape = (batch, len(h) // batch, self.kernel, h.shape[1])
        windows = padded.as_strided(shape, (item, frame, self.dilation * frame, one))
        return F.linear(windows.reshape(len(h), -1), self.weight, self.bias)

    def gradient(self, grad: torch.Tensor, batch: int) -> torch.Tensor:  # noqa: D102
        parts = (grad @ self.weight).view(batch, len(grad) // batch, self.kernel, -1)
        n_frames, padding = parts.shape[1], self._padding()
        out = parts.new_zeros(batch, n_frames + 2 * padding, parts.shape[3])
        for k in range(self.kernel):
            out[:, k * self.dilation : k * self.dilation + n_frames] += parts[:, :, k]
        return out[:, padding : padding + n_frames].reshape(len(grad), -1)

    def _padding(self) -> int:
        return (self.kernel - 1) * self.dilation // 2


class Winograd:
    r"""Convolves by Winograd's algorithm: 8 products for 4 frames instead of 20 with a kernel of 5.

    For a tile :math:`x` of frames and the kernel :math:`g`, :math:`y = A^T (G g \odot B^T x)`: both
    are evaluated as polynomials at some points, where the convolution becomes a product.

    Args:
        conv (nn.Conv1d): Convolution without dilation, see :func:`frozen_convolution`.
        dtype (torch.dtype): Type of the products.

    References
        - [1] : "Fast algorithms for convolutional neural networks", Lavin & Gray 2016.
          https://arxiv.org/abs/1509.09308
    """

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype):
        device = conv.weight.device
        self.kernel = conv.kernel_size[0]
        self.n_points = self.kernel + _TILE - 1
        to_output, of_kernel, of_input = _transforms(self.kernel)
        self.to_output, self.of_input = to_output.to(device, dtype), of_input.to(device, dtype)
        # (points, in_chan, out_chan)
        evaluated = torch.einsum("pk,oik->pio", of_kernel.to(conv.weight), conv.weight)
        self.weight = evaluated.to(dtype).contiguous()
        self.bias = copy_bias(conv, dtype)

    def __call__(self, h: torch.Tensor, batch: int) -> torch.Tensor:  # noqa: D102
        n_frames, chan = len(h) // batch, h.shape[1]
        left, n_tiles = self.kernel // 2, -(-n_frames // _TILE)
        n_padded = n_tiles * _TILE + self.kernel - 1
        padding = (0, 0, left, n_padded - left - n_frames)
        padded = F.pad(h.view(batch, n_frames, chan), padding)
        shape = (self.n_points, batch, n_tiles, chan)
        item, frame, one = padded.stride()
        tiles = padded.as_strided(shape, (frame, item, _TILE * frame, one))
        points = self.of_input @ tiles.reshape(self.n_points, -1)
        points = torch.bmm(points.view(self.n_points, -1, chan), self.weight)
        out = self.to_output @ points.view(self.n_points, -1)
        out = out.view(_TILE, batch, n_tiles, -1).permute(1, 2, 0, 3)
        out = out.reshape(batch, n_tiles * _TILE, -1)[:, :n_frames]
        return out.reshape(len(h), -1).add_(self.bias)

    def gradient(self, grad: torch.Tensor, batch: int) -> torch.Tensor:  # noqa: D102
        n_frames, out_chan = len(grad) // batch, grad.shape[1]
        left, n_tiles = self.kernel // 2, -(-n_frames // _TILE)
        padded = F.pad(grad.view(batch, n_frames, out_chan), (0, 0, 0, n_tiles * _TILE - n_frames))
        frames = padded.view(batch, n_tiles, _TILE, out_chan).permute(2, 0, 1, 3)
        points = self.to_output.t() @ frames.reshape(_TILE, -1)
        points = torch.bmm(points.view(self.n_points, -1, out_chan), self.weight.mT)
        tiles = self.of_input.t() @ points.view(self.n_points, -1)
        tiles = tiles.view(self.n_points, batch, n_tiles, -1)
        out = grad.new_zeros(batch, n_tiles * _TILE + self.kernel - 1, tiles.shape[3])
        for i, frame in enumerate(tiles):
            out[:, i : i + _TILE * n_tiles : _TILE] += frame
        return out[:, left : left + n_frames].reshape(len(grad), -1)


def kernel_outermost(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Copies a weight (out_chan, in_chan, kernel) as (out_chan, kernel * in_chan)."""
    weight = weight.transpose(1, 2).contiguous().flatten(1)
    return weight.to(dtype, copy=True)


def copy_bias(conv: nn.Conv1d, dtype: torch.dtype) -> torch.Tensor:
    """Copies the bias of a convolution."""
    if conv.bias is None:
        raise ValueError("conv must have a bias, got none")
    return conv.bias.to(dtype, copy=True)


@functools.cache
def _transforms(kernel: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # A^T (tile, points), G (points, kernel), B^T (points, points), in float64.
    n_points = kernel + _TILE - 1
    points = torch.tensor(_POINTS[: n_points - 1], dtype=torch.float64)[:, None]

    def evaluation(n_coefficients: int) -> torch.Tensor:
        values = points ** torch.arange(n_coefficients)
        at_infinity = torch.zeros(1, n_coefficients, dtype=torch.float64)
        at_infinity[0, -1] = 1
        return torch.cat([values, at_infinity])

    to_output, of_kernel = evaluation(_TILE).t(), evaluation(kernel)
    return to_output, of_kernel, torch.linalg.inv(evaluation(n_points)).t()
