"""Writes the report of an experiment: one HTML file that needs no other file and no network."""

import base64
import hashlib
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from tqdm import tqdm

from ..evaluation.layout import Track, match_key
from ..utils.checks import check_above_zero, check_whole
from ..utils.files import write_atomic
from ..utils.text import format_clock, one_line
from .charts import Table
from .clips import Excerpt, make_excerpt
from .expected import expected_charts, expected_table, read_expected
from .experiment import Experiment, read_experiment
from .formatting import data_uri, format_cell, format_number
from .scores import (
    QUICK_PROTOCOLS,
    STATUSES,
    list_headlines,
    list_spreads,
    list_tables,
    mean_score,
    score_tracks,
    track_table,
)
from .tracks import read_tracks
from .trainings import list_losses, list_trainings

PAGE = "report.html"
_SUFFIXES = (".html", ".htm")
_PACKAGES = ("torch", "asteroid", "numpy", "soundfile")


def write_page(
    exp_dir: str | Path,
    output: str | Path | None = None,
    references: str | Path | None = None,
    estimates: str | Path | None = None,
    n_tracks: int = 6,
    seconds: float = 20.0,
    max_size: float = 25.0,
    command: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Writes the report: headline scores, players, tables, loss curves, settings.

    See :mod:`~asteroid_instglow.report.experiment` and :mod:`~asteroid_instglow.report.tracks` for
    the files that are read. Tracks without scores are scored under two quick protocols, and the
    page says so.

    Args:
        exp_dir (str | Path): Output folder of ``instglow evaluate``, ``instglow demo`` or
            ``instglow pretrain``, ``exp/<tag>`` of a recipe, or a folder of priors.
        output (str | Path, optional): HTML file; ``report.html`` in ``exp_dir`` by default.
        references (str | Path, optional): Folder of ``<track>/<source>.wav``.
        estimates (str | Path, optional): Folder of ``<track>/<source>.wav``.
        n_tracks (int): Number of tracks to play, evenly spread from the best score to the worst.
        seconds (float): Length of the excerpts, taken where all sources play.
        max_size (float): Largest size of the page in megabytes; tracks beyond it are left out.
        command (str, optional): Command line to show on the page.
        progress (bool): Whether to show a progress bar on stderr.

    Returns:
        dict: "page" (path), "megabytes", "tracks" (names of those on the page), "left_out" (names
        of those that do not fit), "notes" (sentences about problems).

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range, or the folder has nothing to show.

    Examples:
        >>> answer = write_page("priors", "page.html", "references", "stems", progress=False)
        >>> answer["tracks"]
        ['song']
    """
    exp_dir = Path(exp_dir)
    output = _check_arguments(output, exp_dir, n_tracks, seconds, max_size)
    found = read_experiment(exp_dir)
    tracks, missing = read_tracks(exp_dir, references, estimates)
    if not (tracks or found.scores or found.other_scores or found.records):
        raise ValueError(
            "exp_dir must hold scores (aggregate.json), audio (examples or stems) or training "
            f"records (training.json, encoder.json), but none of these is in {exp_dir}"
        )
    found.notes += missing
    if found.scores and not tracks:
        found.notes.append("No audio: give --references and --estimates to hear the tracks.")
    chosen, choice = _choose_tracks(found, tracks, n_tracks)
    if chosen and not found.track_scores:
        _score_quickly(found, chosen)
    variables = {
        "name": exp_dir.resolve().name or "experiment",
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "headlines": list_headlines(found.scores),
        "score_tables": list_tables(found.scores),
        "n_tracks": (found.scores or {}).get("n_tracks"),
        "other_scores": Table(
            "final_metrics.json",
            ["metric", "value"],
            [[name, f"{value:.4g}"] for name, value in found.other_scores.items()],
        ),
        "spreads": list_spreads(found),
        "track_table": track_table(found),
        "csv": found.csv,
        "choice": choice,
        "seconds": seconds,
        "confidence": None,
        "losses": list_losses(found),
        "trainings": list_trainings(found),
        "settings": _list_settings(found),
        "configs": found.configs,
        "made_with": _list_versions(command),
        "statuses": STATUSES,
    }
    left = max_size * 1e6 - len(_render({**variables, "tracks": [], "notes": found.notes})) - 5000
    shown: list[dict[str, Any]] = []
    told: list[Any] = []
    left_out: list[str] = []
    for track in tqdm(chosen, desc="report", unit="track", disable=not progress):
        excerpt, problems = make_excerpt(track, seconds)
        found.notes += problems
        if excerpt is None:
            continue
        level, expected, problems = read_expected(track)
        found.notes += problems
        charts = expected_charts(level, expected, (excerpt.start, excerpt.start + excerpt.seconds))
        n_bytes = excerpt.n_bytes + sum(len(str(chart)) + 2000 for chart in charts.values())
        if n_bytes > left:
            left_out.append(track.name)
            continue
        left -= n_bytes
        shown.append(_describe_track(track, excerpt, found, charts))
        told.append((level, expected))
    if left_out:
        found.notes.append(
            f"Left out to keep the page below {max_size:g} MB: {', '.join(left_out)}. Use shorter "
            "excerpts (--seconds) or a larger page (--max-size) to show more."
        )
    notes = list(dict.fromkeys(found.notes))
    variables["confidence"] = expected_table(told)
    content = _render({**variables, "tracks": shown, "notes": notes})
    write_atomic(output, content)
    return {
        "page": str(output),
        "megabytes": round(len(content) / 1e6, 2),
        "tracks": [track["name"] for track in shown],
        "left_out": left_out,
        "notes": notes,
    }


def _check_arguments(
    output: str | Path | None, exp_dir: Path, n_tracks: int, seconds: float, max_size: float
) -> Path:
    check_whole("n_tracks", n_tracks, 0)
    check_above_zero("seconds", seconds)
    check_above_zero("max_size", max_size)
    output = exp_dir / PAGE if output is None else Path(output)
    # The file is replaced if it exists, so that anything but a page is refused.
    if output.suffix.lower() not in _SUFFIXES or output.is_dir():
        raise ValueError(f"output must be a file that ends in .html, got {output}")
    return output


def _choose_tracks(
    found: Experiment, tracks: list[Track], n_tracks: int
) -> tuple[list[Track], str]:
    """Returns the tracks to play and a sentence that says which they are."""
    if len(tracks) <= n_tracks or n_tracks == 0:
        return tracks[:n_tracks], ""
    means = {track.name: mean_score(found, track.name) for track in tracks}
    ranked = sorted(
        (track for track in tracks if means[track.name] is not None),
        key=lambda track: -(means[track.name] or 0.0),
    )
    if len(ranked) < n_tracks:
        return tracks[:n_tracks], f"The first {n_tracks} of {len(tracks)} tracks."
    steps = (len(ranked) - 1) / max(1, n_tracks - 1)
    chosen = [ranked[round(i * steps)] for i in range(n_tracks)]
    spread = "evenly spread from the best score to the worst" if n_tracks > 1 else "the best"
    return chosen, f"{n_tracks} of {len(tracks)} tracks, {spread}."


def _score_quickly(found: Experiment, chosen: list[Track]) -> None:
    try:
        report = score_tracks(found, chosen)
    except (ValueError, OSError) as error:
        found.notes.append(f"No scores: {one_line(error)}")
        return
    if report is not None:
        found.notes.append(
            f"Tracks were scored for this page, under the quick protocols "
            f"{' and '.join(QUICK_PROTOCOLS)} only; instglow evaluate computes all."
        )


def _describe_track(
    track: Track, excerpt: Excerpt, found: Experiment, charts: dict[str, Any]
) -> dict[str, Any]:
    scores = found.track_scores.get(match_key(track.name), {})
    channels = {1: "mono", 2: "stereo"}.get(excerpt.channels, f"{excerpt.channels} channels")
    return {
        "name": track.name,
        "excerpt": excerpt,
        "channels": channels,
        "stems": [
            {
                "name": source,
                "scores": scores.get(match_key(source), []),
                "expected": charts.get(source),
                "clips": [
                    ("estimates", "separated", excerpt.estimates.get(source)),
                    ("references", "reference", excerpt.references.get(source)),
                ],
                "has_files": {
                    "references": source in track.references,
                    "estimates": source in track.estimates,
                },
            }
            for source in track.sources
        ],
    }


def _list_settings(found: Experiment) -> dict[str, str]:
    settings = (found.scores or {}).get("settings") or {}
    return {
        name.replace("_", " "): _format_setting(value)
        for name, value in settings.items()
        if value is not None
    }


def _format_setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _list_versions(command: str | None) -> dict[str, str]:
    versions = {name: version(name) for name in ("asteroid_instglow", *_PACKAGES)}
    return {
        **({"command": command} if command else {}),
        **versions,
        "python": platform.python_version(),
    }


def _render(variables: dict[str, Any]) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "cell": format_cell,
        "clock": format_clock,
        "data_uri": data_uri,
    }
    templates = files(__package__) / "templates"
    names = "style.css", "transport.js", "player.js"
    style, transport, player = ((templates / name).read_text() for name in names)
    script = transport + player
    # The browser refuses every script but this one, and every file that is not in the page.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = environment.get_template("page.html.j2").render(
        variables, style=Markup(style), script=Markup(script), digest=digest
    )
    # Names of files may hold bytes that are not UTF-8, which Python gives as lone surrogates.
    return text.encode("utf-8", "replace")
