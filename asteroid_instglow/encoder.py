r"""The amortised encoder of one prior: mixture in, its source's share out.

A small network trained for its source alone, on the source's own solos against random mixtures of
other solos; no paired mixture is ever seen. For a mixture spectrogram Y it gives a guess of its
source, bin by bin,

.. math:: \mu_i = M_i Y

with a complex mask M, free to leave [0, 1]. What any set of independently trained encoders say of
one mixture is joined in ``filters.project_sum``: what their sum lacks is shared out among them.

Encoders of several sources can learn together first: one body with a mask for each (``n_src``),
whose step costs little more than one source's and teaches them all. ``alone`` then gives each
source an encoder of its own, to go on from.

References
    - [1] : "TFC-TDF-UNet", Choi et al. 2020, https://arxiv.org/abs/1912.02591 (convolutions in
      time and frequency, then a bottleneck over all frequencies).
    - [2] : "Music Source Separation with Band-split RNN", Luo & Yu 2023 (bands).
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from . import dsp

BANDS = ((96, 4), (128, 8), (192, 16), (608, 38))
FLOOR = 1e-4
MASK = "mask."  # of the parameters that are a source's own


class SourceEncoder(nn.Module):
    """U-Net on a band-split spectrogram.

    Args:
        n_fft (int): Window and transform length, samples.
        hop_length (int): Samples between frames.
        bands (Sequence): Pairs (bins, width): that many bins in bands of that width, from low to
            high; together at most n_fft / 2 bins. The number of bands a multiple of 2 ** depth.
        width (int): Channels of the first level, doubled at each further one.
        depth (int): Levels of the U-Net that halve time and frequency.
        bottleneck (int): Factor by which a block's bottleneck over the bands is narrower.
        n_src (int): Sources that it guesses at once.

    Examples:
        >>> encoder = SourceEncoder(n_fft=64, hop_length=16, bands=((16, 2), (16, 4)), width=4)
        >>> encoder(torch.randn(1, 4000)).shape
        torch.Size([1, 1, 33, 251])
    """

    def __init__(
        self,
        n_fft=2048,
        hop_length=512,
        bands=BANDS,
        width=24,
        depth=2,
        bottleneck=4,
        n_src=1,
    ):
        super().__init__()
        self._args = {k: v for k, v in locals().items() if k not in ("self", "__class__", "bands")}
        self._args["bands"] = [list(pair) for pair in bands]
        self.n_fft, self.hop_length, self.depth = n_fft, hop_length, depth
        self.n_bins = sum(bins for bins, _ in bands)
        n_bands = sum(bins // size for bins, size in bands)
        if self.n_bins > n_fft // 2 or any(bins % size for bins, size in bands):
            raise ValueError(
                f"bands must be multiples of their width and at most {n_fft // 2} bins, got {bands}"
            )
        if n_bands % 2**depth:
            raise ValueError(f"bands must number a multiple of {2**depth}, got {n_bands}")
        self.feature_norm = nn.BatchNorm1d(3 * self.n_bins)
        self.split = BandSplit(bands, 3, width)
        self.split_norm = nn.BatchNorm2d(width)
        self.down_blocks, self.downs = nn.ModuleList(), nn.ModuleList()
        self.up_blocks, self.ups = nn.ModuleList(), nn.ModuleList()
        for level in range(depth):
            chan = width * 2**level
            size = n_bands >> level
            self.down_blocks.append(Block(chan, size, bottleneck))
            self.downs.append(_normed(nn.Conv2d(chan, 2 * chan, 2, 2, bias=False), 2 * chan))
            self.ups.append(_normed(nn.ConvTranspose2d(2 * chan, chan, 2, 2, bias=False), chan))
            self.up_blocks.append(Block(chan, size, bottleneck))
        self.middle = Block(width * 2**depth, n_bands >> depth, max(1, bottleneck // 2), True)
        self.n_src = n_src
        self.mask = BandMerge(bands, width, n_src)

    def get_args(self):
        """Plain arguments that rebuild this encoder, without its weights."""
        return copy.deepcopy(self._args)

    def forward(self, wav):
        """Guesses the sources in a mixture.

        Args:
            wav (torch.Tensor): (batch, time).

        Returns:
            torch.Tensor: Complex (batch, n_src, n_freq, n_frames), on the scale of ``wav``'s
            :func:`~asteroid_instglow.dsp.stft`.
        """
        spec, scale = self.transform(wav)
        return self.masked(spec[:, 0]) * scale[..., None]

    def transform(self, wav):
        """The scaled spectrogram that a guess is made from, and of what it is to be made of.

        Args:
            wav (torch.Tensor): (batch, time), or (batch, n, time): signals that sum to the mixture.

        Returns:
            tuple: complex (batch, n, n_freq, n_frames), in which the mixture has bins of about unit
            variance, and the scale that was divided by, (batch, 1, 1).
        """
        parts = wav[:, None] if wav.ndim == 2 else wav
        level = parts.sum(1).square().mean(-1)[:, None, None].sqrt() + 1e-5
        # The window's gain: unit-variance noise has bins of unit variance.
        scale = level * (0.375 * self.n_fft) ** 0.5
        return dsp.stft(parts, self.n_fft, self.hop_length) / scale[..., None], scale

    def masked(self, spec):
        """Guesses from a scaled spectrogram.

        Args:
            spec (torch.Tensor): Of the mixture, complex (batch, n_freq, n_frames), see
                :meth:`transform`.

        Returns:
            torch.Tensor: Complex (batch, n_src, n_freq, n_frames), on the same scale.
        """
        # Above the bands there is nothing to say.
        return F.pad(self.masked_bins(spec), (0, 0, 0, spec.shape[1] - self.n_bins))

    def masked_bins(self, spec):
        """As :meth:`masked`, of the ``n_bins`` lowest frequencies alone."""
        return self._apply_mask(*self._hidden(spec))

    def _hidden(self, spec):
        # The lowest bins of a spectrogram, time before frequency, and what the body makes of them.
        bins = spec[:, : self.n_bins].transpose(1, 2).contiguous()
        return bins, self.body(self.features(bins))

    def _apply_mask(self, bins, hidden):
        with torch.autocast(hidden.device.type, enabled=False):
            guess = (torch.view_as_complex(self.mask(hidden.float())) + 0.25) * bins[:, None]
        return guess.transpose(2, 3)

    def has_body_of(self, other):
        """Whether another encoder differs in its mask alone."""
        own, others = self.state_dict(), other.state_dict()
        names = [name for name in own if not name.startswith(MASK)]
        alike = names == [name for name in others if not name.startswith(MASK)]
        return alike and all(torch.equal(own[name], others[name]) for name in names)

    @torch.no_grad()
    def alone(self, index):
        """A new encoder of one source, with a copy of the body and of that source's mask.

        Args:
            index (int): Which of the ``n_src``; -1: none of them, with a mask to be learnt.

        Returns:
            SourceEncoder: Of one source.
        """
        encoder = SourceEncoder(**{**self._args, "n_src": 1}).to(next(self.parameters()).device)
        own = encoder.state_dict()
        for name, value in self.state_dict().items():
            if not name.startswith(MASK):
                own[name] = value
            elif index >= 0:
                parts = value.unflatten(-1, (-1, self.n_src, 2))
                own[name] = parts[..., index, :].flatten(-2)
        encoder.load_state_dict(own)
        return encoder

    def features(self, bins):
        """Compressed real and imaginary parts and log-magnitude: (batch, n_frames, n_bins, 3)."""
        magnitude = bins.abs() + FLOOR
        compressed = bins * magnitude**-0.7
        h = torch.stack([compressed.real, compressed.imag, magnitude.log()], -1)
        return self.feature_norm(h.flatten(0, 1).flatten(1)).view(h.shape)

    def body(self, features):
        """U-Net from features to (batch, width, n_bands, n_frames)."""
        h = self.split(features)
        n_frames = h.shape[-1]
        h = F.pad(h, (0, -n_frames % 2**self.depth))
        # On the CPU twice as fast as the default layout.
        h = self.split_norm(h.contiguous(memory_format=torch.channels_last))
        skips = []
        for block, down in zip(self.down_blocks, self.downs):
            skips.append(block(h))
            h = down(skips[-1])
        h = self.middle(h)
        for block, up, skip in zip(self.up_blocks[::-1], self.ups[::-1], skips[::-1]):
            h = block(up(h) + skip)
        # Cut with the channels last, so that the gradient has that layout, too.
        return h.permute(0, 2, 3, 1)[:, :, :n_frames].permute(0, 3, 1, 2)


def guess_each(encoders, spec):
    """Guesses of one encoder a source; a body that several have alike works once.

    Args:
        encoders (Sequence[SourceEncoder]): Of one STFT setting and one source each.
        spec (torch.Tensor): Of the mixture, scaled, complex (batch, n_freq, n_frames).

    Returns:
        torch.Tensor: Complex (n_encoders, batch, n_freq, n_frames), on the same scale.
    """
    bodies, guesses = [], []
    for encoder in encoders:
        known = next((known for other, known in bodies if encoder.has_body_of(other)), None)
        if known is None:
            known = encoder._hidden(spec)
            bodies.append((encoder, known))
        guess = encoder._apply_mask(*known)[:, 0]
        guesses.append(F.pad(guess, (0, 0, 0, spec.shape[1] - encoder.n_bins)))
    return torch.stack(guesses)


class Block(nn.Module):
    """Two 3x3 convolutions, then a bottleneck that mixes all bands; residual.

    Args:
        chan (int): Channels.
        n_bands (int): Bands.
        bottleneck (int): Factor by which the bottleneck is narrower than ``n_bands``.
        dilated (bool): Dilate the second convolution in time by 2.
    """

    def __init__(self, chan, n_bands, bottleneck, dilated=False):
        super().__init__()
        layers = []
        for dilation in (1, 2 if dilated else 1):
            conv = nn.Conv2d(chan, chan, 3, 1, (1, dilation), (1, dilation), bias=False)
            layers.append(_normed(conv, chan))
        self.conv = nn.Sequential(*layers)
        inner = n_bands // bottleneck
        self.narrow = nn.Parameter(torch.randn(inner, n_bands) * n_bands**-0.5)
        self.widen = nn.Parameter(torch.randn(n_bands, inner) * inner**-0.5)
        self.narrow_norm = nn.Sequential(nn.BatchNorm2d(chan), nn.ReLU())
        self.widen_norm = nn.Sequential(nn.BatchNorm2d(chan), nn.ReLU())

    def forward(self, x):
        """Maps (batch, chan, n_bands, n_frames) to the same shape."""
        h = self.conv(x)
        inner = self.narrow_norm(_mix_bands(self.narrow, h))
        return x + h + self.widen_norm(_mix_bands(self.widen, inner))


class BandSplit(nn.Module):
    """One linear map a band: (batch, n_frames, n_bins, f) to (batch, chan, n_bands, n_frames)."""

    def __init__(self, bands, n_features, chan):
        super().__init__()
        self.bands = bands
        self.weights = nn.ParameterList()
        for bins, size in bands:
            fan_in = n_features * size
            self.weights.append(nn.Parameter(torch.randn(bins // size, fan_in, chan) / fan_in**0.5))
        self.bias = nn.Parameter(torch.zeros(sum(b // s for b, s in bands), 1, chan))

    def forward(self, x):  # noqa: D102
        batch, n_frames = x.shape[:2]
        out = []
        parts = x.split([bins for bins, _ in self.bands], 2)
        for part, (bins, size), weight in zip(parts, self.bands, self.weights):
            band = part.reshape(batch * n_frames, bins // size, -1)
            out.append(torch.bmm(band.transpose(0, 1), weight))
        h = torch.cat(out) + self.bias
        return h.view(len(h), batch, n_frames, -1).permute(1, 3, 0, 2)


class BandMerge(nn.Module):
    """The way back: (batch, chan, n_bands, n_frames) to (batch, n_src, n_frames, n_bins, 2)."""

    def __init__(self, bands, chan, n_src):
        super().__init__()
        self.bands, self.n_src = bands, n_src
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for bins, size in bands:
            shape = (bins // size, chan, 2 * n_src * size)
            self.weights.append(nn.Parameter(0.3 * torch.randn(shape) / chan**0.5))
            self.biases.append(nn.Parameter(torch.zeros(bins // size, 1, 2 * n_src * size)))

    def forward(self, h):  # noqa: D102
        batch, _, _, n_frames = h.shape
        out = []
        parts = h.split([bins // size for bins, size in self.bands], 2)
        for part, (bins, size), weight, bias in zip(parts, self.bands, self.weights, self.biases):
            n = bins // size
            band = part.permute(2, 0, 3, 1).reshape(n, batch * n_frames, -1)
            y = torch.baddbmm(bias, band, weight).view(n, batch, n_frames, size, self.n_src, 2)
            out.append(y.permute(1, 4, 2, 0, 3, 5).flatten(3, 4))
        return torch.cat(out, 3)


def _mix_bands(matrix, x):
    # (j, k), (batch, chan, k, t) -> (batch, chan, j, t); channels last, it copies nothing.
    x = x.permute(0, 2, 3, 1)
    mixed = torch.bmm(matrix.expand(len(x), -1, -1), x.flatten(2))
    return mixed.view(len(x), -1, *x.shape[2:]).permute(0, 3, 1, 2)


def _normed(conv, chan):
    return nn.Sequential(conv, nn.BatchNorm2d(chan), nn.ReLU())
