"""Improves estimates of the channels of a stereo recording by the places of its sources."""

import torch

from ..audio.stft import power_of

BINS = 16  # filtered at once: what is computed of them stays in the processor's cache
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
    pieces = zip(sources.split(BINS, 2), mixture.split(BINS, 1))
    return torch.cat([_filtered(*piece) for piece in pieces], 2)


def _filtered(sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    for _ in range(PASSES):
        power = power_of(sources) + FLOOR
        shares = power / power.sum(0)
        moved = _wiener(sources, power, STEP * mixture)
        moved += sources - shares * (STEP * mixture)
        sources = moved.addcmul_(shares, mixture - moved.sum(0))
    return sources


def _wiener(sources: torch.Tensor, powers: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    # The inverse of a 2 x 2 matrix [[a, b], [conj(b), d]] is written out.
    power = powers.mean(1)  # v
    left, right = (powers.sum(-1, keepdim=True) / power.sum(-1)[:, None, :, None]).unbind(1)
    both = torch.linalg.vecdot(sources[:, 1], sources[:, 0]) / power.sum(-1)
    both = both[..., None]
    a, d = (power * left).sum(0), (power * right).sum(0)
    b = torch.complex((power * both.real).sum(0), (power * both.imag).sum(0))
    diffuse = DIFFUSE * (a + d) / 2
    a, d = a + diffuse, d + diffuse
    inverse = 1 / (a * d - power_of(b))
    x, y = mixture
    u, v = (d * x - b * y) * inverse, (a * y - b.conj() * x) * inverse
    return torch.stack([power * (left * u + both * v), power * (both.conj() * u + right * v)], 1)
