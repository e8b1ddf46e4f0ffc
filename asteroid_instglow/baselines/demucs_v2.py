"""Demucs version 2: a waveform U-Net with an LSTM in the middle."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from ..utils.progress import SeparationProgress
from .base import build_bounded, constructor_arguments, require
from .supervised import Supervised


class DemucsV2(Supervised):
    """The waveform model of the package ``demucs``, without the additions of later versions.

    It has six levels of strided convolutions, each with a gated 1x1 convolution and twice the
    channels of the one before, two bidirectional LSTM layers and skip connections. The input is
    normalised and resampled to twice its rate, the initial weights are rescaled. There are no
    residual branches, attention, group norm or GELU.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Sample rate in Hz.
        channels (int): Number of channels of the first level.
        depth (int): Number of levels.
        lstm_layers (int): Number of LSTM layers.
        shifts (int): Number of shifted copies that a separation averages over ("shift trick").

    References
        - [1] : "Music Source Separation in the Waveform Domain", Defossez et al. 2019, and its
          code's version 2 (2021).
          https://arxiv.org/abs/1911.13254
    """

    defaults = {"n_steps": 300_000, "batch_size": 64, "segment": 10.0, "lr": 3e-4}
    loss_name = "l1"
    max_shift = 0.5  # seconds
    sizes = {"channels": 2**12, "depth": 10, "lstm_layers": 16, "shifts": 1000}

    def __init__(
        self,
        sources: list[str],
        sample_rate: int = 22050,
        channels: int = 64,
        depth: int = 6,
        lstm_layers: int = 2,
        shifts: int = 10,
    ):
        super().__init__(constructor_arguments(locals()))
        self.shifts = shifts
        build = partial(
            require("demucs.demucs").Demucs,
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
        self.network = build_bounded(build)

    def estimate(self, mixture: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return self.network(mixture[:, None]).squeeze(2)

    def _solve(self, wav: torch.Tensor, options: Any, report: SeparationProgress) -> torch.Tensor:
        # The network is not equivariant to shifts below its strides. Evenly spaced shifts make a
        # separation deterministic.
        reach = round(self.max_shift * self.sample_rate)
        out: Any = 0
        for i in range(self.shifts):
            shift = reach * i // self.shifts
            moved = super()._solve(F.pad(wav, (shift, 0)), options, report)
            out = out + moved[..., shift:] / self.shifts
        return out
