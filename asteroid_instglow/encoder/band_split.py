"""A band-split transformer encoder: slower than the LSTM, and stronger."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .attention import Block, FastBlock, in_pieces
from .base import Encoder

BANDS = ((16, 4), (16, 8), (12, 16), (8, 32), (3, 128), (1, 1))  # (bands, bins of each)
QUIET = 1e-6  # added to the energy of a band
PIECE = 215  # frames that attend to each other at inference: 5 s, little more than in training


class BandSplitEncoder(Encoder):
    """Transformer over the frames and the bands of a complex spectrogram.

    The bins are grouped into bands, narrow at low frequencies. Attention runs over time within each
    band and over the bands within each frame, in turn.

    Args:
        n_fft (int): Window and transform length, samples.
        hop_length (int): Samples between frames.
        width (int): Number of features of a band in a frame.
        depth (int): Number of pairs of blocks, one over time and one over bands.
        n_heads (int): Number of attention heads, each of an even number of features.
        hidden (int): Number of features between a band and its mask.
        bands (Sequence[tuple[int, int]]): Pairs (number of bands, bins of each), n_fft / 2 + 1 bins
            in all.
        n_src (int): Number of sources that are estimated at once.
        heard (list[str], optional): Names of the sources in the training mixtures; None if unknown.

    Examples:
        >>> encoder = BandSplitEncoder(64, 16, width=8, depth=1, n_heads=2, bands=((8, 4), (1, 1)))
        >>> encoder(torch.randn(1, 4000)).shape
        torch.Size([1, 1, 33, 251])

    References
        - [1] : "Music Source Separation with Band-Split RoPE Transformer", Lu et al. 2023.
          https://arxiv.org/abs/2309.02612
    """

    architecture = "band-split"

    def __init__(
        self,
        n_fft: int = 2048,
        hop_length: int = 512,
        width: int = 96,
        depth: int = 6,
        n_heads: int = 3,
        hidden: int = 128,
        bands: Sequence[Sequence[int]] = BANDS,
        n_src: int = 1,
        heard: list[str] | None = None,
    ):
        super().__init__(n_fft, hop_length, n_src, heard)
        self.bands = tuple((int(n), int(size)) for n, size in bands)
        self._args.update(width=width, depth=depth, n_heads=n_heads, hidden=hidden)
        self._args["bands"] = [list(band) for band in self.bands]
        n_bins = sum(n * size for n, size in self.bands)
        if n_bins != n_fft // 2 + 1:
            raise ValueError(f"bands must hold n_fft / 2 + 1 = {n_fft // 2 + 1} bins, got {n_bins}")
        if n_heads < 1 or width % (2 * n_heads):
            raise ValueError(
                f"width must be a multiple of twice n_heads, got {width} for {n_heads} heads"
            )
        self.split = nn.ModuleList(BandLinear(n, 2 * size + 1, width) for n, size in self.bands)
        self.time: Any = nn.ModuleList(Block(width, n_heads) for _ in range(depth))
        self.freq: Any = nn.ModuleList(Block(width, n_heads) for _ in range(depth))
        self.norm = nn.RMSNorm(width)
        self.hidden = nn.ModuleList(BandLinear(n, width, hidden) for n, _ in self.bands)
        self.mask = nn.ModuleList(
            BandLinear(n, hidden, n_src * 2 * size, gain=0.3) for n, size in self.bands
        )

    def level(self, wav: torch.Tensor, spec: torch.Tensor) -> torch.Tensor:
        return spec.abs().square().mean((1, 2)).sqrt()

    def body(self, spec: torch.Tensor) -> torch.Tensor:
        return self.features(torch.view_as_real(spec.transpose(1, 2)).contiguous())

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Computes features from (batch, n_frames, n_freq, 2), real and imaginary parts."""
        features, start = [], 0
        for (n, size), linear in zip(self.bands, self.split):
            band = x[:, :, start : start + n * size].reshape(*x.shape[:2], n, 2 * size)
            energy = band.square().mean(-1, keepdim=True) + QUIET
            features.append(linear(torch.cat([band * energy.rsqrt(), energy.log() * 0.2], -1)))
            start += n * size
        h = torch.cat(features, 2)  # (batch, n_frames, n_bands, width)
        is_trained = self.training and self.split[0].weight.requires_grad
        h = self._attend(h) if is_trained else self._attend_fast(h)
        h, start, hidden = self.norm(h), 0, []
        for (n, _), linear in zip(self.bands, self.hidden):
            hidden.append(torch.tanh(linear(h[:, :, start : start + n])))
            start += n
        return torch.cat(hidden, 2)

    def _attend(self, h: torch.Tensor) -> torch.Tensor:
        batch, n_frames, n_bands, width = h.shape
        for over_time, over_bands in zip(self.time, self.freq):
            h = over_time(h.transpose(1, 2).reshape(-1, n_frames, width))
            h = h.view(batch, n_bands, n_frames, width).transpose(1, 2)
            h = over_bands(h.reshape(-1, n_bands, width)).view(batch, n_frames, n_bands, width)
        return h

    def _attend_fast(self, h: torch.Tensor) -> torch.Tensor:
        batch, n_frames, n_bands, width = h.shape
        for i, (over_time, over_bands) in enumerate(zip(self.time, self.freq)):
            h = h.transpose(1, 2).reshape(-1, n_frames, width)
            h = in_pieces(FastBlock(over_time), h, PIECE, odd=i % 2 == 1)
            h = h.view(batch, n_bands, n_frames, width).transpose(1, 2)
            h = FastBlock(over_bands)(h.reshape(-1, n_bands, width))
            h = h.view(batch, n_frames, n_bands, width)
        return h

    def mask_parts(self, hidden: torch.Tensor) -> torch.Tensor:
        masks, start = [], 0
        for (n, size), linear in zip(self.bands, self.mask):
            mask = linear(hidden[:, :, start : start + n]).float()
            mask = mask.view(*mask.shape[:3], self.n_src, size, 2).transpose(2, 3)
            masks.append(mask.reshape(*mask.shape[:3], n * size, 2))
            start += n
        return torch.cat(masks, 3)

    def matrices(self) -> dict[int, list[nn.Parameter]]:
        blocks = [*self.time, *self.freq]
        single = [m.weight for block in blocks for m in (block.out, block.up, block.down)]
        return {3: [block.qkv.weight for block in blocks], 1: single}

    def source_part(self, name: str, value: torch.Tensor, index: int) -> torch.Tensor:
        return value.unflatten(-1, (self.n_src, -1))[..., index, :]


class BandLinear(nn.Module):
    """Linear layer with weights of its own for each of ``n_bands`` bands.

    Shape:
        - Input: (batch, n_frames, n_bands, n_in). Output: (batch, n_frames, n_bands, n_out).
    """

    def __init__(self, n_bands: int, n_in: int, n_out: int, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_bands, n_in, n_out) * gain / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_bands, n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = self.bias.to(x.dtype)
        return torch.einsum("btni,nio->btno", x, self.weight.to(x.dtype)) + bias
