"""Cuts long signals into overlapping chunks and weights them for a crossfade."""

import torch
import torch.nn.functional as F


def chunk_bounds(n_samples: int, chunk: int, overlap: int) -> list[tuple[int, int]]:
    """Covers a signal with as few chunks as possible, all of nearly equal length.

    Where a chunk would overlap the one after the next, all overlaps are made shorter.

    Args:
        n_samples (int): Length of the signal.
        chunk (int): Longest chunk.
        overlap (int): Samples that neighbours share, at most half of ``chunk``.

    Returns:
        list[tuple[int, int]]: Start and end of each chunk.

    Examples:
        >>> chunk_bounds(10, 6, 2)
        [(0, 6), (4, 10)]
    """
    if not 0 <= overlap <= chunk // 2:
        raise ValueError(f"overlap must be in [0, chunk // 2 = {chunk // 2}], got {overlap}")
    if n_samples <= chunk:
        return [(0, n_samples)]
    n_chunks = -(-(n_samples - overlap) // (chunk - overlap))
    overlap = min(overlap, n_samples // (n_chunks + 1))
    starts = [i * (n_samples - overlap) // n_chunks for i in range(n_chunks + 1)]
    return [(start, end + overlap) for start, end in zip(starts, starts[1:])]


def crossfade_weights(bounds: list[tuple[int, int]], i: int) -> torch.Tensor:
    """Returns the weights (time,) of chunk ``i``, which sum to one with its neighbours'."""
    start, end = bounds[i]
    weights = torch.ones(end - start)
    if i > 0:
        n = bounds[i - 1][1] - start
        weights[:n] = _ramp(n)
    if i + 1 < len(bounds):
        n = end - bounds[i + 1][0]
        weights[len(weights) - n :] = 1 - _ramp(n)
    return weights


def fit_length(wav: torch.Tensor, length: int) -> torch.Tensor:
    """Cuts ``wav`` (..., time) to ``length`` samples, or pads it with zeros."""
    return F.pad(wav, (0, length - wav.shape[-1]))


def _ramp(n: int) -> torch.Tensor:
    # A raised cosine.
    phase = (torch.arange(n) + 0.5) / max(n, 1)
    return torch.sin(0.5 * torch.pi * phase) ** 2
