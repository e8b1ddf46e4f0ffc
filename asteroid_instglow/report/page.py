"""The listening page of an experiment: one HTML file that needs no other and no network."""

import base64
import hashlib
import math
from datetime import datetime, timezone
from pathlib import Path

from tqdm import tqdm

from ..utils.files import write_atomic
from .clips import make_excerpt
from .experiment import Experiment, read_experiment
from .listening import listening_section, track_article
from .markup import Markup, data_uri, plural, section, table, tag
from .provenance import made_section, training_section
from .scores import QUICK_PROTOCOLS, mean_score, score_tables, score_tracks, track_table
from .theme import SCRIPT, STYLE
from .tracks import read_tracks

PAGE = "report.html"
_SUFFIXES = (".html", ".htm")
_MAX_OPEN = 36


def write_page(
    exp_dir,
    output=None,
    references=None,
    estimates=None,
    n_tracks=6,
    seconds=20.0,
    max_size=25.0,
    command=None,
    progress=True,
):
    """Writes the page: scores, box plot, players with spectrograms, loss curves, how it was made.

    What is read is told in :mod:`~asteroid_instglow.report.experiment` and
    :mod:`~asteroid_instglow.report.tracks`. What is missing, and what was left out, is said on the
    page. Tracks without scores are scored quickly (global SDR, SI-SDR), which is said, too.

    Args:
        exp_dir (str | Path): Output folder of ``instglow evaluate`` or of ``instglow demo``,
            ``exp/<tag>`` of a recipe, or a folder of priors.
        output (str | Path, optional): The file, by default ``report.html`` in ``exp_dir``.
        references (str | Path, optional): ``<references>/<track>/<source>.wav``.
        estimates (str | Path, optional): ``<estimates>/<track>/<source>.wav``.
        n_tracks (int): Tracks to listen to, evenly spread between the best and the worst score.
        seconds (float): Length of the excerpts, taken where all sources play.
        max_size (float): Megabytes; tracks that would make the page larger are left out.
        command (str, optional): What was typed, to be shown.
        progress (bool): Whether to show a bar on stderr.

    Returns:
        dict: "page" (path), "megabytes", "tracks" (names of those that can be heard), "left_out"
        (of those that do not fit), "notes" (what is missing).

    Raises:
        FileNotFoundError: If a folder is not there.
        ValueError: If an argument is out of range, or the folder has nothing to show.

    Examples
        >>> write_page("scores", references="test", estimates="stems")  # doctest: +SKIP
    """
    exp_dir = Path(exp_dir)
    output = _check(output, exp_dir, n_tracks, seconds, max_size)
    found = read_experiment(exp_dir)
    tracks, missing = read_tracks(exp_dir, references, estimates)
    if not (tracks or found.scores or found.other_scores or found.records):
        raise ValueError(
            "exp_dir must hold scores (aggregate.json), audio (examples or stems) or priors "
            f"(training.json), but none of these is in {exp_dir}"
        )
    found.notes += missing
    chosen, choice = _choose(found, tracks, n_tracks)
    _complete(found, chosen)
    limit = max_size * 1e6
    fixed = [_scores_section(found), training_section(found), made_section(found, command)]
    left = limit - sum(len(part.encode()) for part in fixed if part) - 30_000
    articles, shown, left_out = [], [], []
    # Browsers hold a limited number of open players; unopened ones cannot tell their length.
    few = sum(1 + 2 * len(track.sources) for track in chosen) <= _MAX_OPEN
    for track in tqdm(chosen, desc="listening page", unit="track", disable=not progress):
        excerpt, problems = make_excerpt(track, seconds)
        found.notes += problems
        if excerpt is None:
            continue
        if excerpt.n_bytes > left:
            left_out.append(track.name)
            continue
        anchor = f"track-{len(articles) + 1}"
        articles.append(track_article(anchor, track, excerpt, found, few))
        left -= len(articles[-1].encode())
        shown.append((anchor, track.name))
    if left_out:
        found.notes.append(
            f"Left out to keep the page below {max_size:g} MB: {', '.join(left_out)}. Shorter "
            "excerpts (--seconds) or a larger page (--max-size) would show more."
        )
    listening = listening_section(shown, articles, choice, seconds)
    scores, *rest = fixed
    text = _document(found, [scores, listening, *rest])
    write_atomic(output, text)
    return {
        "page": str(output),
        "megabytes": round(len(text.encode()) / 1e6, 2),
        "tracks": [name for _, name in shown],
        "left_out": left_out,
        "notes": found.notes,
    }


def _check(output, exp_dir, n_tracks, seconds, max_size):
    if isinstance(n_tracks, bool) or not isinstance(n_tracks, int) or n_tracks < 0:
        raise ValueError(f"n_tracks must be a whole number of at least 0, got {n_tracks!r}")
    for name, value in [("seconds", seconds), ("max_size", max_size)]:
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, got {value!r}")
    output = exp_dir / PAGE if output is None else Path(output)
    # It replaces what is there: better not the mixture.
    if output.suffix.lower() not in _SUFFIXES or output.is_dir():
        raise ValueError(f"output must be a file that ends in .html, got {output}")
    return output


def _choose(found, tracks, n_tracks):
    """The tracks to hear, and a sentence on which they are."""
    means = {track.name: mean_score(found, track.name) for track in tracks}
    scored = [track for track in tracks if means[track.name] is not None]
    if len(tracks) <= n_tracks or n_tracks == 0:
        chosen = tracks[:n_tracks]
        return chosen, f"{plural(len(chosen), 'track')}." if chosen else "None was asked for."
    if len(scored) < n_tracks:
        return tracks[:n_tracks], f"The first {n_tracks} of {len(tracks)} tracks."
    ranked = sorted(scored, key=lambda track: -means[track.name])
    steps = (len(ranked) - 1) / max(1, n_tracks - 1)
    chosen = [ranked[round(i * steps)] for i in range(n_tracks)]
    spread = "evenly spread from the best score to the worst" if n_tracks > 1 else "the best"
    return chosen, f"{n_tracks} of {plural(len(tracks), 'track')}, {spread}."


def _complete(found, chosen):
    """Scores what is heard, if nothing was."""
    if found.track_scores or not chosen:
        return
    had_table = found.scores is not None
    try:
        report = score_tracks(found, chosen)
    except (ValueError, OSError) as error:
        found.notes.append(f"No scores: {' '.join(str(error).split())}")
        return
    if report is None:
        if not had_table and not found.other_scores:
            found.notes.append("No scores: there is no track with references and estimates.")
        return
    names = " and ".join(QUICK_PROTOCOLS)
    found.notes.append(
        f"Scores of single tracks were computed for this page, from {plural(len(chosen), 'track')} "
        f"and with the quick protocols {names} only; instglow evaluate gives all."
    )
    if not had_table and len(report.tracks) > 1:
        from ..evaluation.plot import box_plot  # matplotlib takes long to import

        found.box_plot = box_plot(report)


def _scores_section(found: Experiment):
    parts = []
    if found.scores is not None:
        n_tracks = found.scores.get("n_tracks")
        if n_tracks is not None:
            several = " Intervals are over tracks, by bootstrap." if n_tracks > 1 else ""
            one = " One track has no interval." if n_tracks == 1 else ""
            parts.append(tag("p", None, f"{plural(n_tracks, 'track')}.{several}{one}"))
        parts += score_tables(found.scores)
    if found.other_scores:
        rows = [[name, f"{value:.4g}"] for name, value in found.other_scores.items()]
        parts.append(table("final_metrics.json", ["metric", "value"], rows))
    if not parts:
        parts.append(tag("p", None, "There are no scores."))
    if found.box_plot is not None:
        names = ", ".join((found.scores or {}).get("protocols", {}))
        alt = f"Box plot of the scores of all tracks, a panel for each of: {names or 'scores'}"
        image = tag("img", {"src": data_uri(found.box_plot, "image/png"), "alt": alt})
        caption = "Each dot is a track; boxes span the quartiles, a diamond is the table's number."
        caption = tag("figcaption", None, caption)
        parts.append(tag("figure", {"class": "chart"}, caption, image))
    return section("scores", "Scores", *parts, track_table(found))


def _document(found, sections):
    name = found.folder.resolve().name or "experiment"
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    # The browser itself refuses whatever would not be in this file.
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    links = [("scores", "Scores"), ("listen", "Listen"), ("training", "Training")]
    links = [*links, ("made", "How it was made")]
    items = [tag("li", None, tag("a", {"href": f"#{to}"}, text)) for to, text in links]
    head = tag(
        "head",
        None,
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("title", None, f"{name} · instglow"),
        tag("style", None, Markup(STYLE)),
    )
    top = tag(
        "header",
        None,
        tag("a", {"class": "skip", "href": "#main"}, "To the scores"),
        tag("p", {"class": "kicker"}, "instglow listening page"),
        tag("h1", None, name),
        tag("p", {"class": "meta"}, f"Made {made}"),
        tag("nav", {"aria-label": "Parts of the page"}, tag("ul", None, items)),
        _notes(found.notes),
    )
    footer = tag("footer", None, "One file, no network. Made by instglow report.")
    body = tag("body", None, top, tag("main", {"id": "main"}, sections), footer)
    body = Markup(body[: -len("</body>")] + tag("script", None, Markup(SCRIPT)) + "</body>")
    return f"<!doctype html>\n{tag('html', {'lang': 'en'}, head, body)}\n"


def _notes(notes):
    if not notes:
        return None
    title = tag("h2", {"id": "notes-title"}, "Missing or left out")
    items = [tag("li", None, note) for note in dict.fromkeys(notes)]
    attributes = {"class": "note", "aria-labelledby": "notes-title"}
    return tag("section", attributes, title, tag("ul", None, items))
