"""The protocols: what is measured on one track, window by window, and how tracks are summed up.

========  ========================================================================================
sisec     BSSEval v4 on windows of 1 s (an incomplete last one is dropped); median over the windows
          of a track, then median over tracks. The numbers of the ``museval`` package and of SiSEC
          2018.
paper     BSSEval v4 on mono 22 050 Hz segments of about 60 s, one window and one set of filters a
          segment; segments in which the reference's energy (sum of squares) is below 20 are left
          out; median over all segments of all tracks. The protocol of the InstGlow paper.
mdx       Global SDR of the whole track, one number a track; mean over tracks.
si-sdr    Scale-invariant SDR of the whole track, and its improvement over the mixture; mean.
========  ========================================================================================

Silence is never hidden: every source of every track has a ``status``, and the report counts them.

- ``"scored"``: has a value.
- ``"silent"``: the reference is silent. No ratio is defined: NaN, left out of medians and means.
- ``"no output"``: the estimate is silent, the reference is not. It keeps a value and is counted:
  SDR and ISR are 0 dB (by definition, and the limit of ever smaller estimates), SIR and SAR are not
  defined; SI-SDR is -30 dB, since a measure that ignores gain has no limit there.
- ``"no window"``: both have signal, but no window could be scored (each is below the energy gate,
  or has another source silent, which BSSEval v4 leaves out): NaN.
- ``"missing"``: no estimate was given: NaN.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ..audio.io import resample
from ..utils.checks import check_one_of
from .metrics import BSS_METRICS, bss_eval, museval_bss_eval, sdr, si_sdr

STATUSES = ("scored", "silent", "no output", "no window", "missing")
BACKENDS = {"builtin": bss_eval, "museval": museval_bss_eval}
PAPER_SAMPLE_RATE = 22050
PAPER_SEGMENT_SECONDS = 60
PAPER_MIN_ENERGY = 20.0
# Far below what a recording can support, and it makes the last bits of every machine the same.
_DECIMALS = 6


class Protocol(NamedTuple):
    """One protocol.

    ``score(references, estimates, mixture, sample_rate, bss)`` gives (n_metrics, n_src, n_windows).
    """

    description: str
    metrics: tuple
    main_metric: str
    score: Callable
    mono: bool
    over_windows: str  # "median" or "pool": windows of all tracks are summed up at once
    over_tracks: str  # "median" or "mean"


def _score_sisec(references, estimates, mixture, sample_rate, bss):
    return bss(references, estimates, window=int(sample_rate))


def _score_paper(references, estimates, mixture, sample_rate, bss):
    references, estimates = (
        resample(torch.from_numpy(x), sample_rate, PAPER_SAMPLE_RATE).numpy()
        for x in (references, estimates)
    )
    time = references.shape[-1]
    # Equal parts: a remainder of some seconds would weigh as much as a whole segment.
    n_segments = max(1, round(time / (PAPER_SAMPLE_RATE * PAPER_SEGMENT_SECONDS)))
    edges = np.linspace(0, time, n_segments + 1).astype(int)
    segments = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        part = references[..., start:stop]
        values = bss(part, estimates[..., start:stop])
        values[:, np.square(part).sum(axis=(1, 2)) < PAPER_MIN_ENERGY] = np.nan
        segments.append(values)
    return np.concatenate(segments, axis=2)


def _score_mdx(references, estimates, mixture, sample_rate, bss):
    return sdr(references, estimates)[None, :, None]


def _score_si_sdr(references, estimates, mixture, sample_rate, bss):
    values = si_sdr(references, estimates)
    start = si_sdr(references, np.broadcast_to(mixture, references.shape))
    return np.stack([values, values - start])[..., None]


PROTOCOLS = {
    "sisec": Protocol(
        "BSSEval v4 on 1-s windows, median over windows, then over tracks",
        *(BSS_METRICS, "SDR", _score_sisec, False, "median", "median"),
    ),
    "paper": Protocol(
        "BSSEval v4 on mono 22050 Hz segments of about 60 s with energy of at least 20, "
        "median over all segments",
        *(BSS_METRICS, "SDR", _score_paper, True, "pool", "median"),
    ),
    "mdx": Protocol(
        "global SDR of the whole track, mean over tracks",
        *(("SDR",), "SDR", _score_mdx, False, "median", "mean"),
    ),
    "si-sdr": Protocol(
        "scale-invariant SDR of the whole track and its improvement over the mixture, "
        "mean over tracks",
        *(("SI-SDR", "SI-SDRi"), "SI-SDRi", _score_si_sdr, False, "median", "mean"),
    ),
}


def parse_protocols(protocol):
    """Names of the protocols asked for: one name, several, or ``"all"``.

    Example:
        >>> parse_protocols("all")
        ['sisec', 'paper', 'mdx', 'si-sdr']
    """
    names = [protocol] if isinstance(protocol, str) else list(protocol)
    names = list(PROTOCOLS) if names == ["all"] else names
    wrong = [name for name in names if name not in PROTOCOLS]
    if wrong or not names:
        raise ValueError(f"protocol must be 'all' or of {', '.join(PROTOCOLS)}, got {protocol!r}")
    return list(dict.fromkeys(names))


def evaluate_signals(
    references,
    estimates,
    mixture=None,
    *,
    sample_rate,
    protocol="sisec",
    sources=None,
    baseline=None,
    backend="builtin",
    missing=(),
):
    """Scores the sources of one track under one or several protocols.

    Args:
        references (array_like or Tensor): (n_src, channels, time) or, for mono, (n_src, time).
        estimates (array_like or Tensor): Same shape, same order of sources.
        mixture (array_like or Tensor, optional): (channels, time) or (time,); the sum of the
            references when None.
        sample_rate (int): In Hz.
        protocol (str or list[str]): Of ``PROTOCOLS``, or ``"all"``.
        sources (list[str], optional): Names in the order of the signals; ``"0"``, ``"1"``, ...
            when None.
        baseline (str, optional): ``"mixture"`` also scores mixture / n_src as every source: what
            doing nothing would get.
        backend (str): ``"builtin"``, or ``"museval"`` to have that package compute BSSEval.
        missing (collection[str]): Sources without an estimate (their signal is not looked at).

    Returns:
        dict: ``[protocol]["estimates" or "baseline"][source]``, a dict of plain Python types with
            every
        metric of the protocol (float, dB, median over windows, NaN where not defined),
        ``"status"``, ``"n_windows"``, ``"n_windows_scored"`` and ``"windows"`` (metric to list of
        float). Give it, per track, to :class:`Report`.

    Raises:
        ValueError: Shapes differ, samples are not finite, or an option is not known.

    Example:
        >>> references = np.random.default_rng(0).standard_normal((2, 8000))
        >>> scores = evaluate_signals(references, references / 2, sample_rate=8000, protocol="mdx")
        >>> round(scores["mdx"]["estimates"]["0"]["SDR"], 2)
        6.02
    """
    names = parse_protocols(protocol)
    check_options(baseline, backend)
    references = _as_signals("references", references, 3)
    estimates = _as_signals("estimates", estimates, 3)
    mixture = references.sum(axis=0) if mixture is None else _as_signals("mixture", mixture, 2)
    if estimates.shape != references.shape or mixture.shape != references.shape[1:]:
        raise ValueError(
            "references, estimates and mixture must agree in sources, channels and time, got "
            f"{references.shape}, {estimates.shape} and {mixture.shape}"
        )
    n_src = len(references)
    sources = [str(i) for i in range(n_src)] if sources is None else list(sources)
    if len(sources) != n_src or len(set(sources)) != n_src:
        raise ValueError(f"sources must be {n_src} different names, got {sources}")
    absent = np.array([source in missing for source in sources])
    systems = {"estimates": (np.where(absent[:, None, None], 0.0, estimates), absent)}
    if baseline:
        share = np.broadcast_to(mixture / n_src, references.shape)
        systems["baseline"] = share, np.zeros(n_src, dtype=bool)
    records = {}
    for name in names:
        rows = PROTOCOLS[name]
        to_use = (lambda x: x.mean(axis=-2, keepdims=True)) if rows.mono else (lambda x: x)
        ref, mix = to_use(references), to_use(mixture)
        records[name] = {
            system: _records(rows, sources, ref, to_use(est), mix, sample_rate, backend, without)
            for system, (est, without) in systems.items()
        }
    return records


def check_options(baseline, backend):
    """Refuses what is not known, before anything is computed."""
    if baseline not in (None, "mixture"):
        raise ValueError(f"baseline must be None or 'mixture', got {baseline!r}")
    check_one_of("backend", backend, BACKENDS)


def _as_signals(name, signals, n_dims):
    """Float64 array with the channel dimension, whatever it was."""
    if isinstance(signals, torch.Tensor):
        signals = signals.detach().cpu()
    signals = np.asarray(signals, dtype=np.float64)
    if signals.ndim == n_dims - 1:
        signals = signals[..., None, :]
    if signals.ndim != n_dims or not signals.size:
        wanted = "(channels, time) or (time,)"
        wanted = "(n_src, channels, time) or (n_src, time)" if n_dims == 3 else wanted
        raise ValueError(f"{name} must be {wanted} and not empty, got {signals.shape}")
    return signals


def _records(protocol, sources, references, estimates, mixture, sample_rate, backend, missing):
    """Status and scores of every source of one system."""
    values = protocol.score(references, estimates, mixture, sample_rate, BACKENDS[backend])
    records = {}
    for j, source in enumerate(sources):
        if missing[j]:
            status = "missing"
        elif not references[j].any():
            status = "silent"
        elif np.isnan(values[0, j]).all():
            status = "no window"
        else:
            status = "scored" if estimates[j].any() else "no output"
        windows = np.full_like(values[:, j], np.nan) if missing[j] else values[:, j]
        records[source] = _record(protocol.metrics, windows.tolist(), status)
    return records


def _record(metrics, windows, status):
    """Plain Python record of one source; windows: one list of values a metric."""
    rounded = [[round(value, _DECIMALS) for value in values] for values in windows]
    scores = {
        metric: float(np.nanmedian(values)) if not np.isnan(values).all() else float("nan")
        for metric, values in zip(metrics, rounded, strict=True)
    }
    return {
        "status": status,
        "n_windows": len(rounded[0]),
        "n_windows_scored": int(np.count_nonzero(~np.isnan(rounded[0]))),
        **{metric: round(value, _DECIMALS) for metric, value in scores.items()},
        "windows": dict(zip(metrics, rounded, strict=True)),
    }
