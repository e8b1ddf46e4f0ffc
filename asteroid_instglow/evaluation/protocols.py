"""Defines the protocols: what is measured on a track, and how tracks are aggregated.

========  ========================================================================================
sisec     BSSEval v4 on windows of 1 s (an incomplete last window is dropped); median over the
          windows of a track, then median over tracks. As in ``museval`` and SiSEC 2018.
paper     BSSEval v4 on mono 22 050 Hz segments of about 60 s, one window and one set of filters per
          segment; segments in which the reference's energy (sum of squares) is below 20 are left
          out; median over all segments of all tracks. As in the InstGlow paper.
mdx       Global SDR of the whole track; mean over tracks.
si-sdr    Scale-invariant SDR of the whole track, and its improvement over the mixture; mean over
          tracks.
========  ========================================================================================

Every source of every track has a ``status``, and the report counts them:

- ``"scored"``: the source has a value.
- ``"silent"``: the reference is silent, so that no ratio is defined. The value is NaN and is left
  out of medians and means.
- ``"no output"``: the estimate is silent, but the reference is not. SDR and ISR are 0 dB (also
  their limit for ever smaller estimates), SIR and SAR are not defined, and SI-SDR, which ignores
  gain and has no limit, is -30 dB.
- ``"no window"``: no window could be scored, because each is below the energy gate or has another
  silent source, which BSSEval v4 leaves out. The value is NaN.
- ``"missing"``: no estimate was given. The value is NaN.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..audio.io import resample
from ..utils.checks import check_one_of
from .bsseval import BSS_METRICS, bss_eval, museval_bss_eval
from .metrics import sdr, si_sdr

STATUSES = ("scored", "silent", "no output", "no window", "missing")
BACKENDS = {"builtin": bss_eval, "museval": museval_bss_eval}
PAPER_SAMPLE_RATE = 22050
PAPER_SEGMENT_SECONDS = 60
PAPER_MIN_ENERGY = 20.0
# Rounding hides the last bits, which differ between machines.
_DECIMALS = 6


class Protocol(NamedTuple):
    """Describes a protocol.

    Attributes:
        description (str): One line for tables.
        metrics (tuple[str, ...]): Names of the metrics.
        main_metric (str): Metric to compare systems by.
        score (Callable): ``score(references, estimates, mixture, sample_rate, bss)`` returns
            (n_metrics, n_src, n_windows).
        mono (bool): Whether channels are averaged.
        over_windows (str): ``"median"``, or ``"pool"`` to aggregate the windows of all tracks at
            once.
        over_tracks (str): ``"median"`` or ``"mean"``.
    """

    description: str
    metrics: tuple[str, ...]
    main_metric: str
    score: Callable[..., NDArray]
    mono: bool
    over_windows: str
    over_tracks: str


def _score_sisec(
    references: NDArray, estimates: NDArray, mixture: NDArray, sample_rate: int, bss: Callable
) -> NDArray:
    return bss(references, estimates, window=int(sample_rate))


def _score_paper(
    references: NDArray, estimates: NDArray, mixture: NDArray, sample_rate: int, bss: Callable
) -> NDArray:
    references, estimates = (
        resample(torch.from_numpy(x), sample_rate, PAPER_SAMPLE_RATE).numpy()
        for x in (references, estimates)
    )
    time = references.shape[-1]
    # Equal parts, because a short last segment would weigh as much as a whole one.
    n_segments = max(1, round(time / (PAPER_SAMPLE_RATE * PAPER_SEGMENT_SECONDS)))
    edges = np.linspace(0, time, n_segments + 1).astype(int)
    segments = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        part = references[..., start:stop]
        values = bss(part, estimates[..., start:stop])
        values[:, np.square(part).sum(axis=(1, 2)) < PAPER_MIN_ENERGY] = np.nan
        segments.append(values)
    return np.concatenate(segments, axis=2)


def _score_mdx(
    references: NDArray, estimates: NDArray, mixture: NDArray, sample_rate: int, bss: Callable
) -> NDArray:
    return sdr(references, estimates)[None, :, None]


def _score_si_sdr(
    references: NDArray, estimates: NDArray, mixture: NDArray, sample_rate: int, bss: Callable
) -> NDArray:
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


def parse_protocols(protocol: str | Sequence[str]) -> list[str]:
    """Returns the names of protocols, given one name, several, or ``"all"``.

    Examples:
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
    references: ArrayLike | torch.Tensor,
    estimates: ArrayLike | torch.Tensor,
    mixture: ArrayLike | torch.Tensor | None = None,
    *,
    sample_rate: int,
    protocol: str | Sequence[str] = "sisec",
    sources: Sequence[str] | None = None,
    baseline: str | None = None,
    backend: str = "builtin",
    missing: Collection[str] = (),
) -> dict[str, Any]:
    """Scores the sources of one track under one or several protocols.

    Args:
        references (array-like | Tensor): (n_src, channels, time) or, for mono, (n_src, time).
        estimates (array-like | Tensor): Same shape, same order of sources.
        mixture (array-like | Tensor, optional): (channels, time) or (time,); the sum of the
            references by default.
        sample_rate (int): Sample rate, Hz.
        protocol (str | list[str]): Names in ``PROTOCOLS``, or ``"all"``.
        sources (list[str], optional): Names in the order of the signals; ``"0"``, ``"1"``, ... by
            default.
        baseline (str, optional): ``"mixture"`` also scores mixture / n_src as every source.
        backend (str): ``"builtin"``, or ``"museval"`` to compute BSSEval with that package.
        missing (collection[str]): Sources without an estimate; their signal is ignored.

    Returns:
        dict: ``[protocol]["estimates" or "baseline"][source]``, a dict of every metric (float, dB,
        median over windows, NaN where not defined), ``"status"``, ``"n_windows"``,
        ``"n_windows_scored"`` and ``"windows"`` (metric to list of float). :class:`Report` takes
        it, per track.

    Raises:
        ValueError: If shapes differ, samples are not finite, or an option is unknown.

    Examples:
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


def check_options(baseline: str | None, backend: str) -> None:
    """Raises a ValueError for unknown options."""
    if baseline not in (None, "mixture"):
        raise ValueError(f"baseline must be None or 'mixture', got {baseline!r}")
    check_one_of("backend", backend, BACKENDS)


def _as_signals(name: str, signals: ArrayLike | torch.Tensor, n_dims: int) -> NDArray[np.float64]:
    """Converts signals to float64 arrays with a channel dimension."""
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


def _records(
    protocol: Protocol,
    sources: list[str],
    references: NDArray,
    estimates: NDArray,
    mixture: NDArray,
    sample_rate: int,
    backend: str,
    missing: NDArray[np.bool_],
) -> dict[str, Any]:
    """Returns status and scores of every source of one system."""
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


def _record(metrics: Sequence[str], windows: list[list[float]], status: str) -> dict[str, Any]:
    """Returns the record of one source, given a list of window scores per metric."""
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
