"""Bounds: what masks computed from the true sources would give."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from .. import masking
from ..audio.io import AUDIO_SUFFIXES, load_audio
from ..audio.stft import istft, stft
from ..inference import Mixture, as_wav, shaped_as
from ..utils.progress import SeparationProgress
from .base import Baseline, constructor_arguments, require


class Untrained(Baseline):
    """A bound without training."""

    kind = "oracle"
    defaults = {"n_steps": 1}
    sums_up = True

    @classmethod
    def fit(cls, run: Any) -> tuple["Untrained", dict]:
        """Builds the model; there is nothing to train."""
        return cls(**run.model), {"steps": 0, "finished": True}


class EqualShares(Untrained):
    """Divides the mixture by the number of sources: the score of doing nothing.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Sample rate in Hz.
    """

    def __init__(self, sources: list[str], sample_rate: int = 22050):
        super().__init__(constructor_arguments(locals()))

    def _solve(self, wav: torch.Tensor, options: Any, report: SeparationProgress) -> torch.Tensor:
        return wav.expand(len(self.sources), *wav.shape) / len(self.sources)


class Oracle(Untrained):
    """Masks the mixture by the true sources, which every separation gets as ``references``.

    For a file they are the folder with ``<source>.wav``, or another suffix, for every source; by
    default that of the mixture. Audio of any sample rate is separated at that rate. Parts of the
    mixture that belong to none of the true sources are masked out.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Sample rate in Hz.
        n_fft (int): Window and transform length in samples.
        hop_length (int): Samples between frames.
    """

    def __init__(
        self, sources: list[str], sample_rate: int = 22050, n_fft: int = 2048, hop_length: int = 512
    ):
        super().__init__(constructor_arguments(locals()))
        self.n_fft, self.hop_length = n_fft, hop_length

    def mask(self, truth: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
        """Estimates spectrograms from the true spectrograms.

        Args:
            truth (torch.Tensor): Complex, (n_src, batch, channels, n_freq, n_frames).
            mixture (torch.Tensor): Complex, (batch, channels, n_freq, n_frames).

        Returns:
            torch.Tensor: Shape of ``truth``.
        """
        raise NotImplementedError

    def torch_separate(  # type: ignore[override]
        self,
        wav: torch.Tensor,
        sample_rate: int | None = None,
        progress: Any = None,
        references: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Separates a tensor.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time).
            sample_rate, progress: Ignored.
            references (torch.Tensor): True sources, (n_src, time) if ``wav`` has one axis, else
                (batch, n_src, time) or (batch, n_src, channels, time).

        Returns:
            torch.Tensor: Shape of ``references``.
        """
        mixture, n_axes = as_wav(wav)
        truth = self._truth(mixture, n_axes, references).to(wav.device)
        n = mixture.shape[-1]
        short = max(0, self.n_fft - n)
        spec, true_spec = (
            stft(F.pad(x, (0, short)), self.n_fft, self.hop_length) for x in (mixture, truth)
        )
        # The rest of the mixture is one more source, which is not returned.
        everything = torch.cat([true_spec, spec[None] - true_spec.sum(0, keepdim=True)])
        out = self.mask(everything, spec)[:-1]
        sources = istft(out, self.n_fft, self.hop_length, n + short)[..., :n]
        return shaped_as(n_axes, sources, torch.float32)

    def file_separate(
        self, filename: str | Path, *args: Any, references: str | Path | None = None, **options: Any
    ) -> dict[str, Path]:
        """Separates a file; ``references`` is the folder of the true sources, else its own."""
        folder = Path(filename).parent if references is None else references
        return super().file_separate(filename, *args, references=folder, **options)

    def _separate_stream(
        self, mixture: Mixture, report: Any, options: dict[str, Any], confidence: bool
    ) -> Iterator[torch.Tensor]:
        if confidence:
            self._gather(0, options)
        folder = Path(options.pop("references"))
        files = [_find(folder, name) for name in self.sources]
        true_sources = [load_audio(file)[0] for file in files]
        for file, source in zip(files, true_sources):
            if source.shape != (mixture.channels, mixture.n_samples):
                raise ValueError(
                    "references must have the shape of the mixture, "
                    f"{(mixture.channels, mixture.n_samples)}, got {tuple(source.shape)} in {file}"
                )
        truth = torch.stack(true_sources)
        wav = mixture.read(mixture.n_samples)
        out = self.torch_separate(wav, references=truth[None], **options)
        yield out.reshape(truth.shape)[:, None]

    def _truth(
        self, mixture: torch.Tensor, n_axes: int, references: torch.Tensor | None
    ) -> torch.Tensor:
        wanted = (len(mixture), len(self.sources), *mixture.shape[1:])
        if references is None:
            raise ValueError(f"references must be the true sources, {wanted}, got none")
        truth = references.to(mixture.dtype)
        truth = truth[None] if n_axes == 1 else truth
        truth = truth[:, :, None] if truth.ndim == 3 else truth
        if truth.shape != wanted:
            raise ValueError(
                f"references must be (batch, n_src, channels, time) = {wanted}, "
                f"got {tuple(references.shape)}"
            )
        return truth.movedim(1, 0)


class IdealRatioMask(Oracle):
    """Divides each bin of the mixture in proportion to the true magnitudes."""

    def mask(self, truth: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return masking.shares(truth.abs()) * mixture


class IdealWiener(Oracle):
    """Divides each bin of the mixture in proportion to the true powers."""

    def mask(self, truth: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return masking.shares(truth.abs(), power=2.0) * mixture


class IdealMultichannelWiener(Oracle):
    """Multichannel Wiener filter from the true powers and spatial covariances.

    Runs one iteration of ``openunmix.filtering.expectation_maximization`` from the true sources. It
    has one power per source and bin, and one covariance of the channels per source and frequency.

    References
        - [1] : "The 2018 Signal Separation Evaluation Campaign", Stoter, Liutkus & Ito 2018.
          https://arxiv.org/abs/1804.06267
    """

    sums_up = False

    def mask(self, truth: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:  # noqa: D102
        filtering = require("openunmix.filtering")
        if mixture.shape[1] > 2:
            raise ValueError(f"wav must have one or two channels, got {mixture.shape[1]}")
        # The package expects frames first, double precision and a moderate scale.
        scale = mixture.abs().amax((1, 2, 3)).clamp_min(1e-10) / 10
        out = torch.empty_like(truth)
        for i, (x, level) in enumerate(zip(mixture, scale)):
            y = torch.view_as_real((truth[:, i] / level).to(torch.complex128))
            x = torch.view_as_real((x / level).to(torch.complex128))
            y, x = y.permute(3, 2, 1, 4, 0).contiguous(), x.permute(2, 1, 0, 3).contiguous()
            filtered = filtering.expectation_maximization(y, x, iterations=1)[0]
            filtered = torch.view_as_complex(filtered.permute(4, 2, 1, 0, 3).contiguous())
            out[:, i] = (filtered * level).to(out.dtype)
        return out


def _find(folder: Path, name: str) -> Path:
    for suffix in AUDIO_SUFFIXES:
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise FileNotFoundError(f"references must hold {name}.wav or the like, {folder} does not")
