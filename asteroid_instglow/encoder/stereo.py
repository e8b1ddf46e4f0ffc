"""What the places of the sources in a stereo recording add to estimates of its channels."""

import torch

from ..masking import project_sum

BINS = 64  # filtered at once: what is computed of them stays in the processor's cache
PASSES = 2  # each from the powers and the places that the last one left
STEP = 0.7  # of the way that a pass may go
FLOOR = 1e-10  # power of a source, beside a mixture of unit power
DIFFUSE = 1e-3  # of the power, which comes from everywhere: the filter stays finite


def use_places(sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    r"""Improves estimates of both channels by where in the stereo image each source stands.

    Source j has the power :math:`v_j` in a bin, and the covariance :math:`R_j` between the channels
    at a frequency, both taken from the estimates. Of independent Gaussian sources with these, the
    posterior mean is the multichannel Wiener filter [1, 2]

    .. math:: W_j y = v_j R_j \Big(\sum_k v_k R_k\Big)^{-1} y

    Masks of a single channel follow from the powers :math:`|\hat s_j|^2` alone. What the filter
    knows beyond these is added to the estimates, which keep their own phases:

    .. math:: \hat s_j + W_j y - \frac{|\hat s_j|^2}{\sum_k |\hat s_k|^2} y

    Two equal channels stay as they are.

    Args:
        sources (torch.Tensor): Estimates, complex (n_src, 2, n_freq, n_frames).
        mixture (torch.Tensor): y, complex (2, n_freq, n_frames).

    Returns:
        torch.Tensor: Of the shape of ``sources``, summing to the mixture.

    References
        - [1] : "Under-Determined Reverberant Audio Source Separation Using a Full-Rank Spatial
          Covariance Model", Duong, Vincent & Gribonval 2010.
        - [2] : "Multichannel Audio Source Separation with Deep Neural Networks", Nugraha, Liutkus &
          Vincent 2016.
    """
    level = mixture.abs().square().mean().sqrt().clamp_min(1e-20)
    pieces = zip((sources / level).split(BINS, 2), (mixture / level).split(BINS, 1))
    return torch.cat([_filtered(*piece) for piece in pieces], 2) * level


def _filtered(sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    for _ in range(PASSES):
        power = sources.abs().square() + FLOOR
        alone = power / power.sum(0) * mixture
        moved = sources + STEP * (_wiener(sources, mixture) - alone)
        sources = project_sum(moved, mixture - moved.sum(0), moved.abs())
    return sources


def _wiener(sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    # The inverse of a 2 x 2 matrix [[a, b], [conj(b), d]] is written out.
    left, right = sources.unbind(1)
    power = sources.abs().square().mean(1) + FLOOR
    total = power.sum(-1, keepdim=True)
    r_left, r_right = (x.abs().square().sum(-1, keepdim=True) / total for x in (left, right))
    r_both = (left * right.conj()).sum(-1, keepdim=True) / total
    a, b, d = ((power * r).sum(0) for r in (r_left, r_both, r_right))
    diffuse = DIFFUSE * (a + d) / 2 + FLOOR
    a, d = a + diffuse, d + diffuse
    determinant = a * d - b.abs().square()
    x, y = mixture
    u, v = (d * x - b * y) / determinant, (a * y - b.conj() * x) / determinant
    return torch.stack(
        [power * (r_left * u + r_both * v), power * (r_both.conj() * u + r_right * v)], 1
    )
