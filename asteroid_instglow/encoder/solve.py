"""Separation with encoders: estimates of any set of them, made to sum to the mixture."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch

from .. import masking
from ..audio.chunks import fit_length
from ..audio.stft import istft, real_parts, stft
from ..audio.tuning import retune
from .base import Encoder, encoders_of, estimate_each

FRAMES = 16  # made to sum up at once; so few stay in the processor's cache
# Of the residual source where the remainder is split: all of the remainder may be its own.
RESIDUAL_WEIGHT = 4.0


class Solution(NamedTuple):
    """What :func:`solve_encoder` returns: complex spectrograms in the encoders' STFT."""

    sources: torch.Tensor  # (n_src, batch, n_freq, n_frames)
    means: torch.Tensor  # the encoders' estimates, of the same shape but without a residual
    mixture: torch.Tensor  # (batch, n_freq, n_frames)


@torch.no_grad()
def solve_encoder(
    wav: torch.Tensor,
    encoders: Sequence[Encoder],
    residual: bool = False,
    constrained: bool = True,
    sources: Sequence[str] | None = None,
    means: torch.Tensor | None = None,
    sharp: float = 0.0,
) -> Solution:
    """Estimates every source and makes the estimates sum to the mixture.

    What the estimates leave of the mixture is split among them in proportion to their magnitudes.

    Encoders trained before source B existed run on the mixture minus B's estimate: they would take
    some of B for their own source.

    Args:
        wav (torch.Tensor): Mixture, (batch, time).
        encoders (Sequence[Encoder]): One per source, all of one STFT setting, in evaluation mode.
        residual (bool): Add a source that takes its part of what the others leave.
        constrained (bool): Make the sources sum to the mixture; else return the estimates.
        sources (Sequence[str], optional): Names of the encoders' sources.
        means (torch.Tensor, optional): What the encoders estimate, if it is known.
        sharp (float): Semitones by which the music is sharp; the encoders hear it in tune.

    Returns:
        Solution: The sources, and what they were made from.
    """
    if means is None:
        means, mixture = estimate_sources(wav, encoders, sources, sharp)
    else:
        spec, scale = encoders[0].transform(wav)
        means, mixture = means.to(wav.device), spec[:, 0] * scale
    if constrained:
        return Solution(reconcile(means, mixture, residual), means, mixture)
    plain = torch.cat([means, torch.zeros_like(means[:1])]) if residual else means
    return Solution(plain, means, mixture)


def encoder_sets(priors: Iterable[Any], quality: str) -> list[list[Encoder]]:
    """Returns one or two lists with an encoder per prior, whose estimates are averaged.

    A prior with one encoder takes part in both with that.

    Args:
        priors (Iterable): Each with one or two encoders.
        quality (str): "fast", "default" or "best".
    """
    each = [encoders_of(prior) for prior in priors]
    fast, strong = [encoders[0] for encoders in each], [encoders[-1] for encoders in each]
    if all(a is b for a, b in zip(fast, strong)):
        return [strong]
    return {"fast": [fast], "default": [strong], "best": [strong, fast]}[quality]


def estimates_size(encoders: Sequence[Encoder], n_samples: int) -> int:
    """Returns the size of the estimates of a wav, bytes.

    Args:
        encoders (Sequence[Encoder]): One per source.
        n_samples (int): Length of the wav at the encoders' sample rate.
    """
    bins = [
        (encoder.n_fft // 2 + 1) * (1 + n_samples // encoder.hop_length) for encoder in encoders
    ]
    return sum(bins) * torch.complex64.itemsize


def are_apart(encoders: Sequence[Encoder], sources: Sequence[str], kept: Sequence[int]) -> bool:
    """Returns True if some sources are estimated as they would be without the others.

    Args:
        encoders, sources: As for :func:`solve_encoder`.
        kept (Sequence[int]): Indices of these sources.
    """
    added = added_later(encoders, sources)
    return all(set(added[i]) <= set(kept) for i in kept)


@torch.no_grad()
def estimate_sources(
    wav: torch.Tensor,
    encoders: Sequence[Encoder],
    sources: Sequence[str] | None = None,
    sharp: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the encoders' estimates of their sources, which need not sum to the mixture.

    Args:
        wav, encoders, sources, sharp: As for :func:`solve_encoder`.

    Returns:
        tuple: Complex (n_src, batch, n_freq, n_frames), and the mixture without the first axis.
    """
    if not sharp:
        return _all_estimates(wav, encoders, sources)
    slow = retune(wav, sharp)
    n_fft, hop_length = encoders[0].n_fft, encoders[0].hop_length
    means, _ = _all_estimates(slow, encoders, sources)
    found = retune(istft(means, n_fft, hop_length, slow.shape[-1]), sharp, back=True)
    spec, scale = encoders[0].transform(wav)
    return stft(fit_length(found, wav.shape[-1]), n_fft, hop_length), spec[:, 0] * scale


def _all_estimates(
    wav: torch.Tensor, encoders: Sequence[Encoder], sources: Sequence[str] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    means, mixture = _estimates(encoders, wav)
    added = added_later(encoders, sources)
    for later in sorted(set(added) - {()}, key=len):
        earlier = [i for i in range(len(encoders)) if added[i] == later]
        n_fft, hop_length = encoders[0].n_fft, encoders[0].hop_length
        known = istft(means[list(later)].sum(0), n_fft, hop_length, wav.shape[-1])
        means[earlier], _ = _estimates([encoders[i] for i in earlier], wav - known)
    return means, mixture


def reconcile(means: torch.Tensor, mixture: torch.Tensor, residual: bool = False) -> torch.Tensor:
    """Makes estimates sum to the mixture, see :func:`solve_encoder`.

    Args:
        means (torch.Tensor): Estimates, complex (n_src, ..., n_freq, n_frames).
        mixture (torch.Tensor): Complex (..., n_freq, n_frames).
        residual (bool): Add a source that takes its part of what the others leave.

    Returns:
        torch.Tensor: Complex (n_src, ..., n_freq, n_frames), one source more with ``residual``.
    """
    # A few frames at a time, laid out as the transforms do, frame by frame.
    pieces = zip(*(x.transpose(-1, -2).split(FRAMES, -2) for x in (means, mixture)))
    found = [_reconcile(mean, mixed, residual) for mean, mixed in pieces]
    return torch.cat(found, -2).transpose(-1, -2)


def _reconcile(means: torch.Tensor, mixture: torch.Tensor, residual: bool) -> torch.Tensor:
    parts = real_parts(means, 1)  # (n_src, 2, ...)
    missing = real_parts(mixture) - parts.sum(0)
    weights = parts.square().sum(1, keepdim=True).sqrt()
    if residual:
        parts = torch.cat([parts, torch.zeros_like(missing)[None]])
        own = missing.square().sum(0, keepdim=True).sqrt()
        weights = torch.cat([weights, RESIDUAL_WEIGHT * own[None]])
    found = masking.project_sum(parts, missing, weights)
    return torch.complex(found[:, 0], found[:, 1])


def _estimates(encoders: Sequence[Encoder], wav: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # Estimates (n_encoders, batch, n_freq, n_frames), and the mixture's spectrogram.
    spec, scale = encoders[0].transform(wav)
    means = estimate_each(encoders, spec[:, 0])
    return means.mul_(scale), spec[:, 0].mul_(scale)


def added_later(encoders: Sequence[Any], sources: Any) -> list[tuple[int, ...]]:
    """Lists for each encoder those that have heard its source while it has not theirs.

    Args:
        encoders, sources: As for :func:`solve_encoder`.

    Returns:
        list[tuple[int, ...]]: Their indices.
    """
    if sources is None:
        return [()] * len(encoders)

    def later(i: int, j: int) -> bool:
        mine, others = encoders[i].heard, encoders[j].heard
        known = mine is not None and others is not None
        return known and sources[j] not in mine and sources[i] in others

    each = range(len(encoders))
    return [tuple(j for j in each if later(i, j)) for i in each]
