"""Improves estimates of the channels of a stereo recording by the places of its sources."""

from collections.abc import Sequence
from typing import Any

import torch

from ..audio.stft import real_parts

FRAMES = 16  # filtered at once: what is computed of them stays in the processor's cache
PASSES = 2  # each from the powers and the places that the last one left
STEP = 0.7  # of the way that a pass may go
FLOOR = 1e-8  # power of a source in a bin
DIFFUSE = 1e-3  # of the power, which comes from everywhere: the filter stays finite


def use_places(sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    r"""Improves estimates of both channels by where in the stereo image each source stands.

    Source j has the power :math:`v_j` in a bin, and the covariance :math:`R_j` between the channels
    at a frequency, both taken from the estimates. Of independent Gaussian sources with these, the
    posterior mean is the multichannel Wiener filter [1, 2]

    .. math:: W_j y = v_j R_j \left(\sum_k v_k R_k\right)^{-1} y

    Masks of a single channel follow from the powers :math:`|\hat s_j|^2` alone. What the filter
    knows beyond these is added to the estimates, which keep their own phases:

    .. math:: \hat s_j + W_j y - \frac{|\hat s_j|^2}{\sum_k \left|\hat s_k\right|^2} y

    Two equal channels stay as they are.

    Args:
        sources (torch.Tensor): Estimates, complex (n_src, 2, n_freq, n_frames), of a recording of
            about full scale.
        mixture (torch.Tensor): y, complex (2, n_freq, n_frames).

    Returns:
        torch.Tensor: Of the shape of ``sources``, summing to the mixture.

    References
        - [1] : "Under-Determined Reverberant Audio Source Separation Using a Full-Rank Spatial
          Covariance Model", Duong, Vincent & Gribonval 2010.
        - [2] : "Multichannel Audio Source Separation with Deep Neural Networks", Nugraha, Liutkus &
          Vincent 2016.
    """
    # Laid out as the transforms do, frame by frame: (2, ..., n_frames, n_freq).
    parts, mixed = (real_parts(spec.transpose(-1, -2)) for spec in (sources, mixture))
    pieces = list(zip(parts.split(FRAMES, -2), mixed.split(FRAMES, -2)))
    for _ in range(PASSES):
        places = _places([piece for piece, _ in pieces])
        for piece, heard in pieces:
            _filter(piece, heard, places)
    return torch.complex(*parts).transpose(-1, -2)


def _powers(parts: torch.Tensor) -> torch.Tensor:
    real, imag = parts
    return (real * real).addcmul_(imag, imag).add_(FLOOR)


def _places(pieces: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    # R of each source, [[left, both], [conj(both), right]], as left, right, and the real and the
    # imaginary part of both; (n_src, 1, n_freq) each.
    totals: list[Any] = [0, 0, 0]
    for parts in pieces:
        (left, right), (left_imag, right_imag) = (part.unbind(1) for part in parts)
        totals[0] += _powers(parts).sum(2)
        totals[1] += (left * right).addcmul_(left_imag, right_imag).sum(1)
        totals[2] += (left_imag * right).addcmul_(left, right_imag, value=-1).sum(1)
    power = totals[0].mean(1)
    channels = (totals[0] / power[:, None]).unbind(1)
    return tuple(x[:, None] for x in (*channels, totals[1] / power, totals[2] / power))


def _filter(parts: torch.Tensor, mixed: torch.Tensor, places: tuple[torch.Tensor, ...]) -> None:
    left, right, real, imag = places
    powers = _powers(parts)
    power = powers.mean(1)  # v
    # The matrix that is inverted is [[a, b], [conj(b), d]], b = e + i f.
    a, d, e, f = ((power * place).sum(0) for place in places)
    diffuse = DIFFUSE * (a + d) / 2
    a, d = a + diffuse, d + diffuse
    inverse = STEP / (a * d - e * e - f * f)
    (x, y), (x_imag, y_imag) = mixed
    # Its inverse times the mixture, real and imaginary parts of both channels.
    u = (d * x - e * y + f * y_imag) * inverse, (d * x_imag - e * y_imag - f * y) * inverse
    v = (a * y - e * x - f * x_imag) * inverse, (a * y_imag - e * x_imag + f * x) * inverse
    total = powers.sum(0)
    # What is missing of the mixture goes by the masks of single channels: these take STEP of it,
    # the filters of all sources give STEP of it but for the diffuse part.
    for i, sign in enumerate((-1, 1)):
        rest = mixed[i] * (1 - STEP) - parts[i].sum(0) + diffuse * torch.stack([u[i], v[i]])
        one = (left * u[i]).addcmul_(real, v[i]).addcmul_(imag, v[1 - i], value=sign)
        two = (right * v[i]).addcmul_(real, u[i]).addcmul_(imag, u[1 - i], value=-sign)
        parts[i, :, 0].addcmul_(power, one)
        parts[i, :, 1].addcmul_(power, two)
        parts[i].addcmul_(powers, rest / total)
