"""Changes sample rates."""

import math
from numbers import Real

import soxr
import torch
import torch.nn.functional as F
from torchaudio import functional

RATES = (1_000, 1_000_000)  # Hz, that can be resampled
MAX_RATE = 768_000  # Hz, of a model
# The windowed sinc that resampy calls "kaiser_best".
_ZERO_CROSSINGS, _ROLLOFF, _BETA = 64, 0.9475937167399596, 14.769656459379492
_MAX_KERNEL = 2**24  # torchaudio's kernel grows with the product of two coprime rates


def resample(wav: torch.Tensor, orig_rate: int, new_rate: int) -> torch.Tensor:
    """Changes the sample rate with a long Kaiser-windowed sinc (64 zero crossings).

    Args:
        wav (torch.Tensor): (..., time), floating point, any device. The result is differentiable,
            except between rates with hardly a common factor, such as 44100 and 22051.
        orig_rate (int): Sample rate of ``wav``, Hz.
        new_rate (int): Sample rate of the result, Hz.

    Returns:
        torch.Tensor: (..., ceil(time * new_rate / orig_rate)).

    Raises:
        ValueError: If a rate is not a whole number, or out of ``RATES``.

    References
        - [1] : "Digital Audio Resampling Home Page", Smith 2002.
          https://ccrma.stanford.edu/~jos/resample/

    Examples:
        >>> resample(torch.zeros(2, 44100), 44100, 22050).shape
        torch.Size([2, 22050])
    """
    orig, new = check_rate("orig_rate", orig_rate), check_rate("new_rate", new_rate)
    if orig == new:
        return wav
    check_resamples("orig_rate", orig)
    check_resamples("new_rate", new)
    length = resampled_length(wav.shape[-1], orig, new)
    divisor = math.gcd(orig, new)
    up, down = new // divisor, orig // divisor
    if up * (down + 2 * _reach(orig, new)) > _MAX_KERNEL:
        flat = F.pad(wav.detach().cpu().double().reshape(-1, wav.shape[-1]), (0, -(-orig // new)))
        moved = soxr.resample(flat.T.numpy(), orig, new, "VHQ")
        moved = torch.from_numpy(moved).T.reshape(*wav.shape[:-1], -1).to(wav)
        return F.pad(moved, (0, length - moved.shape[-1]))
    # Padded because torchaudio finds the length in float32, short by some frames after 2**24.
    padded = F.pad(wav, (0, 8 * down))
    moved = functional.resample(
        padded, orig, new, _ZERO_CROSSINGS, _ROLLOFF, "sinc_interp_kaiser", _BETA
    )
    return moved[..., :length]


def check_rate(name: str, rate: int, most: float = math.inf) -> int:
    """Returns a sample rate as int; refuses what is not a whole number from 1 to ``most``."""
    is_number = isinstance(rate, Real) and not isinstance(rate, bool)
    if not is_number or not 1 <= rate < math.inf or int(rate) != rate:
        raise ValueError(f"{name} must be a positive whole number of Hz, got {rate!r}")
    if rate > most:
        raise ValueError(f"{name} must be at most {most} Hz, got {rate!r}")
    return int(rate)


def check_resamples(name: str, rate: int) -> None:
    """Refuses sample rates so low or high that resampling would take much time or memory."""
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(
            f"{name} must be {RATES[0]} to {RATES[1]} Hz to be resampled, got {rate} Hz"
        )


def check_rates(rate: int, model_rate: int) -> tuple[int, int]:
    """Checks that music of a rate can be heard by a model of another; returns both rates."""
    if rate != model_rate:
        check_resamples("sample_rate", rate)
    return rate, model_rate


def resampled_length(length: int, orig: int, new: int) -> int:
    """Returns how many samples :func:`resample` makes of ``length``."""
    return -(-length * new // orig)


def source_range(start: int, stop: int, length: int, orig: int, new: int) -> tuple[int, int, int]:
    """Finds what to read for a part of a resampled signal.

    The range begins where both rates share a sample, so that the filter has the phases that it has
    on the whole signal, and extends as far as the filter reaches.

    Args:
        start (int): First sample of the part, after resampling.
        stop (int): End of the part, after resampling.
        length (int): Length of the signal before resampling.
        orig (int): Sample rate of the signal, Hz.
        new (int): Sample rate after resampling, Hz.

    Returns:
        tuple: First sample and end of the range, and the samples to skip once it is resampled.
    """
    divisor = math.gcd(orig, new)
    up, down = new // divisor, orig // divisor
    margin = 0 if orig == new else -(-_reach(orig, new) // down)
    block = max(0, start // up - margin)
    last = min(length, (-(-stop // up) + margin) * down)
    return block * down, last, start - block * up


def _reach(orig: int, new: int) -> int:
    # Half the length of the resampling filter, in samples before resampling.
    return math.ceil(_ZERO_CROSSINGS * max(orig, new) / new / _ROLLOFF) + 1
