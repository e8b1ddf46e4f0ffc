"""Arranges scores for the report: the headline, tables, and the scores of each track."""

from typing import Any

import numpy as np

from ..audio.io import audio_info, load_audio
from ..evaluation import Report, evaluate_signals
from ..evaluation.layout import Track, match_key
from ..evaluation.summary import describe_coverage
from .charts import Table, spread_chart
from .experiment import Experiment, TrackScore

# Fast enough to run while a report is written.
QUICK_PROTOCOLS = ["mdx", "si-sdr"]
STATUSES = {
    "silent": "silent reference",
    "no output": "silent estimate",
    "missing": "missing estimate",
    "no window": "no window could be scored",
}


def list_headlines(scores: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Returns the average score under each protocol.

    Args:
        scores (dict | None): Scores in the format of ``Report.to_dict()``.

    Returns:
        list[dict]: "protocol", "metric", "value", "low", "high" (dB or None), "baseline" (what the
        mixture gets, or None) and "sources" (name to score).
    """
    headlines = []
    for name, protocol in (scores or {}).get("protocols", {}).items():
        main, rows = protocol["main_metric"], protocol["scores"]["estimates"]
        average = (rows.get("average") or {}).get(main) or {}
        if average.get("value") is None:
            continue
        baseline = (protocol["scores"].get("baseline") or {}).get("average") or {}
        headlines.append(
            {
                "protocol": name,
                "metric": main,
                "value": average["value"],
                "low": average.get("low"),
                "high": average.get("high"),
                "baseline": (baseline.get(main) or {}).get("value"),
                "sources": {
                    source: (row.get(main) or {}).get("value")
                    for source, row in rows.items()
                    if source != "average"
                },
            }
        )
    return headlines


def list_tables(scores: dict[str, Any] | None) -> list[Table]:
    """Returns a table per protocol: the main metric with its interval, other metrics, counts.

    Args:
        scores (dict | None): Scores in the format of ``Report.to_dict()``.

    Returns:
        list[Table]: Variables of the template.
    """
    tables = []
    for name, protocol in (scores or {}).get("protocols", {}).items():
        rows = protocol["scores"]["estimates"]
        baseline = protocol["scores"].get("baseline") or {}
        main, metrics = protocol["main_metric"], _metrics(rows)
        others = [metric for metric in metrics if metric != main]
        # The mixture's improvement over itself is zero: its first metric is shown instead.
        first = metrics[0] if metrics else main
        has_interval = any((row.get(main) or {}).get("low") is not None for row in rows.values())
        header = ["source", f"{main} (dB)", *["95 % interval"] * has_interval, *others]
        header += ["tracks scored", *[f"{first} of mixture / n"] * bool(baseline)]
        cells = {}
        for source, row in rows.items():
            value = row.get(main) or {}
            interval = (value.get("low"), value.get("high"))
            line = [source, value.get("value"), *[interval] * has_interval]
            line += [(row.get(metric) or {}).get("value") for metric in others]
            line.append(_count_scored(row, (scores or {}).get("n_tracks")))
            if baseline:
                line.append((baseline.get(source) or {}).get(first, {}).get("value"))
            cells[source] = line
        footer = cells.pop("average", None)
        notes = [note for source, row in rows.items() for note in describe_coverage(source, row)]
        caption = f"{name}: {protocol.get('description', 'no description')}"
        tables.append(
            Table(
                caption=caption,
                header=header,
                rows=list(cells.values()),
                footer=footer,
                notes=notes,
            )
        )
    return tables


def track_table(found: Experiment) -> Table | None:
    """Returns the main metric of the first protocol of every track and source.

    Args:
        found (Experiment): Scores of tracks.

    Returns:
        Table | None: Variables of the template; None if no track has scores.
    """
    chosen = _first_scores(found)
    if not chosen:
        return None
    some = next(score for row in chosen.values() for score in row.values())
    sources = list(dict.fromkeys(source for row in chosen.values() for source in row))
    rows = []
    for track, row in chosen.items():
        scores = [row.get(source) for source in sources]
        cells = [None if s is None else s.status if s.value is None else s.value for s in scores]
        rows.append([found.track_names[track], *cells])
    return Table(
        caption=f"{some.metric} in dB, {some.protocol}",
        header=["track", *(found.source_names[source] for source in sources)],
        rows=rows,
    )


def list_spreads(found: Experiment) -> list[dict[str, Any]]:
    """Returns a chart per protocol of how the scores spread over tracks."""
    protocols = (found.scores or {}).get("protocols", {})
    charts = []
    for name, protocol in protocols.items():
        scores: dict[str, dict[str, float]] = {}
        for track, sources in found.track_scores.items():
            for source, values in sources.items():
                for score in values:
                    if score.protocol == name and score.value is not None:
                        row = scores.setdefault(found.source_names[source], {})
                        row[found.track_names[track]] = score.value
        main, rows = protocol["main_metric"], protocol["scores"]["estimates"]
        totals = {source: (row.get(main) or {}).get("value") for source, row in rows.items()}
        chart = spread_chart(f"{main} (dB), {name}", scores, totals)
        if chart:
            charts.append(chart)
    return charts


def mean_score(found: Experiment, track: str) -> float | None:
    """Returns a track's mean over sources in the first protocol; None without scores."""
    scores = _first_scores(found).get(match_key(track), {}).values()
    values = [score.value for score in scores if score.value is not None]
    return sum(values) / len(values) if values else None


def score_tracks(found: Experiment, tracks: list[Track]) -> Report | None:
    """Scores tracks under the quick protocols and adds the scores to an experiment.

    Args:
        found (Experiment): Gets the scores of tracks, and a summary if it has none.
        tracks (list[Track]): Tracks with references and estimates.

    Returns:
        Report | None: None if no track can be scored.
    """
    results = {}
    for track in tracks:
        names = [name for name in track.references if name in track.estimates]
        if names and track.mixture:
            results[track.name] = _score(track, names)
    if not results:
        return None
    report = Report(results, {"made by": "instglow report"})
    if found.scores is None:
        found.scores = report.to_dict()
        found.csv = report.to_csv()
    found.add_rows(
        {"protocol": protocol, "system": "estimates", "track": name, "source": source, **record}
        for name, protocols in results.items()
        for protocol, systems in protocols.items()
        for source, record in systems["estimates"].items()
    )
    return report


def _score(track: Track, names: list[str]) -> dict[str, Any]:
    files = [track.references[name] for name in names]
    estimates = [path for name in names if (path := track.estimates[name])]
    rate = audio_info(files[0]).sample_rate
    counts = {audio_info(path).channels for path in [*files, *estimates, *track.mixture]}
    n_channels = counts.pop() if len(counts) == 1 else 1
    groups = []
    for paths in (files, estimates, track.mixture):
        wavs = [load_audio(path, rate)[0].numpy().astype(np.float64) for path in paths]
        groups.append(
            [wav if len(wav) == n_channels else wav.mean(0, keepdims=True) for wav in wavs]
        )
    stop = min(wav.shape[1] for group in groups for wav in group)
    references, separated, mixture = (np.stack([wav[:, :stop] for wav in g]) for g in groups)
    return evaluate_signals(
        *(references, separated, mixture.sum(0)),
        sample_rate=rate,
        protocol=QUICK_PROTOCOLS,
        sources=names,
    )


def _first_scores(found: Experiment) -> dict[str, dict[str, TrackScore]]:
    """Returns ``[track][source]``, the score under the protocol that comes first."""
    every = (s for sources in found.track_scores.values() for row in sources.values() for s in row)
    first = next((score.protocol for score in every), None)
    return {
        track: {
            source: score
            for source, scores in sources.items()
            for score in scores
            if score.protocol == first
        }
        for track, sources in found.track_scores.items()
    }


def _metrics(rows: dict[str, dict]) -> list[str]:
    found = (m for row in rows.values() for m, value in row.items() if isinstance(value, dict))
    return list(dict.fromkeys(found))


def _count_scored(row: dict[str, Any], n_tracks: int | None) -> str:
    if "n_scored" not in row:
        return ""
    scored = row["n_scored"] + row.get("n_silent_estimates", 0)
    return f"{scored}" if n_tracks is None else f"{scored} of {n_tracks}"
