"""Separates audio of any rate, level and length, piece by piece."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from . import masking
from .audio.chunks import chunk_bounds, crossfade_weights, fit_length
from .audio.reading import open_decoded, read_frames
from .audio.resampling import check_rate, resample

MAX_CHANNELS = 64
_SCAN = 2**18  # frames


class Mixture(NamedTuple):
    """A file that is read block by block.

    ``read(n)`` returns the next n samples, (1, channels, n); ``rewind`` goes back to the start.
    """

    sample_rate: int
    channels: int
    n_samples: int
    read: Callable[[int], torch.Tensor]
    rewind: Callable[[], object]


@contextmanager
def open_mixture(path: Path, only_rate: float | None = None) -> Iterator[Mixture]:
    """Opens a file that is to be separated.

    The file is read to its end first, so that one that is damaged there is refused at once.

    Args:
        path (Path): An existing file.
        only_rate (float, optional): The sample rate that it must have, Hz.

    Yields:
        Mixture: The file.

    Raises:
        ValueError: If it is no audio, damaged or of another rate.
    """
    with open_decoded(path) as (file, _):
        rate, n = file.samplerate, file.frames
        if only_rate not in (None, rate):
            raise ValueError(
                f"{path} must have {only_rate} Hz as the priors, got {rate} Hz; pass resample=True"
            )
        for start in range(0, n, _SCAN):
            read_frames(file, path, start, min(_SCAN, n - start))
        file.seek(0)

        def read(frames: int) -> torch.Tensor:
            return torch.from_numpy(read_frames(file, path, None, frames).T.copy())[None]

        yield Mixture(rate, file.channels, n, read, lambda: file.seek(0))


def as_mixture(wav: torch.Tensor, sample_rate: int) -> Mixture:
    """Returns what reads a signal (batch, channels, time) as a file is read."""
    rate, n_read = check_rate("sample_rate", sample_rate), 0

    def read(frames: int) -> torch.Tensor:
        nonlocal n_read
        n_read += frames
        return wav[..., n_read - frames : n_read]

    def rewind() -> None:
        nonlocal n_read
        n_read = 0

    return Mixture(rate, wav.shape[1], wav.shape[-1], read, rewind)


def excerpts(mixture: Mixture, seconds: float, n_most: int) -> Iterator[torch.Tensor]:
    """Reads a recording, or if it is long, excerpts that are evenly spread over it.

    Args:
        mixture (Mixture): The recording, at its start.
        seconds (float): Length of an excerpt.
        n_most (int): How many to read of a recording that is longer than all together.

    Yields:
        torch.Tensor: (channels, time).

    Examples:
        >>> song = as_mixture(torch.arange(100.0).view(1, 1, 100), 10)
        >>> [part[0, 0].item() for part in excerpts(song, seconds=2, n_most=3)]
        [0.0, 40.0, 80.0]
    """
    size, n = round(seconds * mixture.sample_rate), mixture.n_samples
    if n <= n_most * size:
        yield mixture.read(n)[0]
        return
    at = 0
    for i in range(n_most):
        start = round(i * (n - size) / (n_most - 1)) if n_most > 1 else (n - size) // 2
        while at < start:
            at += mixture.read(min(_SCAN, start - at)).shape[-1]
        yield mixture.read(size)[0]
        at += size


def separate_long(
    solve: Callable[[torch.Tensor], torch.Tensor],
    wav: torch.Tensor,
    n_src: int,
    chunk: int,
    overlap: int,
) -> torch.Tensor:
    """Separates a long signal piece by piece and crossfades the pieces.

    Only the result is as long as the signal.

    Args:
        solve (Callable): Separates a piece, (batch, channels, time) to (n_src, batch, channels,
            time).
        wav (torch.Tensor): (batch, channels, time).
        n_src (int): Number of sources.
        chunk (int): Longest piece, samples.
        overlap (int): Samples that neighbouring pieces share, at most half of ``chunk``.

    Returns:
        torch.Tensor: (n_src, batch, channels, time).

    Examples:
        >>> halves = separate_long(lambda x: torch.stack([x, x]) / 2, torch.ones(1, 1, 9), 2, 4, 2)
        >>> bool((halves == 0.5).all())
        True
    """
    out, n_written = wav.new_empty(n_src, *wav.shape), 0
    read = as_mixture(wav, 1).read
    for block in separate_blocks(solve, read, wav.shape[-1], chunk, overlap):
        out[..., n_written : n_written + block.shape[-1]] = block
        n_written += block.shape[-1]
    return out


def separate_blocks(
    solve: Callable[[torch.Tensor], torch.Tensor],
    read: Callable[[int], torch.Tensor],
    n_samples: int,
    chunk: int,
    overlap: int,
) -> Iterator[torch.Tensor]:
    """Separates a stream; see :func:`separate_long`.

    Args:
        solve, chunk, overlap: As for :func:`separate_long`.
        read (Callable): Returns the next so many samples, (batch, channels, time).
        n_samples (int): Length of the stream.

    Yields:
        torch.Tensor: Blocks (n_src, batch, channels, time), which together are as long as the
        stream.
    """
    bounds = chunk_bounds(n_samples, chunk, overlap)
    ends = [start for start, _ in bounds[1:]] + [n_samples]
    piece, tail, seen = torch.empty(0), torch.empty(0), 0
    for i, (start, end) in enumerate(bounds):
        new = read(end - seen)
        piece = new if i == 0 else torch.cat([piece[..., start - bounds[i - 1][0] :], new], -1)
        out = solve(piece)
        if len(bounds) > 1:
            out = out * crossfade_weights(bounds, i).to(out)
        if i > 0:
            out[..., : tail.shape[-1]] += tail
        yield out[..., : ends[i] - start]
        tail, seen = out[..., ends[i] - start :], end


def separate_piece(
    solve: Callable[[torch.Tensor], torch.Tensor],
    wav: torch.Tensor,
    n_src: int,
    rates: tuple[int, int],
    window: int = 1,
    sums_up: bool = False,
    discard: bool = False,
) -> torch.Tensor:
    """Separates a piece of any sample rate, length and level.

    Silence is separated into silence. A piece above full scale is scaled down to it for ``solve``,
    and its sources are scaled back.

    Args:
        solve (Callable): As for :func:`separate_long`, at the model's sample rate.
        wav (torch.Tensor): (batch, channels, time).
        n_src (int): Number of sources.
        rates (tuple[int, int]): Sample rates of ``wav`` and of the model, Hz.
        window (int): Samples that the model needs at least.
        sums_up (bool): Whether the sources sum to the mixture; if so they do at the rate of
            ``wav``, too.
        discard (bool): Return silence, which saves the resampling; for callers that want only what
            ``solve`` records.

    Returns:
        torch.Tensor: (n_src, batch, channels, time), at the rate of ``wav``.
    """
    if not wav.any():
        return wav.new_zeros(n_src, *wav.shape)
    rate, model_rate = rates
    gain = wav.abs().amax().clamp_min(1.0)
    wav = wav / gain
    heard = resample(wav, rate, model_rate)
    n_heard = heard.shape[-1]
    out = solve(F.pad(heard, (0, max(0, window - n_heard))))[..., :n_heard]
    if discard:
        return wav.new_zeros(n_src, *wav.shape)
    if rate != model_rate:
        # One by one: a resampler takes several times the memory of its result.
        out = torch.stack(
            [fit_length(resample(source, model_rate, rate), wav.shape[-1]) for source in out]
        )
        if sums_up:
            # What the model's rate cannot hold, and what resampling lost.
            out = masking.share_remainder(out, wav, rate, min(rates) / 2)
    return out * gain


def one_if_equal(wav: torch.Tensor) -> torch.Tensor:
    """Returns the first channel if all channels are equal, else all.

    Args:
        wav (torch.Tensor): (batch, channels, time).

    Examples:
        >>> one_if_equal(torch.ones(1, 2, 9)).shape
        torch.Size([1, 1, 9])
    """
    first = wav[:, :1]
    return first if (wav == first).all() else wav


def as_wav(wav: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Checks a mixture and gives it three axes.

    Args:
        wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time).

    Returns:
        tuple: float32 (batch, channels, time), and the number of axes that it had.
    """
    if not isinstance(wav, torch.Tensor):
        raise TypeError(f"wav must be a tensor, got {type(wav).__name__}")
    shape = tuple(wav.shape)
    if wav.layout != torch.strided or wav.is_meta or wav.is_quantized:
        kind = "quantized" if wav.is_quantized else "meta" if wav.is_meta else wav.layout
        raise ValueError(f"wav must be a dense tensor with values, got a {kind} one")
    if wav.ndim not in (1, 2, 3):
        raise ValueError(
            f"wav must be (time,), (batch, time) or (batch, channels, time), got {shape}"
        )
    if wav.numel() == 0:
        raise ValueError(f"wav must have at least one sample, got {shape}")
    if wav.ndim > 1 and shape[-2] > MAX_CHANNELS >= shape[-1]:
        raise ValueError(
            f"wav must have the time on its last axis, got {shape}: transpose it, "
            "(time, channels) to (1, channels, time)"
        )
    if wav.dtype == torch.int16:
        wav = wav.float() / 32768
    if not wav.is_floating_point():
        raise ValueError(f"wav must be floating point or int16, got {wav.dtype}")
    wav = wav.float()
    if not wav.isfinite().all():
        bad = int((~wav.isfinite()).sum())
        raise ValueError(f"wav must be finite, got {bad} samples that are NaN or infinite")
    if wav.ndim == 1:
        wav = wav[None]
    return (wav[:, None] if wav.ndim == 2 else wav), len(shape)


def shaped_as(n_axes: int, sources: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Gives sources the axes and the type that their mixture had.

    Args:
        n_axes (int): From :func:`as_wav`.
        sources (torch.Tensor): (n_src, batch, channels, time).
        dtype (torch.dtype): Type of the mixture. If it holds whole numbers, sources stay float32.

    Returns:
        torch.Tensor: (n_src, time), (batch, n_src, time) or, with two channels or more, (batch,
        n_src, channels, time).
    """
    sources = sources.movedim(0, 1)
    sources = sources.squeeze(2) if sources.shape[2] == 1 else sources
    sources = sources[0] if n_axes == 1 else sources
    if dtype == torch.float16:  # What is beyond its range would be infinite.
        sources = sources.clamp(-65504, 65504)
    return sources.to(dtype) if dtype.is_floating_point else sources
