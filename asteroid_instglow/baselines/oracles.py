"""What the true sources would allow for: bounds, not systems."""

from pathlib import Path

import torch
import torch.nn.functional as F

from .. import masking
from ..audio.io import AUDIO_SUFFIXES, load_audio
from ..audio.stems import StemSet, folder_for
from ..audio.stft import istft, stft
from ..inference import as_wav
from .base import Baseline, constructor_arguments, require


class Untrained(Baseline):
    """A bound that is computed, not learnt."""

    kind = "oracle"
    sums_up = True

    @classmethod
    def fit(cls, run):
        """There is nothing to be trained."""
        return cls(**run.model), {"steps": 0, "finished": True}


class EqualShares(Untrained):
    """The mixture divided by the number of sources: what doing nothing gets.

    Args:
        sources (list[str]): Names.
        sample_rate (int): Hz.
    """

    def __init__(self, sources, sample_rate=22050):
        super().__init__(constructor_arguments(locals()))

    def _solve(self, wav, options, report):
        return wav.expand(len(self.sources), *wav.shape) / len(self.sources)


class Oracle(Untrained):
    """Masks computed from the true sources, which every separation gets as ``references``.

    Audio of any rate is separated at that rate. What the mixture has besides the true sources is
    masked away.

    Args:
        sources (list[str]): Names.
        sample_rate (int): Of tensors for which none is given, Hz.
        n_fft (int): Window and transform length, samples.
        hop_length (int): Samples between frames.
    """

    def __init__(self, sources, sample_rate=22050, n_fft=2048, hop_length=512):
        super().__init__(constructor_arguments(locals()))
        self.n_fft, self.hop_length = n_fft, hop_length

    def mask(self, truth, mixture):
        """Estimates from the true spectrograms.

        Args:
            truth (torch.Tensor): Complex, (n_src, batch, channels, n_freq, n_frames).
            mixture (torch.Tensor): Complex, (batch, channels, n_freq, n_frames).

        Returns:
            torch.Tensor: As ``truth``.
        """
        raise NotImplementedError

    def torch_separate(self, wav, sample_rate=None, progress=None, references=None):
        """Separates a tensor.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time).
            sample_rate, progress: As any model's; of no consequence.
            references (torch.Tensor): The true sources, (n_src, time) for a wav of one axis, else
                (batch, n_src, time) or (batch, n_src, channels, time).

        Returns:
            torch.Tensor: As any model's.
        """
        mixture, n_axes = as_wav(wav)
        truth = self._truth(mixture, n_axes, references).to(wav.device)
        n = mixture.shape[-1]
        short = max(0, self.n_fft - n)
        spec, true_spec = (
            stft(F.pad(x, (0, short)), self.n_fft, self.hop_length) for x in (mixture, truth)
        )
        # What the mixture has besides is a source, too, that nobody asks for.
        everything = torch.cat([true_spec, spec[None] - true_spec.sum(0, keepdim=True)])
        out = self.mask(everything, spec)[:-1]
        out = istft(out, self.n_fft, self.hop_length, n + short)[..., :n].movedim(0, 1)
        out = out.squeeze(2) if mixture.shape[1] == 1 else out
        return out[0] if n_axes == 1 else out

    def file_separate(
        self,
        filename: str | Path,
        output_dir: str | Path | None = None,
        force_overwrite: bool = False,
        resample: bool = True,
        subtype: str = "PCM_16",
        clip: str = "rescale",
        suffix: str = ".wav",
        progress=None,
        references: str | Path | None = None,
    ) -> dict[str, Path]:
        """Separates a file, given the folder of the true sources.

        Args:
            filename (str | Path): The mixture.
            output_dir, force_overwrite, subtype, clip, suffix: As for any
                :class:`~asteroid_instglow.adapter.Separator`.
            resample, progress: Ignored.
            references (str | Path, optional): Folder with ``<source>.wav``, or another suffix, for
                every source; by default the folder of the mixture.

        Returns:
            dict[str, Path]: Name of each source to its file.
        """
        path = Path(filename)
        truth_folder = path.parent if references is None else Path(references)
        output = folder_for(path) if output_dir is None else output_dir
        with StemSet(output, self.sources, suffix, subtype, clip, force_overwrite) as stems:
            wav, rate = load_audio(path)
            files = [_find(truth_folder, name) for name in self.sources]
            truth = torch.stack([load_audio(file)[0] for file in files])
            out = self.torch_separate(wav[None], references=truth[None])
            stems.start(rate, *wav.shape)
            stems.write(out.reshape(truth.shape).numpy())
        return stems.paths

    def _truth(self, mixture, n_axes, references):
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
    """Each bin of the mixture is shared out as the magnitudes of the true sources are."""

    def mask(self, truth, mixture):  # noqa: D102
        return masking.shares(truth.abs()) * mixture


class IdealWiener(Oracle):
    """Each bin of the mixture is shared out as the powers of the true sources are."""

    def mask(self, truth, mixture):  # noqa: D102
        return masking.shares(truth.abs(), power=2.0) * mixture


class IdealMultichannelWiener(Oracle):
    """The Wiener filter of all channels, from the true powers and spatial covariances.

    One iteration of ``openunmix.filtering.expectation_maximization`` that starts from the truth:
    for each source a power in every bin and one covariance of the channels in every frequency.

    References
        - [1] : "The 2018 Signal Separation Evaluation Campaign", Stoter, Liutkus & Ito 2018.
          https://arxiv.org/abs/1804.06267
    """

    sums_up = False

    def mask(self, truth, mixture):  # noqa: D102
        filtering = require("openunmix.filtering", "openunmix")
        if mixture.shape[1] > 2:
            raise ValueError(f"wav must have one or two channels, got {mixture.shape[1]}")
        # The package asks for frames first, double precision, and a moderate scale.
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


def _find(folder, name):
    for suffix in AUDIO_SUFFIXES:
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise FileNotFoundError(f"references must hold {name}.wav or the like, {folder} does not")
