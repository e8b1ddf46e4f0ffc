r"""GAN prior: one SpecGAN generator per source, and a search for latents that explain the mixture.

Each generator is trained on the solos of its source and maps latents in :math:`[-1, 1]^d` to
patches of log-magnitude spectrogram (``gan_networks``, ``gan_training``). A mixture is cut into
patches; in each, projected gradient descent moves the latents of all sources until the sum of the
generated magnitudes resembles the mixture (``gan_search``). The patches are joined over time, and
each bin of the mixture is divided in proportion to the sources.

References
    - [1] : "Adversarial Audio Synthesis", Donahue, McAuley & Puckette 2019 (SpecGAN).
      https://arxiv.org/abs/1802.04208
    - [2] : "Unsupervised Audio Source Separation using Generative Priors", Narayanaswamy,
      Thiagarajan, Anirudh & Spanias 2020. https://arxiv.org/abs/2005.13769
"""

from pathlib import Path
from typing import Any

import torch

from ..data import SoloDataset
from ..training.loaders import ENDLESS_ITEMS
from ..utils.checks import check_above_zero, check_whole
from ..utils.progress import SeparationProgress
from .base import constructor_arguments
from .gan_networks import Adversaries, Generator
from .gan_search import cut, join, search
from .gan_training import GanSystem
from .runs import Run, fit_module
from .source_only import SourceOnly

STATISTICS_ITEMS = 200


class GanPrior(SourceOnly):
    """Explains a mixture by the outputs of one generative adversarial network per source.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Sample rate in Hz.
        n_fft (int): Window and transform length in samples; half of it is the height of a patch.
        hop_length (int): Samples between frames.
        n_frames (int): Width of a patch in frames.
        n_latent (int): Size of a latent.
        width (int): Number of channels next to the spectrogram, doubled at each level.
        depth (int): Number of levels, each of which halves height and width of a patch.
        n_iter (int): Number of steps of the search.
        search_lr (float): Learning rate of the search (Adam).
        overlap_frames (int): Frames that neighbouring patches share, less than ``n_frames``.

    Examples:
        >>> args = {"n_fft": 32, "hop_length": 8, "n_frames": 16, "depth": 2, "width": 2}
        >>> model = GanPrior(["bass", "drums"], n_iter=2, overlap_frames=4, **args)
        >>> model.separate(torch.randn(1, 4000)).shape
        torch.Size([1, 2, 4000])
    """

    defaults = {"n_steps": 100_000, "batch_size": 64, "lr": 1e-4}
    sizes = {**{"n_frames": 2**13, "n_latent": 2**13, "width": 2**10, "depth": 10}, "n_iter": 10**6}

    def __init__(
        self,
        sources: list[str],
        sample_rate: int = 22050,
        n_fft: int = 1024,
        hop_length: int = 256,
        n_frames: int = 128,
        n_latent: int = 100,
        width: int = 64,
        depth: int = 5,
        n_iter: int = 1000,
        search_lr: float = 0.05,
        overlap_frames: int = 16,
    ):
        check_above_zero("search_lr", search_lr)
        check_whole("overlap_frames", overlap_frames, 0)
        super().__init__(constructor_arguments(locals()))
        if overlap_frames >= n_frames:
            raise ValueError(f"overlap_frames must be below n_frames, got {overlap_frames}")
        self.n_fft, self.hop_length, self.n_frames = n_fft, hop_length, n_frames
        self.n_iter, self.search_lr, self.overlap_frames = n_iter, search_lr, overlap_frames

    def _part(self) -> Generator:
        args = self.get_model_args()
        size = (args["n_fft"] // 2, args["n_frames"])
        return Generator(size, args["n_latent"], args["width"], args["depth"])

    def _n_iter(self, options: Any) -> int:
        return self.n_iter

    def _magnitudes(self, mixture: torch.Tensor, report: SeparationProgress) -> torch.Tensor:
        # Patches lack the topmost bin; it is divided like its neighbour.
        patches = cut(mixture[:, :-1], self.n_frames, self.overlap_frames)
        found = search(self.parts, patches.flatten(0, 1), self.n_iter, self.search_lr, report.step)
        found = found.unflatten(1, patches.shape[:2])
        sources = join(found, self.overlap_frames, mixture.shape[-1])
        return torch.cat([sources, sources[:, :, -1:]], 2)

    @classmethod
    def fit_source(cls, run: Run, source: str, output: Path) -> tuple["GanPrior", dict]:
        """Trains the generator of one source against its own critic."""
        model = cls(**{**run.model, "sources": [source]})
        rate = model.get_model_args()["sample_rate"]
        length = (model.n_frames - 1) * model.hop_length
        progress, seed = run.options.progress, run.options.seed
        common = {"segment": length / rate, "sample_rate": rate, "progress": progress}
        train = SoloDataset(files=run.files[source], n_items=ENDLESS_ITEMS, seed=seed, **common)
        held_out = SoloDataset(files=run.held_out[source], random=False, **common)
        generator: Any = model.parts[0]
        adversaries = Adversaries(generator, model.n_fft, model.hop_length)
        adversaries.measure(torch.stack([train[i] for i in range(STATISTICS_ITEMS)]))
        record = fit_module(
            run,
            adversaries,
            GanSystem,
            output,
            train,
            held_out,
            keep="last",
            name=source,
            betas=(0.5, 0.9),
        )
        model.requires_grad_(True)
        return model, record
