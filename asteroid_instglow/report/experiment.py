"""What the folder of an experiment holds besides audio: scores, histories, configuration.

Nothing is asked of a folder but that there is something to show. What is looked for:

============================================  =====================================================
``aggregate.json`` or ``final_metrics.json``  scores, as ``instglow evaluate -o`` writes them; a
                                              ``final_metrics.json`` of other numbers is listed
``tracks.csv`` or ``all_metrics.csv``         the same track by track
``boxplot.png``                               their spread
``**/training.json``, ``**/encoder.json``     histories of priors and of their encoders
``*.yml``, ``*.yaml``                         the configuration of a recipe
============================================  =====================================================

Scores may also be in a folder directly below (a recipe's ``scores/``), with their csv and plot. For
audio, see ``tracks``.
"""

import csv
import json
import math
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from ..evaluation import PROTOCOLS

SUMMARIES = ("aggregate.json", "final_metrics.json")
ROWS = ("tracks.csv", "all_metrics.csv")
BOX_PLOT = "boxplot.png"
RECORDS = ("training.json", "encoder.json")
_ROW_COLUMNS = {"protocol", "system", "track", "source", "status"}
# Deep enough for exp/<tag>/priors/<source>/, and not into what may hold thousands of files.
_DEPTH = 4
_NO_RECORDS = {"checkpoints", "logs", "examples", "estimates", "scores", "tracks", "publish_dir"}
_NO_RECORDS |= {"stems", "band", "held_out"}
_MAX_CONFIG = 2**16


@dataclass
class Experiment:
    """What was found.

    Attributes:
        folder (Path): Where.
        scores (dict | None): As ``Report.to_dict()``.
        other_scores (dict[str, float]): Numbers of another kind.
        track_scores (dict): ``[key of track][key of source]``, list of dicts with "protocol",
            "metric", "value" (None where not defined) and "status".
        track_names (dict[str, str]): Key of each scored track to its name.
        box_plot (bytes | None): PNG.
        records (list[dict]): "file" (name below the folder) and "content" of each history.
        configs (dict[str, str]): Name of each configuration to its text.
        notes (list[str]): What is missing or could not be read, in sentences.
    """

    folder: Path
    scores: dict | None = None
    other_scores: dict = field(default_factory=dict)
    track_scores: dict = field(default_factory=dict)
    track_names: dict = field(default_factory=dict)
    box_plot: bytes | None = None
    records: list = field(default_factory=list)
    configs: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def read_experiment(folder):
    """Reads all but the audio.

    Args:
        folder (Path): Of the experiment.

    Returns:
        Experiment: What is there.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"exp_dir must be a folder, but there is none at {folder}")
    found = Experiment(folder)
    places = [folder, *(p for p in sorted(folder.iterdir()) if p.is_dir() and _is_shown(p))]
    where = _read_summary(found, places)
    if where is not None:
        near = dict.fromkeys((where, folder))
        _read_rows(found, [place / name for place in near for name in ROWS])
        _read_box_plot(found, [place / BOX_PLOT for place in near])
    for path in _record_files(folder):
        content = _read_json(path, found)
        if isinstance(content, dict) and isinstance(content.get("history"), list):
            name = path.relative_to(folder).as_posix()
            found.records.append({"file": name, "content": content})
        elif content is not None:
            found.notes.append(f"{path.relative_to(folder)} holds no history of a training.")
    for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        text = path.read_text(encoding="utf-8", errors="replace")
        found.configs[path.name] = text[:_MAX_CONFIG] + "\n[cut]" * (len(text) > _MAX_CONFIG)
    return found


def key(name):
    """One name, however it is spelled: as ``instglow evaluate`` matches them."""
    return unicodedata.normalize("NFC", name).casefold()


def add_rows(found, rows):
    """Adds scores of tracks, one row a protocol, system, track and source.

    Args:
        found (Experiment): Gets them.
        rows (iterable[dict]): As in the csv of a ``Report``.
    """
    for row in rows:
        if row["system"] != "estimates":
            continue
        metric = _main_metric(found.scores, row["protocol"])
        score = {"protocol": row["protocol"], "metric": metric, "status": row["status"]}
        score["value"] = _number(row.get(metric))
        found.track_names.setdefault(key(row["track"]), row["track"])
        sources = found.track_scores.setdefault(key(row["track"]), {})
        sources.setdefault(key(row["source"]), []).append(score)


def _read_summary(found, places):
    """Takes the first scores of our kind, else the first numbers of any; gives their folder."""
    other = None
    for place in places:
        for path in (place / name for name in SUMMARIES):
            content = _read_json(path, found) if path.is_file() else None
            if _is_report(content):
                # Such a summary has all that a shorter one elsewhere tells.
                found.scores, found.other_scores = content, {}
                return place
            numbers = dict(_numbers(content)) if isinstance(content, dict) else {}
            if numbers and other is None:
                other, found.other_scores = place, numbers
    return other


def _is_report(content):
    protocols = content.get("protocols") if isinstance(content, dict) else None
    if not isinstance(protocols, dict) or not protocols:
        return False
    return all(
        isinstance(protocol, dict)
        and isinstance(protocol.get("main_metric"), str)
        and isinstance(protocol.get("scores"), dict)
        and isinstance(protocol["scores"].get("estimates"), dict)
        and all(isinstance(row, dict) for row in protocol["scores"]["estimates"].values())
        for protocol in protocols.values()
    )


def _numbers(content, path=()):
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _numbers(value, (*path, str(name)))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield " / ".join((*path, str(name))), value


def _read_rows(found, paths):
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        names = " or ".join(ROWS)
        found.notes.append(f"No scores of single tracks: there is no {names} beside the scores.")
        return
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        missing = _ROW_COLUMNS - set(reader.fieldnames or ())
        if missing:
            absent = ", ".join(sorted(missing))
            found.notes.append(f"{path.name} has no scores that can be shown: no column {absent}.")
            return
        rows = list(reader)
    whole = [row for row in rows if all(row[column] for column in _ROW_COLUMNS)]
    if len(whole) < len(rows):
        found.notes.append(f"{path.name}: {len(rows) - len(whole)} broken lines were left out.")
    add_rows(found, whole)


def _main_metric(scores, protocol):
    given = (scores or {}).get("protocols", {}).get(protocol)
    if given:
        return given["main_metric"]
    return PROTOCOLS[protocol].main_metric if protocol in PROTOCOLS else "SDR"


def _number(text):
    if text is None or isinstance(text, (int, float)):
        return None if text is None or math.isnan(text) else float(text)
    try:
        value = float(text)
    except ValueError:  # an empty cell: not defined
        return None
    return None if math.isnan(value) else value


def _read_box_plot(found, paths):
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        if content.startswith(b"\x89PNG"):
            found.box_plot = content
            return
    found.notes.append(f"No box plot: there is no {BOX_PLOT} beside the scores.")


def _record_files(folder):
    files = []
    for root, folders, names in os.walk(folder):
        here = Path(root)
        depth = len(here.relative_to(folder).parts)
        kept = (name for name in folders if name not in _NO_RECORDS and not name.startswith("."))
        folders[:] = sorted(kept) if depth < _DEPTH else []
        files += [here / name for name in RECORDS if name in names]
    return files


def _read_json(path, found):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        name = path.relative_to(found.folder)
        found.notes.append(f"{name} could not be read: {' '.join(str(error).split())}.")
        return None


def _is_shown(path):
    return not path.name.startswith(".")
