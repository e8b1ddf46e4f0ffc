"""Open-Unmix: one recurrent network a source on magnitude spectrograms, then a Wiener filter."""

import torch

from ..audio.stft import stft
from .base import constructor_arguments, require
from .supervised import Supervised

STATISTICS_ITEMS = 100


class OpenUnmixBaseline(Supervised):
    """The package's networks and its ``Separator``.

    Its networks know of one source each and do not share weights; they are trained side by side on
    the same mixtures, which is the same as one after the other.

    Args:
        sources (list[str]): Names.
        sample_rate (int): Hz.
        n_fft (int): Window and transform length, samples; half of the authors' at half their rate.
        hop_length (int): Samples between frames.
        hidden_size (int): Of the LSTM.
        n_layers (int): Of the LSTM.
        wiener_iterations (int): Of expectation maximisation after the networks.

    References
        - [1] : "Open-Unmix - A Reference Implementation for Music Source Separation", Stoter et al.
          2019. https://doi.org/10.21105/joss.01667
    """

    defaults = {"n_steps": 300_000, "batch_size": 16, "segment": 6.0, "lr": 1e-3}
    weight_decay = 1e-5

    def __init__(
        self,
        sources,
        sample_rate=22050,
        n_fft=2048,
        hop_length=512,
        hidden_size=512,
        n_layers=3,
        wiener_iterations=1,
    ):
        super().__init__(constructor_arguments(locals()))
        self.n_fft, self.hop_length = n_fft, hop_length
        package = require("openunmix.model", "openunmix")
        # Modules by number: a source may have a name that a module has already.
        networks = {
            str(i): package.OpenUnmix(
                n_fft // 2 + 1, nb_channels=1, hidden_size=hidden_size, nb_layers=n_layers
            )
            for i in range(len(sources))
        }
        self.separator = package.Separator(
            networks,
            niter=wiener_iterations if len(sources) > 1 else 0,
            sample_rate=float(sample_rate),
            n_fft=n_fft,
            n_hop=hop_length,
            nb_channels=1,
        )

    @property
    def _window(self):
        return self.n_fft

    def estimate(self, mixture):  # noqa: D102
        return self.separator(mixture[:, None]).squeeze(2)

    def loss(self, sources):
        """Mean square error of the magnitudes, summed over the sources."""
        magnitudes = self._magnitude(sources)
        mixture = self._magnitude(sources.sum(1, keepdim=True))
        losses = [
            (network(mixture)[:, 0] - magnitudes[:, i]).square().mean((1, 2))
            for i, network in enumerate(self.separator.target_models.values())
        ]
        return torch.stack(losses).sum(0)

    def prepare(self, dataset):
        """Sets mean and scale of the inputs' bins, as the authors do."""
        wavs = [dataset[i].sum(0) for i in range(STATISTICS_ITEMS)]
        spectra = torch.cat([self._magnitude(wav) for wav in wavs], -1)
        scale = spectra.std(-1)
        for network in self.separator.target_models.values():
            network.input_mean.data = -spectra.mean(-1)
            network.input_scale.data = 1 / scale.clamp_min(1e-4 * scale.max())

    def _magnitude(self, wav):
        return stft(wav, self.n_fft, self.hop_length).abs()
