"""Separation of wavs of any rate, number of channels and length, piece by piece."""

import itertools

import torch
import torch.nn.functional as F

from . import masking
from .audio.io import resample
from .audio.stft import chunk_bounds, crossfade_weights, fit_length
from .files import FileSeparation, as_wav
from .progress import SeparationProgress


class PiecewiseSeparation(FileSeparation):
    """Asteroid's whole separation interface for a model that can separate a short wav of its rate.

    A model that inherits it has ``sources`` (names), ``sample_rate`` (Hz) and ``options``, which
    has ``chunk`` and ``overlap`` (seconds) and ``updated(dict)``; and it defines :meth:`_solve` and
    what else of the methods behind it is not as here.
    """

    def forward(self, wav, **options):
        """As :meth:`forward_wav`."""
        return self.forward_wav(wav, **options)

    def forward_wav(self, wav, **options):
        """Separation at the model's sample rate, for :mod:`asteroid.separate`.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time).
            **options: Of ``options``.

        Returns:
            torch.Tensor: (n_src, time), (batch, n_src, time) or, with two channels or more,
            (batch, n_src, channels, time).
        """
        out = self.torch_separate(wav, **options)
        if not out.any():
            # Asteroid divides by the sum of the output: keep that from being zero.
            out.view(-1)[0] = 1e-30
        return out

    def torch_separate(self, wav, sample_rate=None, progress=None, **options):
        """Separates a tensor. Gradients are handled inside; the weights are left as they are.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time), finite; floating
                or int16.
            sample_rate (int, optional): Of ``wav``, Hz; by default the model's. Another is
                resampled in and back out.
            progress (bool | Callable, optional): True shows a bar with loss and time left. A
                callable gets (iteration, loss) and stops the search of the piece by returning True.
            **options: Of ``options``.

        Returns:
            torch.Tensor: As :meth:`forward_wav`, on the device of ``wav``.

        Raises:
            ValueError: If ``wav`` is empty, has another shape, or holds NaN or infinity.
        """
        options = self.options.updated(options)
        rate = int(sample_rate or self.sample_rate)
        mixture, shape = as_wav(wav)
        for weight in itertools.chain(self.parameters(), self.buffers()):
            mixture = mixture.to(weight.device)
            break
        peak = mixture.abs().amax()
        if peak == 0:
            out = mixture.new_zeros(len(self.sources), *mixture.shape)
        else:
            # Floating-point audio above full scale is heard at full scale: models know no louder.
            gain = peak.clamp_min(1.0)
            with SeparationProgress(progress) as report, torch.no_grad():
                out = self._separate_long(mixture, gain, rate, options, report)
        out = out.movedim(0, 1).to(wav.device)
        if mixture.shape[1] == 1:
            out = out.squeeze(2)
        out = out[0] if len(shape) == 1 else out
        return out.to(wav.dtype) if wav.is_floating_point() else out

    def _solve(self, wav, options, report):
        """Mixture (batch, channels, time) at ``sample_rate`` to (n_src, batch, channels, time)."""
        raise NotImplementedError

    def _sums_up(self, options):
        """Whether the sources sum to the mixture."""
        raise NotImplementedError

    def _n_iter(self, options):
        """Times that :meth:`_solve` reports its progress."""
        return 1

    @property
    def _window(self):
        """Samples that a wav must have at least."""
        return 1

    def _separate_long(self, mixture, gain, rate, options, report):
        # (batch, channels, time) -> (n_src, batch, channels, time), piece by piece: nothing but
        # mixture and sources is as long as the mixture.
        bounds = chunk_bounds(
            mixture.shape[-1], round(options.chunk * rate), round(options.overlap * rate)
        )
        out = mixture.new_zeros(len(self.sources), *mixture.shape)
        report.start(len(bounds), self._n_iter(options))
        for i, (start, end) in enumerate(bounds):
            piece = mixture[..., start:end] / gain
            weights = crossfade_weights(bounds, i).to(mixture)
            # What is silent stays silent, whatever else is in the batch.
            weights = weights * (piece.abs().amax((1, 2), keepdim=True) > 0)
            if piece.any():
                out[..., start:end] += self._separate_piece(piece, rate, options, report) * weights
            report.next_piece()
        return out.mul_(gain)

    def _separate_piece(self, piece, rate, options, report):
        n = piece.shape[-1]
        wav = resample(piece, rate, int(self.sample_rate))
        n_wav = wav.shape[-1]
        wav = F.pad(wav, (0, max(0, self._window - n_wav)))
        out = self._solve(wav, options, report)[..., :n_wav]
        if not self._sums_up(options):
            return fit_length(resample(out, int(self.sample_rate), rate), n)
        if rate == self.sample_rate:
            return out
        out = fit_length(resample(out, int(self.sample_rate), rate), n)
        # Above the models' band, and what the resampling lost, goes where the treble goes.
        return masking.share_remainder(out, piece, rate, min(rate, int(self.sample_rate)) / 2)
