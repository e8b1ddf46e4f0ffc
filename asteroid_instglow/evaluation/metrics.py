r"""Measures of separation quality on arrays: BSSEval v4, SDR and SI-SDR.

Signals are (n_src, channels, time) arrays; every value is in dB, computed in float64, and NaN where
it is not defined (never an exception, never a made-up number). "Silent" means exactly zero at every
sample.

BSSEval v4 splits an estimate :math:`\hat s_j` of the source image :math:`s_j` into

.. math:: \hat s_j = s_j + e_{spat} + e_{interf} + e_{artif}

where :math:`s_j + e_{spat}` is its projection on the delayed copies (512 taps) of :math:`s_j` and
:math:`s_j + e_{spat} + e_{interf}` the one on the delayed copies of all references. The filters are
fitted once on the whole signal and the ratios taken window by window. SDR needs no filters: it is
:math:`10 \log_{10} \|s_j\|^2 / \|s_j - \hat s_j\|^2` of the window.

The numbers are those of the ``museval`` package, three to five times as fast: the system that all
sources share is factored once, and energies are taken in the frequency domain (Parseval).

References
    - [1] : "The 2018 Signal Separation Evaluation Campaign", Stöter, Liutkus and Ito, LVA/ICA 2018.
      https://arxiv.org/abs/1804.06267
    - [2] : "SDR - half-baked or well done?", Le Roux et al., ICASSP 2019.
      https://arxiv.org/abs/1811.02508
    - [3] : "Music Demixing Challenge 2021", Mitsufuji et al. https://arxiv.org/abs/2108.13559
"""

import numpy as np
import torch
from scipy.fft import next_fast_len

_EPS = np.finfo(np.float64).eps
BSS_METRICS = ("SDR", "ISR", "SIR", "SAR")
FILTER_LENGTH = 512
# A perfect estimate would be +inf dB, which JSON has not: no more than float64 can hold is claimed.
MAX_DB = 300.0
# SI-SDR ignores gain, so it says nothing of an estimate without any output. Leaving it out would
# reward giving up, and 0 dB would beat the mixture itself: it gets a value no useful estimate has.
NO_OUTPUT_SI_SDR = -30.0


def energy_ratio_db(numerator, denominator):
    """Ratio of two energies in dB, within +-``MAX_DB``; NaN where the numerator is zero.

    Args:
        numerator (array_like): Energies, any shape.
        denominator (array_like): Energies, same shape.

    Example:
        >>> float(energy_ratio_db(100.0, 1.0))
        20.0
    """
    numerator = np.asarray(numerator, dtype=np.float64)
    floor = numerator * 10 ** (-MAX_DB / 10)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(numerator / np.maximum(denominator, floor))
    return np.where(numerator > 0, np.maximum(ratio, -MAX_DB), np.nan)


def sdr(references, estimates, eps=1e-7):
    r"""Global SDR of each source, as in the Music Demixing Challenge [3].

    .. math:: 10 \log_{10} \frac{\sum s^2 + \epsilon}{\sum (s - \hat s)^2 + \epsilon}

    A silent reference gives NaN; a silent estimate of a reference that is not gives 0 dB.

    Args:
        references (ndarray): (n_src, channels, time).
        estimates (ndarray): Same shape.
        eps (float): Added to both energies.

    Returns:
        ndarray: (n_src,), dB.
    """
    references, estimates = _pair(references, estimates)
    energy = np.square(references).sum(axis=(1, 2))
    error = np.square(references - estimates).sum(axis=(1, 2))
    values = 10 * np.log10((energy + eps) / (error + eps))
    return np.where(energy > 0, values, np.nan)


def si_sdr(references, estimates):
    r"""Scale-invariant SDR of each source [2]; the mean is not removed.

    With :math:`\alpha = \langle \hat s, s \rangle / \|s\|^2`:
    :math:`10 \log_{10} \|\alpha s\|^2 / \|\alpha s - \hat s\|^2`. The channels are taken as one
    long signal, one gain for all, so that a wrong balance costs. A silent reference gives NaN; a
    silent estimate of a reference that is not gives ``NO_OUTPUT_SI_SDR``.

    Args:
        references (ndarray): (n_src, channels, time).
        estimates (ndarray): Same shape.

    Returns:
        ndarray: (n_src,), dB.
    """
    references, estimates = _pair(references, estimates)
    references = references.reshape(len(references), -1)
    estimates = estimates.reshape(len(estimates), -1)
    energy = np.square(references).sum(axis=1)
    safe_energy = np.where(energy > 0, energy, 1.0)
    target = ((estimates * references).sum(axis=1) / safe_energy)[:, None] * references
    numerator = np.square(target).sum(axis=1)
    values = energy_ratio_db(numerator, np.square(target - estimates).sum(axis=1))
    # Orthogonal to its reference: no target part at all is the worst there is, not undefined.
    values = np.where(numerator > 0, values, -MAX_DB)
    values = np.where(estimates.any(axis=1), values, NO_OUTPUT_SI_SDR)
    return np.where(energy > 0, values, np.nan)


def bss_eval(references, estimates, window=None, hop=None, filter_length=FILTER_LENGTH):
    """BSSEval v4 of every source, window by window, the filters fitted on the whole signal [1].

    Unlike ``museval``, sources without signal do not stop it. A source with a silent reference is
    NaN and takes no part; a silent estimate of a reference that is not has SDR and ISR 0 dB (also
    the limit of ever smaller estimates) and no SIR and SAR (NaN). Like there, a window in which one
    of the other references or estimates is silent is NaN for every source, and an incomplete last
    window is left out.

    Args:
        references (ndarray): (n_src, channels, time).
        estimates (ndarray): Same shape.
        window (int, optional): Window length in samples; all the signal when None.
        hop (int, optional): Hop in samples, the window length when None.
        filter_length (int): Taps of the distortion filters.

    Returns:
        ndarray: (4, n_src, n_windows), dB, in the order of ``BSS_METRICS``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> references = rng.standard_normal((2, 1, 8000))
        >>> bss_eval(references, references + 0.1, window=4000).shape
        (4, 2, 2)
    """
    references, estimates = _pair(references, estimates)
    time = references.shape[-1]
    starts, window = _frames(time, window, hop)
    scores = np.full((4, len(references), len(starts)), np.nan)
    active = references.any(axis=(1, 2))
    if not active.any():
        return scores
    if not active.all():
        references, estimates = references[active], estimates[active]
    has_output = estimates.any(axis=(1, 2))
    filters, own_filters = _distortion_filters(references, estimates, filter_length)
    n_fft = next_fast_len(window + filter_length - 1, real=True)
    spectra = torch.fft.rfft(filters, n_fft), torch.fft.rfft(own_filters, n_fft)
    values = np.full((4, len(references), len(starts)), np.nan)
    for index, start in enumerate(starts):
        ref, est = (x[..., start : start + window] for x in (references, estimates))
        if ref.any(axis=(1, 2)).all() and est[has_output].any(axis=(1, 2)).all():
            energies = (np.square(x).sum(axis=(1, 2)) for x in (ref, ref - est))
            values[0, :, index] = energy_ratio_db(*energies)
            values[1:, :, index] = _window_ratios(ref, est, *spectra, n_fft)
    scores[:, active] = values
    return scores


def museval_bss_eval(references, estimates, window=None, hop=None):
    """The same as :func:`bss_eval`, computed by the ``museval`` package (slower, needs ffmpeg).

    Raises:
        ImportError: museval is not there, or does not import (it looks for ffmpeg then).
    """
    try:
        from museval.metrics import bss_eval as published
    except (ImportError, RuntimeError) as error:  # RuntimeError: stempeg without ffmpeg
        raise ImportError(
            "backend='museval' needs the museval package (pip install museval) and ffmpeg on the "
            f"path, but importing it failed: {error}. backend='builtin' gives the same numbers "
            "without either."
        ) from error
    references, estimates = _pair(references, estimates)
    starts, window = _frames(references.shape[-1], window, hop)
    scores = np.full((4, len(references), len(starts)), np.nan)
    active = references.any(axis=(1, 2))
    if not active.any():
        return scores
    ref, est = references[active], estimates[active]
    no_output = ~est.any(axis=(1, 2))
    # museval refuses silent estimates. What stands in for one changes no other source's score.
    filled = np.where(no_output[:, None, None], ref, est)
    values = published(
        *(x.transpose(0, 2, 1) for x in (ref, filled)), window=window, hop=hop or window
    )
    values = np.stack(values[:4])
    scored = ~np.isnan(values[0])
    values[:2, no_output] = np.where(scored[no_output], 0.0, np.nan)
    values[2:, no_output] = np.nan
    scores[:, active] = np.clip(values, -MAX_DB, MAX_DB)
    return scores


def _pair(references, estimates):
    """Both signals as float64 arrays of one shape, or a ValueError."""
    # Torch wants arrays that are contiguous and writeable.
    references, estimates = (np.require(x, np.float64, "CW") for x in (references, estimates))
    if references.ndim != 3 or references.shape != estimates.shape or not references.size:
        raise ValueError(
            "references and estimates must both be (n_src, channels, time), of one shape and not "
            f"empty, got {references.shape} and {estimates.shape}"
        )
    if not (np.isfinite(references).all() and np.isfinite(estimates).all()):
        raise ValueError("references and estimates must be finite, got NaN or infinite samples")
    return references, estimates


def _frames(time, window, hop):
    """Start of every whole window, and its length; one window if the signal is no longer."""
    if window is None or window >= time:
        return [0], time
    if window < 1 or (hop is not None and hop < 1):
        raise ValueError(f"window and hop must be positive sample counts, got {window} and {hop}")
    return list(range(0, time - window + 1, hop or window)), window


def _correlations(first, second, max_lag, block=1 << 15):
    """Correlation r[a, b, lag] = sum_t first[a, t] second[b, t + lag].

    Block by block: the spectra of a whole song would need gigabytes.

    Args:
        first (Tensor): (n_first, time), float64.
        second (Tensor): (n_second, time), float64.
        max_lag (int): Largest lag, in samples.
        block (int): Samples transformed at once.

    Returns:
        Tensor: (n_first, n_second, 2 * max_lag + 1), lags from -max_lag to max_lag.
    """
    time = first.shape[-1]
    n_fft = next_fast_len(min(block, time) + 2 * max_lag, real=True)
    padded = torch.nn.functional.pad(second, (max_lag, max_lag))
    total = 0
    for start in range(0, time, block):
        length = min(block, time - start)
        a = torch.fft.rfft(first[:, start : start + length], n_fft)
        b = torch.fft.rfft(padded[:, start : start + length + 2 * max_lag], n_fft)
        total = total + a.conj()[:, None] * b[None]
    return torch.fft.irfft(total, n_fft)[..., : 2 * max_lag + 1]


def _distortion_filters(references, estimates, filter_length):
    """Least-squares filters from the references to each estimate.

    Returns:
        tuple: filters from all references, (n_src * channels, n_src, channels, filter_length), and
            from the estimate's own, (channels, n_src, channels, filter_length); inputs come first.
    """
    n_src, channels, time = references.shape
    inputs = torch.from_numpy(references.reshape(n_src * channels, time))
    outputs = torch.from_numpy(estimates.reshape(n_src * channels, time))
    lag = filter_length - 1
    auto = _correlations(inputs, inputs, lag)
    cross = _correlations(inputs, outputs, lag)[..., lag:]  # an estimate is a delayed reference
    taps = torch.arange(filter_length)
    # gram[a, k, b, l] = <a delayed by k, b delayed by l>
    gram = auto[:, :, lag + taps[:, None] - taps[None]].permute(0, 2, 1, 3)
    rhs = cross.transpose(1, 2)  # (n_in, filter_length, n_out)
    filters = _solve(gram, rhs).unflatten(2, (n_src, channels)).permute(0, 2, 3, 1)
    own = []
    for j in range(n_src):
        of = slice(j * channels, (j + 1) * channels)
        own.append(_solve(gram[of, :, of], rhs[of, :, of]).transpose(1, 2))
    return filters.contiguous(), torch.stack(own, dim=1)


def _solve(gram, rhs):
    """(n_in, taps, n_in, taps), (n_in, taps, n_out) -> (n_in, taps, n_out)."""
    size = gram.shape[0] * gram.shape[1]
    matrix, rhs = gram.reshape(size, size), rhs.reshape(size, -1)
    # The absolute ridge is the published one. It vanishes beside the diagonal where references are
    # dependent (a mono stem in both channels); a relative one picks one of the equal projections.
    for ridge in (_EPS, matrix.diagonal().max().item() * 1e-13):
        solution, info = torch.linalg.solve_ex(matrix + ridge * torch.eye(size), rhs)
        if not info and torch.isfinite(solution).all():
            break
    else:
        raise ValueError("references must lie within a range that float64 can square and sum")
    return solution.reshape(*gram.shape[:2], -1)


def _window_ratios(references, estimates, filters, own_filters, n_fft):
    """ISR, SIR and SAR of one window from the filters' spectra: (3, n_src)."""
    ref, est = (torch.fft.rfft(torch.from_numpy(x), n_fft) for x in (references, estimates))
    own = torch.einsum("jaf,ajcf->jcf", ref, own_filters)
    everything = torch.einsum("af,ajcf->jcf", ref.flatten(0, 1), filters)
    # Parseval: every bin but the first (and the last of an even length) stands for two.
    weight = torch.full((ref.shape[-1],), 2.0, dtype=torch.float64)
    weight[0] = 1.0
    if n_fft % 2 == 0:
        weight[-1] = 1.0

    def energy(spectra):
        return ((spectra.real.square() + spectra.imag.square()) * weight).sum(dim=(1, 2)).numpy()

    parts = ((ref, own - ref), (own, everything - own), (everything, est - everything))
    return np.stack([energy_ratio_db(energy(part), energy(error)) for part, error in parts])
