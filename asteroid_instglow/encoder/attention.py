"""Transformer blocks with gated rotary attention: to train, and a faster form to run."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

TOKENS = 1400  # that a block takes at once: what it computes stays in the processor's cache
EPS = 1e-7
EXPANSION = 3  # of the width, in the feed-forward network of a block


class Block(nn.Module):
    """Pre-norm transformer block with gated rotary self-attention.

    Shape:
        - Input, output: (batch, length, width).
    """

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.gate = nn.Linear(width, n_heads)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, EXPANSION * width)
        self.down = nn.Linear(EXPANSION * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        y = self.norm1(x)
        qkv = self.qkv(y).view(batch, length, 3, self.n_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(rotate(q), rotate(k), v.contiguous())
        attended = attended * torch.sigmoid(self.gate(y)).transpose(1, 2)[..., None]
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Applies rotary position embedding to (..., length, n_features)."""
    angle = _angles(x.shape[-2], x.shape[-1], x.device)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class FastBlock:
    """A trained :class:`Block` without gradients, for processors.

    The norms' weights are folded into the layers after them, positions rotate as complex numbers,
    additions are part of the products, and on a processor the sequences are taken a few at a time,
    so that intermediate results stay in the cache.

    Args:
        block (Block): The block to run.

    Shape:
        - Input, output: (batch, length, width).
    """

    def __init__(self, block: Block):
        self.n_heads = block.n_heads
        gain1, gain2 = block.norm1.weight, block.norm2.weight
        width = len(gain1)
        query, others = block.qkv.weight.split([width, 2 * width])
        query = query * (width // self.n_heads) ** -0.5
        # An even number of columns, so that pairs of features are complex numbers in memory.
        pad = gain1.new_zeros(-block.n_heads % 2, width)
        self.inner = (torch.cat([query, others, block.gate.weight, pad]) * gain1).T.contiguous()
        zeros = gain1.new_zeros(3 * width)
        self.inner_bias = torch.cat([zeros, block.gate.bias, pad[:, 0]])
        self.up, self.up_bias = (block.up.weight * gain2).T.contiguous(), block.up.bias
        self.out, self.down, self.down_bias = (
            block.out.weight.T,
            block.down.weight.T,
            block.down.bias,
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        length, width = x.shape[1:]
        turn = rotation(length, width // self.n_heads, x.device)[:, None]
        n = max(1, TOKENS // length) if x.device.type == "cpu" else len(x)
        out = torch.empty_like(x)
        for start in range(0, len(x), n):
            part = x[start : start + n]
            out[start : start + n] = self._run(part.reshape(-1, width), turn).view_as(part)
        return out

    def _run(self, x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        # x: (batch * length, width); below, heads come first.
        length, n_heads, width = len(turn), self.n_heads, x.shape[1]
        y = torch.addmm(self.inner_bias, _normalised(x), self.inner).float()
        y = y.view(-1, length, y.shape[1])
        pairs = y[..., : 2 * width].reshape(*y.shape[:2], 2 * n_heads, -1, 2)
        turned = torch.view_as_real(torch.view_as_complex(pairs) * turn).flatten(-2)
        q, k = turned.permute(2, 0, 1, 3).split(n_heads)
        v = y[..., 2 * width : 3 * width].unflatten(-1, (n_heads, -1)).permute(2, 0, 1, 3)
        gate = torch.sigmoid(y[..., 3 * width : 3 * width + n_heads]).permute(2, 0, 1)[..., None]
        q, k, v = (z.contiguous().flatten(0, 1) for z in (q, k, v))
        # Faster than scaled_dot_product_attention for so few features and short sequences.
        attended = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)), -1), v)
        attended = attended.view(n_heads, -1, length, width // n_heads).mul_(gate)
        x = torch.addmm(x, attended.permute(1, 2, 0, 3).reshape(x.shape), self.out)
        h = F.gelu(torch.addmm(self.up_bias, _normalised(x), self.up))
        return torch.addmm(x, h, self.down).add_(self.down_bias)


def rotation(length: int, n_features: int, device: torch.device) -> torch.Tensor:
    """Returns the complex factors of the rotary embedding, (length, n_features / 2)."""
    angle = _angles(length, n_features, device)
    return torch.polar(torch.ones_like(angle), angle)


def _angles(length: int, n_features: int, device: torch.device) -> torch.Tensor:
    rates = 10000 ** (-torch.arange(0, n_features, 2, device=device) / n_features)
    return torch.arange(length, device=device)[:, None] * rates


def _normalised(x: torch.Tensor) -> torch.Tensor:
    root = torch.linalg.vector_norm(x, dim=-1, keepdim=True) + EPS
    return x * (x.shape[-1] ** 0.5 / root)


def in_pieces(
    block: Callable[[torch.Tensor], torch.Tensor], h: torch.Tensor, size: int, odd: bool
) -> torch.Tensor:
    """Applies a block to pieces of a long sequence, whose cost would grow with its square.

    The pieces of odd layers are shifted by half a piece, so that every frame sees both sides.

    Args:
        block (Callable): Maps (batch, length, width) to the same shape.
        h (torch.Tensor): (batch, length, width).
        size (int): Length of a piece.
        odd (bool): Whether to shift the pieces.
    """
    length = h.shape[1]
    if length <= size:
        return block(h)
    first = size // 2 if odd else size
    # The last piece ends with the sequence; where pieces overlap, the later one counts.
    starts = [0, *range(first, length - size, size), length - size]
    pieces = block(torch.cat([h[:, start : start + size] for start in starts]))
    out = torch.empty_like(h)
    for start, piece in zip(starts, pieces.chunk(len(starts))):
        out[:, start : start + size] = piece
    return out
