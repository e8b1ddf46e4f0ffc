"""Open-Unmix: one recurrent network per source on magnitudes, then a Wiener filter."""

from functools import partial

import torch
from torch.utils.data import Dataset

from ..audio.stft import stft
from ..utils.checks import check_whole
from .base import build_bounded, constructor_arguments, require
from .supervised import Supervised

STATISTICS_ITEMS = 100


class OpenUnmixBaseline(Supervised):
    """The networks of the package ``openunmix`` and its ``Separator``.

    Each network estimates one source, and they share no weights. They are trained side by side on
    the same mixtures, which is equivalent to training them one after the other.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Sample rate in Hz.
        n_fft (int): Window and transform length in samples; half of the authors', at half the rate.
        hop_length (int): Samples between frames.
        hidden_size (int): Width of the LSTM, even.
        n_layers (int): Number of LSTM layers.
        wiener_iterations (int): Iterations of expectation maximisation after the networks.

    References
        - [1] : "Open-Unmix - A Reference Implementation for Music Source Separation", Stoter et al.
          2019. https://doi.org/10.21105/joss.01667
    """

    defaults = {"n_steps": 300_000, "batch_size": 16, "segment": 6.0, "lr": 1e-3}
    weight_decay = 1e-5
    sizes = {"hidden_size": 2**13, "n_layers": 16}

    def __init__(
        self,
        sources: list[str],
        sample_rate: int = 22050,
        n_fft: int = 2048,
        hop_length: int = 512,
        hidden_size: int = 512,
        n_layers: int = 3,
        wiener_iterations: int = 1,
    ):
        super().__init__(constructor_arguments(locals()))
        check_whole("wiener_iterations", wiener_iterations, 0, 100)
        if hidden_size % 2:
            raise ValueError(f"hidden_size must be even, got {hidden_size}")
        self.n_fft, self.hop_length = n_fft, hop_length
        package = require("openunmix.model")
        build = partial(
            package.OpenUnmix,
            n_fft // 2 + 1,
            nb_channels=1,
            hidden_size=hidden_size,
            nb_layers=n_layers,
        )
        # Named by number: the name of a source may be that of a module's attribute.
        networks = {str(i): build_bounded(build, len(sources)) for i in range(len(sources))}
        self.separator = package.Separator(
            networks,
            niter=wiener_iterations if len(sources) > 1 else 0,
            sample_rate=float(sample_rate),
            n_fft=n_fft,
            n_hop=hop_length,
            nb_channels=1,
        )

    @property
    def _window(self) -> int:
        return self.n_fft

    def estimate(self, mixture: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return self.separator(mixture[:, None]).squeeze(2)

    def loss(self, sources: torch.Tensor) -> torch.Tensor:
        """Computes the mean square error of the magnitudes, summed over the sources."""
        magnitudes = self._magnitude(sources)
        mixture = self._magnitude(sources.sum(1, keepdim=True))
        losses = [
            (network(mixture)[:, 0] - magnitudes[:, i]).square().mean((1, 2))
            for i, network in enumerate(self.separator.target_models.values())
        ]
        return torch.stack(losses).sum(0)

    def prepare(self, dataset: Dataset) -> None:
        """Sets mean and scale of each input bin, as the authors do."""
        wavs = [dataset[i].sum(0) for i in range(STATISTICS_ITEMS)]
        spectra = torch.cat([self._magnitude(wav) for wav in wavs], -1)
        scale = spectra.std(-1)
        for network in self.separator.target_models.values():
            network.input_mean.data = -spectra.mean(-1)
            network.input_scale.data = 1 / scale.clamp_min(1e-4 * scale.max())

    def _magnitude(self, wav: torch.Tensor) -> torch.Tensor:
        return stft(wav, self.n_fft, self.hop_length).abs()
