"""From the scores of tracks to one table: medians or means, confidence intervals, counts."""

import csv
import io
import json
import math
import warnings
from functools import cached_property

import numpy as np

from ..utils.checks import check_one_of
from .protocols import PROTOCOLS, STATUSES

FORMATS = ("text", "markdown", "json", "csv")
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
    """Scores of a system on a set of tracks.

    Args:
        tracks (dict): ``[track][protocol]["estimates" or "baseline"][source]``: what
            :func:`evaluate_signals` gives for each track.
        settings (dict, optional): Plain values to keep beside the numbers.
        n_bootstrap (int): Resamplings (of tracks, with replacement) behind each 95 % confidence
            interval.
        seed (int): Of the resampling; the same draws serve every source, metric and system.

    Attributes:
        summary (dict): ``[protocol][system][source or "average"]``, with a dict ``value``, ``low``,
            ``high`` for each metric (dB; NaN where nothing was scored, and for the interval of
            fewer than two tracks) and, per source, the counts ``n_tracks``, ``n_scored``,
            ``n_silent``, ``n_silent_estimates``, ``n_no_window`` and ``n_missing`` of tracks, and
            ``n_windows`` and ``n_windows_scored`` over those with a score. The average is over the
            sources that have a value.

    Example:
        >>> references = np.random.default_rng(0).standard_normal((2, 8000))
        >>> from asteroid_instglow.evaluation import evaluate_signals
        >>> scores = evaluate_signals(references, references / 2, sample_rate=8000, protocol="mdx")
        >>> average = Report({"song": scores}).summary["mdx"]["estimates"]["average"]
        >>> round(average["SDR"]["value"], 2)
        6.02
    """

    def __init__(self, tracks, settings=None, n_bootstrap=1000, seed=0):
        if not tracks:
            raise ValueError("tracks must hold the scores of at least one track, got none")
        self.tracks = dict(tracks)
        self.settings = dict(settings or {})
        self.n_bootstrap, self.seed = n_bootstrap, seed

    @property
    def protocols(self):
        """Names of the protocols, in the order they were asked for."""
        return list(next(iter(self.tracks.values())))

    @cached_property
    def summary(self):
        """Aggregated scores; see the class."""
        draws = np.random.default_rng(self.seed).integers(
            len(self.tracks), size=(self.n_bootstrap, len(self.tracks))
        )
        return {name: self._summarise(name, draws) for name in self.protocols}

    def _summarise(self, name, draws):
        protocol = PROTOCOLS[name]
        records = [track[name] for track in self.tracks.values()]
        result = {}
        for system in records[0]:
            sources = dict.fromkeys(source for record in records for source in record[system])
            rows, samples = {}, {}
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
                points, drawn = zip(*(samples[source, metric] for source in sources), strict=True)
                drawn = [sample for sample in drawn if sample is not None]
                # An interval of some of the sources would not be one of their average.
                whole = len(drawn) == np.isfinite(points).sum() > 0
                average[metric] = _interval(
                    _quiet(np.nanmean, points), _quiet(np.nanmean, drawn, axis=0) if whole else None
                )
            result[system] = {**rows, "average": average}
        return result

    def to_dict(self):
        """Settings and summary in plain Python types (NaN as None)."""
        return to_plain(
            {
                "settings": self.settings,
                "n_tracks": len(self.tracks),
                "n_bootstrap": self.n_bootstrap,
                "seed": self.seed,
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

    def to_json(self):
        """The same as strict JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self):
        """One line per protocol, system, track and source; an empty cell for an undefined score."""
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

    def table(self, style="text"):
        """A table for each protocol: a row per source, the interval beside the main metric.

        Args:
            style (str): ``"text"`` or ``"markdown"``.
        """
        if style not in ("text", "markdown"):
            raise ValueError(f"style must be 'text' or 'markdown', got {style!r}")
        return "\n\n".join(self._table(name, style == "markdown") for name in self.protocols)

    def format(self, style="text"):
        """What a command prints: ``"text"``, ``"markdown"``, ``"json"`` or ``"csv"``."""
        check_one_of("style", style, FORMATS)
        if style in ("json", "csv"):
            return self.to_json() if style == "json" else self.to_csv()
        return self.table(style)

    __str__ = table

    def _table(self, name, markdown):
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
                notes += _coverage(source, row, len(self.tracks))
        n_tracks = f"{len(self.tracks)} track{'s' if len(self.tracks) > 1 else ''}"
        title = f"{name}: {protocol.description}; {n_tracks}, dB"
        if markdown:
            lines = [f"**{title}**", "", "| " + " | ".join(header) + " |"]
            lines.append("|---|" + "---:|" * (len(header) - 1))
            lines += ["| " + " | ".join(cells) + " |" for cells in rows]
            return "\n".join(lines + [""] * bool(notes) + [f"- {note}" for note in notes])
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [title]
        for cells in [header, *rows]:
            first, *rest = zip(cells, widths, strict=True)
            lines.append("  ".join([first[0].ljust(first[1]), *(c.rjust(w) for c, w in rest)]))
        return "\n".join(lines + [f"({note})" for note in notes])


def _coverage(source, row, n_tracks):
    """Sentences on what of a source is not behind its numbers."""
    tracks = row["n_tracks"]
    notes = [f"has a reference in {tracks} of {n_tracks} tracks"] if tracks < n_tracks else []
    notes += [
        f"{row[count]} of {tracks} tracks: {note}" for count, note in _NOTES.items() if row[count]
    ]
    if 0 < row["n_windows_scored"] < row["n_windows"]:
        scored = f"{row['n_windows_scored']} of {row['n_windows']} windows scored"
        notes.append(f"{scored}, the rest left out (a silent source, or too little energy)")
    return [f"{source}: {note}" for note in notes]


def _counts(found):
    statuses = [record["status"] for record in found if record is not None]
    counts = {_COUNTS[status]: statuses.count(status) for status in STATUSES}
    windows = ("n_windows", "n_windows_scored")
    kept = [record for record in found if record and record["n_windows_scored"]]
    sums = {name: sum(record[name] for record in kept) for name in windows}
    return {"n_tracks": len(statuses), **counts, **sums}


def _per_track(protocol, found, metric):
    """(n_tracks, n_windows) array filled up with NaN; one column unless windows are pooled."""
    if protocol.over_windows == "pool":
        lists = [record["windows"][metric] if record else [] for record in found]
    else:
        lists = [[record[metric]] if record else [] for record in found]
    values = np.full((len(lists), max(1, *map(len, lists))), np.nan)
    for row, scores in zip(values, lists, strict=True):
        row[: len(scores)] = scores
    return values


def _collapse(protocol, values):
    """(n, n_tracks, n_windows) -> (n,), by the protocol's median or mean."""
    function = np.nanmedian if protocol.over_tracks == "median" else np.nanmean
    return _quiet(function, values.reshape(len(values), -1), axis=1)


def _quiet(function, values, axis=None):
    # Nothing to average is an answer here (NaN), not a mishap.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(np.asarray(values, dtype=np.float64), axis=axis)


def _interval(point, sample):
    low, high = (float("nan"),) * 2 if sample is None else np.nanpercentile(sample, (2.5, 97.5))
    return {"value": _round(point), "low": _round(low), "high": _round(high)}


def _round(value):
    return round(float(value), 6)


def _db(value):
    return "-" if math.isnan(value) else f"{value:.2f}"


def to_plain(value):
    """The same with None for NaN, which JSON has not."""
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
