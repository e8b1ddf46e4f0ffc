"""A recurrent encoder: an LSTM over whole spectra, fast on any processor."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .base import Encoder

FLOOR = 1e-4


class SourceEncoder(Encoder):
    """Recurrent network over the frames of a log-magnitude spectrogram.

    A linear layer over all bins, LSTM layers in both directions, and a linear layer from both to
    the mask.

    Args:
        n_fft (int): Window and transform length, samples.
        hop_length (int): Samples between frames.
        n_bins (int, optional): Number of bins, from the lowest up; n_fft / 2 by default.
        width (int): Number of features of a frame, even.
        n_layers (int): Number of LSTM layers.
        n_src (int): Number of sources that are estimated at once.
        heard (list[str], optional): Names of the sources in the training mixtures; None if unknown.

    Examples:
        >>> encoder = SourceEncoder(n_fft=64, hop_length=16, width=4)
        >>> encoder(torch.randn(1, 4000)).shape
        torch.Size([1, 1, 33, 251])

    References
        - [1] : "Open-Unmix - A Reference Implementation for Music Source Separation", Stoter et
          al. 2019 (the network; there for magnitudes). https://doi.org/10.21105/joss.01667
    """

    architecture = "lstm"

    def __init__(
        self,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_bins: int | None = None,
        width: int = 256,
        n_layers: int = 3,
        n_src: int = 1,
        heard: list[str] | None = None,
    ):
        super().__init__(n_fft, hop_length, n_src, heard)
        self._args.update(n_bins=n_bins, width=width, n_layers=n_layers)
        self.n_bins = n_fft // 2 if n_bins is None else n_bins
        if not 1 <= self.n_bins <= n_fft // 2:
            raise ValueError(f"n_bins must be 1 to n_fft / 2 = {n_fft // 2}, got {n_bins}")
        if width < 2 or width % 2:
            raise ValueError(f"width must be even and positive, got {width}")
        self.bin_norm = nn.BatchNorm1d(self.n_bins)
        self.narrow = nn.Linear(self.n_bins, width, bias=False)
        self.narrow_norm = nn.BatchNorm1d(width)
        self.lstm = nn.LSTM(width, width // 2, n_layers, batch_first=True, bidirectional=True)
        self.join = nn.Linear(2 * width, width, bias=False)
        self.join_norm = nn.BatchNorm1d(width)
        self.mask = nn.Linear(width, n_src * self.n_bins * 2)
        with torch.no_grad():
            self.mask.weight.mul_(0.3)

    def body(self, spec: torch.Tensor) -> torch.Tensor:
        bins = spec[:, : self.n_bins].transpose(1, 2).contiguous()
        return self.features(bins.abs())

    def features(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Computes features from magnitudes, (batch, n_frames, n_bins)."""
        h = _normed(self.bin_norm, (magnitude + FLOOR).log())
        h = torch.tanh(_normed(self.narrow_norm, self.narrow(h)))
        h = torch.cat([h, self.lstm(h)[0]], -1)
        return F.relu(_normed(self.join_norm, self.join(h)))

    def mask_parts(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.mask(hidden).float().view(*hidden.shape[:2], self.n_src, self.n_bins, 2)

    def matrices(self) -> dict[int, list[nn.Parameter]]:
        join: Any = self.join
        return {4: [p for p in self.lstm.parameters() if p.ndim > 1], 1: [join.weight]}

    def source_part(self, name: str, value: torch.Tensor, index: int) -> torch.Tensor:
        return value.unflatten(0, (self.n_src, -1))[index]


def _normed(norm: nn.Module, h: torch.Tensor) -> torch.Tensor:
    return norm(h.flatten(0, 1)).view(h.shape)
