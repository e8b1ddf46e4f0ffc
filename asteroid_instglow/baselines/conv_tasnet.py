"""Conv-TasNet, as Asteroid has it, for music."""

from asteroid.models import ConvTasNet

from .base import constructor_arguments
from .supervised import Supervised


class ConvTasNetBaseline(Supervised):
    """A learnt filterbank, masked by a stack of dilated convolutions.

    The order of the sources is that of the names, so that there are no permutations to choose from,
    and their scale counts: the loss is the signal-to-noise ratio that is not scale-invariant. By
    default as large as Conv-TasNet is in [2] for music.

    Args:
        sources (list[str]): Names.
        sample_rate (int): Hz.
        n_filters, kernel_size, stride, bn_chan, hid_chan, skip_chan, n_blocks, n_repeats, mask_act:
            As :class:`asteroid.models.ConvTasNet`'s.

    References
        - [1] : "Conv-TasNet: Surpassing Ideal Time-Frequency Magnitude Masking for Speech
          Separation", Luo & Mesgarani 2019. https://arxiv.org/abs/1809.07454
        - [2] : "Music Source Separation in the Waveform Domain", Defossez et al. 2019.
          https://arxiv.org/abs/1911.13254
    """

    defaults = {"n_steps": 200_000, "batch_size": 8, "segment": 4.0, "lr": 1e-3}
    loss_name = "snr"

    def __init__(
        self,
        sources,
        sample_rate=22050,
        n_filters=256,
        kernel_size=20,
        stride=10,
        bn_chan=256,
        hid_chan=512,
        skip_chan=256,
        n_blocks=10,
        n_repeats=4,
        mask_act="relu",
    ):
        arguments = constructor_arguments(locals())
        super().__init__(arguments)
        self.network = ConvTasNet(
            len(sources), **{n: v for n, v in arguments.items() if n != "sources"}
        )

    @property
    def _window(self):
        return self.get_model_args()["kernel_size"]

    def estimate(self, mixture):  # noqa: D102
        return self.network(mixture)
