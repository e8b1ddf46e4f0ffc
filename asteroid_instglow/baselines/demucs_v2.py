"""Demucs as it was in its second version: a waveform U-Net with an LSTM in the middle."""

import torch.nn.functional as F

from .base import constructor_arguments, require
from .supervised import Supervised


class DemucsV2(Supervised):
    """The package's waveform model without what later versions added to it.

    Six levels of strided convolutions (gated 1x1 behind each), doubling the channels, two
    bidirectional LSTM layers, skip connections; the input is normalised and resampled to twice its
    rate, the initial weights are rescaled. No residual branches, attention, group norm or GELU.

    Args:
        sources (list[str]): Names.
        sample_rate (int): Hz.
        channels (int): Of the first level.
        depth (int): Levels.
        lstm_layers (int): In the middle.
        shifts (int): Shifted copies that a separation averages over ("shift trick").

    References
        - [1] : "Music Source Separation in the Waveform Domain", Defossez et al. 2019, and its
          code's version 2 (2021).
          https://arxiv.org/abs/1911.13254
    """

    defaults = {"n_steps": 300_000, "batch_size": 64, "segment": 10.0, "lr": 3e-4}
    loss_name = "l1"
    max_shift = 0.5  # seconds

    def __init__(self, sources, sample_rate=22050, channels=64, depth=6, lstm_layers=2, shifts=10):
        super().__init__(constructor_arguments(locals()))
        self.shifts = shifts
        self.network = require("demucs.demucs", "demucs").Demucs(
            list(sources),
            audio_channels=1,
            channels=channels,
            depth=depth,
            lstm_layers=lstm_layers,
            samplerate=sample_rate,
            context=1,
            gelu=False,
            norm_starts=depth,
            dconv_mode=0,
            normalize=True,
            resample=True,
            rescale=0.1,
        )

    def estimate(self, mixture):  # noqa: D102
        return self.network(mixture[:, None]).squeeze(2)

    def _solve(self, wav, options, report):
        # The network is not equivariant to shifts of less than its strides: evenly spaced ones, so
        # that a separation needs no chance.
        reach = round(self.max_shift * self.sample_rate)
        out = 0
        for i in range(self.shifts):
            shift = reach * i // self.shifts
            moved = super()._solve(F.pad(wav, (shift, 0)), options, report)
            out = out + moved[..., shift:] / self.shifts
        return out
