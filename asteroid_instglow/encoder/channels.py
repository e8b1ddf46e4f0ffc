"""Separates the channels of a recording with the encoders of any set of priors."""

from collections.abc import Sequence
from typing import Any

import torch

from .. import masking
from ..audio.stft import istft, stft
from ..audio.tuning import out_of_tune
from ..options import SeparationOptions
from .base import Encoder
from .solve import estimate_sources, solve_encoder
from .stereo import use_places


def separate_channels(
    wav: torch.Tensor,
    sets: Sequence[Sequence[Encoder]],
    sources: Sequence[str],
    sample_rate: int,
    options: SeparationOptions,
    residual: bool,
    report: Any,
) -> torch.Tensor:
    """Separates waveforms by the estimates of some sets of encoders.

    Args:
        wav (torch.Tensor): (batch, channels, time).
        sets (Sequence): Sets of encoders, from :func:`~.solve.encoder_sets`.
        sources (Sequence[str]): Names of the encoders' sources.
        sample_rate (int): Hz.
        options (SeparationOptions): Resolved; uses quality, fast_share, retune, wiener and
            stereo.
        residual (bool): Add a source that takes its part of what the others leave.
        report (SeparationProgress): Gets the evidence, and keeps or returns estimates.

    Returns:
        torch.Tensor: (n_src, batch, channels, time).
    """
    n, n_fft, hop = wav.shape[-1], sets[0][0].n_fft, sets[0][0].hop_length
    mid = wav.shape[1] > 1 and options.stereo == "mid"
    out = []
    for item in wav:
        heard = item.mean(0, keepdim=True) if mid else item
        level = heard.abs().max()
        level = torch.where(level > 0, level, 1)
        heard = heard / level
        sharp = out_of_tune(heard, sample_rate, n_fft) if options.retune else 0.0
        how = (sets, sources, options, residual, sharp, report.estimates)
        is_spatial = options.stereo == "spatial" and len(heard) == 2 and report.is_result_used
        found, mixture = [], []
        # One by one takes less memory, and no more time.
        for channel in heard.split(1):
            guess, means, spec = _solve_channel(channel, *how)
            found.append(guess if is_spatial else istft(guess, n_fft, hop, n))
            mixture.append(spec)
            if report.evidence is not None:
                # By way of waveforms, as not every array is the spectrogram of one. What the places
                # add is not counted: the errors are known of channels that are separated alone.
                alone = istft(guess, n_fft, hop, n) if is_spatial else found[-1]
                wavs = channel[0], alone, istft(means, n_fft, hop, n)
                shown = (stft(level * wav, n_fft, hop) for wav in wavs)
                report.evidence.add(*shown, hop, sample_rate)
        rows = torch.stack(found, 1)
        if is_spatial:
            rows = istft(use_places(rows, torch.stack(mixture)), n_fft, hop, n)
        out.append(rows * level)
    result = torch.stack(out, 1)
    if not mid:
        return result
    shares = masking.shares(stft(result, n_fft, hop).abs())
    return istft(shares * stft(wav, n_fft, hop), n_fft, hop, n)


def _solve_channel(
    row: torch.Tensor,
    sets: Sequence[Sequence[Encoder]],
    sources: Sequence[str],
    options: SeparationOptions,
    residual: bool,
    sharp: float,
    kept: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # The sources of one channel (1, time), what the encoders estimate of them, and their mixture.
    means: Any = kept.next() if kept and kept.is_complete else None
    if means is None and len(sets) > 1:
        strong, fast = (estimate_sources(row, encoders, sources, sharp)[0] for encoders in sets)
        means = strong.lerp(fast, options.fast_share)
    found = solve_encoder(row, sets[0], residual, bool(options.wiener), sources, means, sharp)
    if kept and not kept.is_complete:
        kept.keep(found.means)
    return found.sources[:, 0], found.means[:, 0], found.mixture[0]
