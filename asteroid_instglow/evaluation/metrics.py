r"""Computes SDR and SI-SDR of separated sources.

Signals are (n_src, channels, time) arrays. Values are in dB, computed in float64, and NaN where
they are not defined. "Silent" means exactly zero at every sample. BSSEval is in ``bsseval``.

References
    - [1] : "SDR - half-baked or well done?", Le Roux et al., ICASSP 2019.
      https://arxiv.org/abs/1811.02508
    - [2] : "Music Demixing Challenge 2021", Mitsufuji et al. https://arxiv.org/abs/2108.13559
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A perfect estimate has +inf dB, which JSON lacks: values are limited to what float64 resolves.
MAX_DB = 300.0
# SI-SDR ignores gain and is undefined for a silent estimate. Leaving it out would reward systems
# without output, and 0 dB would beat the mixture, so it gets a value below any useful estimate.
NO_OUTPUT_SI_SDR = -30.0
PLAYING = 1e-3  # RMS of a window above which a source plays


def energy_ratio_db(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Returns the ratio of energies in dB, within +-``MAX_DB``; NaN where the numerator is zero.

    Args:
        numerator (array-like): Energies, any shape.
        denominator (array-like): Energies, same shape.

    Returns:
        ndarray: Same shape, dB.

    Examples:
        >>> float(energy_ratio_db(100.0, 1.0))
        20.0
    """
    numerator = np.asarray(numerator, dtype=np.float64)
    floor = numerator * 10 ** (-MAX_DB / 10)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(numerator / np.maximum(denominator, floor))
    return np.where(numerator > 0, np.maximum(ratio, -MAX_DB), np.nan)


def sdr(references: ArrayLike, estimates: ArrayLike, eps: float = 1e-7) -> NDArray[np.float64]:
    r"""Computes the global SDR of each source, as in the Music Demixing Challenge [2].

    .. math:: 10 \log_{10} \frac{\sum s^2 + \epsilon}{\sum (s - \hat s)^2 + \epsilon}

    A silent reference gives NaN, a silent estimate of another reference 0 dB.

    Args:
        references (ndarray): (n_src, channels, time).
        estimates (ndarray): Same shape.
        eps (float): Added to both energies.

    Returns:
        ndarray: (n_src,), dB.

    Examples:
        >>> signal = np.ones((1, 1, 100))
        >>> sdr(signal, signal / 2).round(2).tolist()
        [6.02]
    """
    references, estimates = check_pair(references, estimates)
    energy = np.square(references).sum(axis=(1, 2))
    error = np.square(references - estimates).sum(axis=(1, 2))
    values = 10 * np.log10((energy + eps) / (error + eps))
    return np.where(energy > 0, values, np.nan)


def window_sdr(reference: ArrayLike, estimate: ArrayLike, window: int) -> float:
    """Returns the median SDR of the windows in which a source plays (RMS above 0.001), dB.

    Args:
        reference (ndarray): (time,); what fills no window is left out.
        estimate (ndarray): Same shape.
        window (int): Samples of a window.

    Returns:
        float: dB; NaN where the source never plays.
    """
    signals = np.stack([np.asarray(x, np.float64) for x in (reference, estimate)])
    signals = signals[:, : signals.shape[1] // window * window].reshape(2, -1, 1, window)
    signals = signals[:, np.square(signals[0]).mean((1, 2)) > PLAYING**2]
    if not signals.size:
        return float("nan")
    return float(np.median(sdr(signals[0], signals[1], eps=1e-12)))


def si_sdr(references: ArrayLike, estimates: ArrayLike) -> NDArray[np.float64]:
    r"""Computes the scale-invariant SDR of each source [1]; the mean is not removed.

    With :math:`\alpha = \langle \hat s, s \rangle / \|s\|^2`:
    :math:`10 \log_{10} \|\alpha s\|^2 / \|\alpha s - \hat s\|^2`. The channels share one gain,
    so that a wrong balance lowers the score. A silent reference gives NaN, a silent estimate of
    another reference ``NO_OUTPUT_SI_SDR``.

    Args:
        references (ndarray): (n_src, channels, time).
        estimates (ndarray): Same shape.

    Returns:
        ndarray: (n_src,), dB.
    """
    references, estimates = check_pair(references, estimates)
    references = references.reshape(len(references), -1)
    estimates = estimates.reshape(len(estimates), -1)
    energy = np.square(references).sum(axis=1)
    safe_energy = np.where(energy > 0, energy, 1.0)
    target = ((estimates * references).sum(axis=1) / safe_energy)[:, None] * references
    numerator = np.square(target).sum(axis=1)
    values = energy_ratio_db(numerator, np.square(target - estimates).sum(axis=1))
    # An estimate orthogonal to its reference has the lowest score, not an undefined one.
    values = np.where(numerator > 0, values, -MAX_DB)
    values = np.where(estimates.any(axis=1), values, NO_OUTPUT_SI_SDR)
    return np.where(energy > 0, values, np.nan)


def check_pair(references: ArrayLike, estimates: ArrayLike) -> tuple[NDArray, NDArray]:
    """Converts both signals to float64 arrays of the same shape; raises a ValueError otherwise."""
    # Torch wants arrays that are contiguous and writeable.
    references, estimates = (np.require(x, np.float64, ["C", "W"]) for x in (references, estimates))
    if references.ndim != 3 or references.shape != estimates.shape or not references.size:
        raise ValueError(
            "references and estimates must both be (n_src, channels, time), of one shape and not "
            f"empty, got {references.shape} and {estimates.shape}"
        )
    if not (np.isfinite(references).all() and np.isfinite(estimates).all()):
        raise ValueError("references and estimates must be finite, got NaN or infinite samples")
    return references, estimates
