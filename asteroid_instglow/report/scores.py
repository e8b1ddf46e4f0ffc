"""Scores as tables: sources with their intervals, tracks, and what was left out."""

import numpy as np

from ..audio.io import audio_info, load_audio
from ..evaluation import Report, evaluate_signals
from .experiment import add_rows, key
from .markup import details, join, number, plural, table, tag

# Cheap enough for the making of a page.
QUICK_PROTOCOLS = ["mdx", "si-sdr"]
_STATUSES = {
    "silent": "silent reference",
    "no output": "silent estimate",
    "missing": "missing estimate",
    "no window": "no window could be scored",
}
_LEFT_OUT = {
    "n_silent": "the reference is silent, left out",
    "n_silent_estimates": "the estimate is silent, scored as no output",
    "n_no_window": "no window could be scored, left out",
    "n_missing": "there is no estimate, left out",
}


def score_tables(scores):
    """A table a protocol: the main metric with its 95 % interval, the others, the counts.

    Args:
        scores (dict): As ``Report.to_dict()``.

    Returns:
        list[Markup]: Tables, each followed by what was left out.
    """
    parts = []
    for name, protocol in scores["protocols"].items():
        rows = protocol["scores"]["estimates"]
        baseline = protocol["scores"].get("baseline") or {}
        main = protocol["main_metric"]
        metrics = [m for m in _metrics(rows) if m != main]
        # What doing nothing gets: of an improvement that is zero, so the first metric is shown.
        first = _metrics(rows)[0] if _metrics(rows) else main
        known = any((row.get(main) or {}).get("low") is not None for row in rows.values())
        header = ["source", f"{main} (dB)", *["95 % interval"] * known, *metrics]
        header += ["tracks scored", *[f"{first} of mixture / n"] * bool(baseline)]
        cells = {}
        for source, row in rows.items():
            value = row.get(main) or {}
            line = [source, number(value.get("value")), *[_interval(value)] * known]
            line += [number((row.get(metric) or {}).get("value")) for metric in metrics]
            line.append(_scored(row, scores.get("n_tracks")))
            if baseline:
                line.append(number((baseline.get(source) or {}).get(first, {}).get("value")))
            cells[source] = line
        average = cells.pop("average", None)
        caption = f"{name}: {protocol.get('description', 'no description')}"
        parts.append(table(caption, header, list(cells.values()), average))
        notes = [note for source, row in rows.items() for note in _notes(source, row)]
        if notes:
            parts.append(tag("ul", {"class": "left-out"}, [tag("li", None, n) for n in notes]))
    return parts


def track_table(found):
    """Every track in one table, folded away: the main metric of the first protocol.

    Args:
        found (Experiment): With the scores of tracks.

    Returns:
        Markup | None: None without scores.
    """
    chosen = _first_scores(found)
    if not chosen:
        return None
    some = next(iter(chosen.values()))
    protocol, metric = next((s["protocol"], s["metric"]) for s in some.values())
    sources = list(dict.fromkeys(source for row in chosen.values() for source in row))
    rows = []
    for track, row in chosen.items():
        cells = [_brief(row.get(source)) for source in sources]
        rows.append([found.track_names[track], *cells])
    caption = f"{metric} in dB, {protocol}"
    whole = table(caption, ["track", *sources], rows)
    return details(f"Every track ({len(rows)})", whole)


def describe_scores(scores):
    """The scores of one source of one track on one line, the first set off."""
    parts = []
    for score in scores:
        text = f"{score['metric']} {number(score['value'])} dB ({score['protocol']})"
        if score["value"] is None:
            text = f"no {score['metric']} ({score['protocol']})"
        if score["status"] != "scored":
            text += f": {_STATUSES.get(score['status'], score['status'])}"
        element = "span" if parts else "strong"
        parts += [" · " if parts else None, tag(element, {"class": "score"}, text)]
    return join(parts)


def mean_score(found, track):
    """Mean over the sources of a track in the first protocol, None without scores."""
    values = [score["value"] for score in _first_scores(found).get(key(track), {}).values()]
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def score_tracks(found, tracks):
    """Scores tracks that have none, in the protocols that are quick, and adds them.

    Args:
        found (Experiment): Gets the scores of tracks, and the table where it has none.
        tracks (list[Track]): With references and estimates.

    Returns:
        Report | None: None where there is nothing to be scored.
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
    for name, protocols in results.items():
        for protocol, systems in protocols.items():
            place = {"protocol": protocol, "system": "estimates", "track": name}
            records = systems["estimates"].items()
            add_rows(found, [{**place, "source": source, **record} for source, record in records])
    return report


def _score(track, names):
    rate = audio_info(track.references[names[0]]).sample_rate

    def load(paths):
        wavs = [load_audio(path, rate)[0].numpy().astype(np.float64) for path in paths]
        return [wav if wav.shape[0] == n_channels else wav.mean(0, keepdims=True) for wav in wavs]

    files = [track.references[name] for name in names]
    estimates = [track.estimates[name] for name in names]
    counts = {audio_info(path).channels for path in [*files, *estimates, *track.mixture]}
    n_channels = counts.pop() if len(counts) == 1 else 1
    wavs = [load(files), load(estimates), load(track.mixture)]
    stop = min(wav.shape[1] for group in wavs for wav in group)
    references, estimates, mixture = (np.stack([wav[:, :stop] for wav in g]) for g in wavs)
    return evaluate_signals(
        *(references, estimates, mixture.sum(0)),
        sample_rate=rate,
        protocol=QUICK_PROTOCOLS,
        sources=names,
    )


def _first_scores(found):
    """``[track][source]`` to the score in the protocol that comes first."""
    every = (s for sources in found.track_scores.values() for row in sources.values() for s in row)
    first = next((score["protocol"] for score in every), None)
    return {
        track: {
            source: score
            for source, scores in sources.items()
            for score in scores
            if score["protocol"] == first
        }
        for track, sources in found.track_scores.items()
    }


def _brief(score):
    if score is None:
        return "–"
    return number(score["value"]) if score["value"] is not None else score["status"]


def _metrics(rows):
    found = (m for row in rows.values() for m, value in row.items() if isinstance(value, dict))
    return list(dict.fromkeys(found))


def _interval(value):
    low, high = value.get("low"), value.get("high")
    return "–" if low is None else f"{number(low)} to {number(high)}"


def _scored(row, n_tracks):
    if "n_scored" not in row:
        return ""
    scored = row["n_scored"] + row.get("n_silent_estimates", 0)
    return f"{scored}" if n_tracks is None else f"{scored} of {n_tracks}"


def _notes(source, row):
    tracks = row.get("n_tracks", 0)
    counts = {text: row.get(name) for name, text in _LEFT_OUT.items()}
    notes = [f"{count} of {tracks}: {text}" for text, count in counts.items() if count]
    if 0 < row.get("n_windows_scored", 0) < row.get("n_windows", 0):
        windows = f"{row['n_windows_scored']} of {plural(row['n_windows'], 'window')} scored"
        notes.append(f"{windows}, the others have a silent source or too little energy")
    return [f"{source}, {note}" for note in notes]
