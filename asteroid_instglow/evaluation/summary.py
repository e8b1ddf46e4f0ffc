"""Aggregates the scores of tracks: medians or means, confidence intervals, counts, tables."""

import csv
import io
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .protocols import PROTOCOLS, STATUSES, Protocol

N_BOOTSTRAP, SEED = 1000, 0  # resamplings of the tracks, with replacement, for the intervals
_COUNTS = {
    "scored": "n_scored",
    "silent": "n_silent",
    "no output": "n_silent_estimates",
    "no window": "n_no_window",
    "missing": "n_missing",
}
_NOTES = {
    "n_silent": "silent reference, left out",
    "n_silent_estimates": "silent estimate, scored as no output",
    "n_no_window": "no window that could be scored, left out",
    "n_missing": "no estimate, left out",
}


class Report:
    """Aggregates the scores of a system on a set of tracks.

    Args:
        tracks (dict): ``[track][protocol]["estimates" or "baseline"][source]``, as
            :func:`evaluate_signals` returns for each track.
        settings (dict, optional): Settings of the evaluation, plain types.

    Attributes:
        summary (dict): ``[protocol][system][source or "average"]``. Each metric has a dict of
            ``value``, ``low`` and ``high``, a bootstrapped 95 % interval (dB; NaN where nothing was
            scored, and for the interval of fewer than two tracks). Each source has the numbers of
            tracks ``n_tracks``, ``n_scored``, ``n_silent``, ``n_silent_estimates``,
            ``n_no_window`` and ``n_missing``, and ``n_windows`` and ``n_windows_scored`` over the
            tracks with a score. The average is over the sources that have a value.

    Examples:
        >>> references = np.random.default_rng(0).standard_normal((2, 8000))
        >>> from asteroid_instglow.evaluation import evaluate_signals
        >>> scores = evaluate_signals(references, references / 2, sample_rate=8000, protocol="mdx")
        >>> average = Report({"song": scores}).summary["mdx"]["estimates"]["average"]
        >>> round(average["SDR"]["value"], 2)
        6.02
    """

    def __init__(self, tracks: Mapping[str, Any], settings: Mapping[str, Any] | None = None):
        if not tracks:
            raise ValueError("tracks must hold the scores of at least one track, got none")
        self.tracks = dict(tracks)
        self.settings = dict(settings or {})

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols, in the order they were given."""
        return list(next(iter(self.tracks.values())))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Aggregated scores; see the class."""
        # All sources, metrics and systems share the draws.
        n_tracks = len(self.tracks)
        draws = np.random.default_rng(SEED).integers(n_tracks, size=(N_BOOTSTRAP, n_tracks))
        return {name: self._summarize(name, draws) for name in self.protocols}

    def _summarize(self, name: str, draws: NDArray) -> dict[str, Any]:
        protocol = PROTOCOLS[name]
        records = [track[name] for track in self.tracks.values()]
        result = {}
        for system in records[0]:
            sources = dict.fromkeys(source for record in records for source in record[system])
            rows: dict[str, dict[str, Any]] = {}
            samples: dict[tuple[str, str], tuple[float, NDArray | None]] = {}
            for source in sources:
                found = [record[system].get(source) for record in records]
                rows[source] = _counts(found)
                for metric in protocol.metrics:
                    values = _per_track(protocol, found, metric)
                    point = _collapse(protocol, values[None])[0]
                    several = len(values) > 1 and np.isfinite(values).any(axis=1).sum() > 1
                    sample = _collapse(protocol, values[draws]) if several else None
                    samples[source, metric] = point, sample
                    rows[source][metric] = _interval(point, sample)
            average = {}
            for metric in protocol.metrics:
                chosen = [samples[source, metric] for source in sources]
                points = [point for point, _ in chosen]
                drawn = [sample for _, sample in chosen if sample is not None]
                # Without an interval of every source there is none of their average.
                whole = len(drawn) == np.isfinite(points).sum() > 0
                average[metric] = _interval(
                    _quiet(np.nanmean, points), _quiet(np.nanmean, drawn, axis=0) if whole else None
                )
            result[system] = {**rows, "average": average}
        return result

    def to_dict(self) -> dict[str, Any]:
        """Returns settings and summary in plain Python types (NaN as None)."""
        return to_plain(
            {
                "settings": self.settings,
                "n_tracks": len(self.tracks),
                "n_bootstrap": N_BOOTSTRAP,
                "seed": SEED,
                "protocols": {
                    name: {
                        "description": PROTOCOLS[name].description,
                        "main_metric": PROTOCOLS[name].main_metric,
                        "scores": scores,
                    }
                    for name, scores in self.summary.items()
                },
            }
        )

    def to_json(self) -> str:
        """Returns settings and summary as strict JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """Returns a line per protocol, system, track and source; undefined scores are empty."""
        metrics = dict.fromkeys(m for name in self.protocols for m in PROTOCOLS[name].metrics)
        columns = ["protocol", "system", "track", "source", "status", "n_windows"]
        columns += ["n_windows_scored", *metrics]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for name in self.protocols:
            for track, protocols in self.tracks.items():
                for system, sources in protocols[name].items():
                    for source, record in sources.items():
                        where = {"protocol": name, "system": system, "track": track}
                        writer.writerow({**where, "source": source, **to_plain(record)})
        return text.getvalue()

    def table(self) -> str:
        """Returns a table per protocol: a row per source, the interval beside the main metric."""
        return "\n\n".join(self._table(name) for name in self.protocols)

    __str__ = table

    def _table(self, name: str) -> str:
        protocol, systems = PROTOCOLS[name], self.summary[name]
        scores, baseline = systems["estimates"], systems.get("baseline")
        main = protocol.main_metric
        others = [metric for metric in protocol.metrics if metric != main]
        header = ["source", main, "95 % interval", *others]
        if baseline:
            header.append(f"{protocol.metrics[0]} of mixture / n")
        rows, notes = [], []
        for source, row in scores.items():
            value = row[main]
            low_high = f"{_db(value['low'])} to {_db(value['high'])}"
            cells = [source, _db(value["value"]), low_high if _db(value["low"]) != "-" else "-"]
            cells += [_db(row[metric]["value"]) for metric in others]
            if baseline:
                cells.append(_db(baseline[source][protocol.metrics[0]]["value"]))
            rows.append(cells)
            if source != "average":
                notes += describe_coverage(source, row, len(self.tracks))
        n_tracks = f"{len(self.tracks)} track{'s' if len(self.tracks) > 1 else ''}"
        title = f"{name}: {protocol.description}; {n_tracks}, dB"
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [title]
        for cells in [header, *rows]:
            first, *rest = zip(cells, widths, strict=True)
            lines.append("  ".join([first[0].ljust(first[1]), *(c.rjust(w) for c, w in rest)]))
        return "\n".join(lines + [f"({note})" for note in notes])


def describe_coverage(
    source: str, row: Mapping[str, Any], n_tracks: int | None = None
) -> list[str]:
    """Returns sentences about the tracks and windows that a source's score does not cover.

    Examples:
        >>> describe_coverage("bass", {"n_tracks": 3, "n_silent": 1})
        ['bass: 1 of 3 tracks: silent reference, left out']
    """
    tracks = row.get("n_tracks", 0)
    notes = []
    if n_tracks is not None and tracks < n_tracks:
        notes.append(f"has a reference in {tracks} of {n_tracks} tracks")
    notes += [
        f"{row[count]} of {tracks} tracks: {note}"
        for count, note in _NOTES.items()
        if row.get(count)
    ]
    if 0 < row.get("n_windows_scored", 0) < row.get("n_windows", 0):
        scored = f"{row['n_windows_scored']} of {row['n_windows']} windows scored"
        notes.append(f"{scored}, the rest left out (a silent source, or too little energy)")
    return [f"{source}: {note}" for note in notes]


def _counts(found: Sequence[Mapping[str, Any] | None]) -> dict[str, int]:
    statuses = [record["status"] for record in found if record is not None]
    counts = {_COUNTS[status]: statuses.count(status) for status in STATUSES}
    windows = ("n_windows", "n_windows_scored")
    kept = [record for record in found if record and record["n_windows_scored"]]
    sums = {name: sum(record[name] for record in kept) for name in windows}
    return {"n_tracks": len(statuses), **counts, **sums}


def _per_track(
    protocol: Protocol, found: Sequence[Mapping[str, Any] | None], metric: str
) -> NDArray:
    """Returns (n_tracks, n_windows), padded with NaN; one column unless windows are pooled."""
    if protocol.over_windows == "pool":
        lists = [record["windows"][metric] if record else [] for record in found]
    else:
        lists = [[record[metric]] if record else [] for record in found]
    values = np.full((len(lists), max(1, *map(len, lists))), np.nan)
    for row, scores in zip(values, lists, strict=True):
        row[: len(scores)] = scores
    return values


def _collapse(protocol: Protocol, values: NDArray) -> NDArray:
    """Takes the protocol's median or mean, (n, n_tracks, n_windows) to (n,)."""
    function = np.nanmedian if protocol.over_tracks == "median" else np.nanmean
    return _quiet(function, values.reshape(len(values), -1), axis=1)


def _quiet(function: Callable, values: ArrayLike, axis: int | None = None) -> Any:
    # The mean of no value is NaN here, without a warning.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(np.asarray(values, dtype=np.float64), axis=axis)


def _interval(point: float, sample: NDArray | None) -> dict[str, float]:
    low, high = (float("nan"),) * 2 if sample is None else np.nanpercentile(sample, (2.5, 97.5))
    return {"value": _round(point), "low": _round(low), "high": _round(high)}


def _round(value: float) -> float:
    return round(float(value), 6)


def _db(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def to_plain(value: Any) -> Any:
    """Replaces NaN, which JSON lacks, by None.

    Examples:
        >>> to_plain({"SDR": [1.0, float("nan")]})
        {'SDR': [1.0, None]}
    """
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
