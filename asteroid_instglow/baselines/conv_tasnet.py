"""Asteroid's Conv-TasNet, for music."""

import torch
from asteroid.models import ConvTasNet

from ..utils.checks import check_one_of
from .base import build_bounded, constructor_arguments
from .supervised import Supervised

MASKS = ("relu", "sigmoid", "softmax", "linear")


class ConvTasNetBaseline(Supervised):
    """Masks a learned filterbank with a stack of dilated convolutions.

    The sources are in the order of the names (no permutation), and the loss is the signal-to-noise
    ratio, which is not scale-invariant. The default sizes are those that [2] uses for music.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Sample rate in Hz.
        n_filters, kernel_size, stride, bn_chan, hid_chan, skip_chan, n_blocks, n_repeats, mask_act:
            Arguments of :class:`asteroid.models.ConvTasNet`.

    References
        - [1] : "Conv-TasNet: Surpassing Ideal Time-Frequency Magnitude Masking for Speech
          Separation", Luo & Mesgarani 2019. https://arxiv.org/abs/1809.07454
        - [2] : "Music Source Separation in the Waveform Domain", Defossez et al. 2019.
          https://arxiv.org/abs/1911.13254
    """

    defaults = {"n_steps": 200_000, "batch_size": 8, "segment": 4.0, "lr": 1e-3}
    loss_name = "snr"
    sizes = {
        **dict.fromkeys(["n_filters", "bn_chan", "hid_chan", "skip_chan"], 2**13),
        **{"kernel_size": 2**13, "stride": 2**13, "n_blocks": 16, "n_repeats": 64},
    }

    def __init__(
        self,
        sources: list[str],
        sample_rate: int = 22050,
        n_filters: int = 256,
        kernel_size: int = 20,
        stride: int = 10,
        bn_chan: int = 256,
        hid_chan: int = 512,
        skip_chan: int = 256,
        n_blocks: int = 10,
        n_repeats: int = 4,
        mask_act: str = "relu",
    ):
        arguments = constructor_arguments(locals())
        super().__init__(arguments)
        check_one_of("mask_act", mask_act, MASKS)
        network = {n: v for n, v in arguments.items() if n != "sources"}
        self.network = build_bounded(lambda: ConvTasNet(len(sources), **network))

    @property
    def _window(self) -> int:
        return self.get_model_args()["kernel_size"]

    def estimate(self, mixture: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return self.network(mixture)
