"""Reads what an experiment's folder holds besides audio: scores, training records, configuration.

============================================  =====================================================
``aggregate.json`` or ``final_metrics.json``  scores as ``instglow evaluate -o`` writes them; other
                                              numbers in ``final_metrics.json`` are listed
``tracks.csv`` or ``all_metrics.csv``         scores of each track
``**/training.json``, ``**/encoder.json``     training records of priors and of encoders
``*.yml``, ``*.yaml``                         configuration of a recipe
============================================  =====================================================

Scores may also lie one folder below (a recipe's ``scores/``).
"""

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evaluation import PROTOCOLS
from ..evaluation.layout import match_key
from ..utils.text import one_line

SUMMARIES = ("aggregate.json", "final_metrics.json")
ROWS = ("tracks.csv", "all_metrics.csv")
RECORDS = ("training.json", "encoder.json")
_ROW_COLUMNS = {"protocol", "system", "track", "source", "status"}
# Deep enough for exp/<tag>/priors/<source>/; folders that may hold thousands of files are skipped.
_DEPTH = 4
_SKIPPED = {"checkpoints", "logs", "examples", "estimates", "scores", "tracks", "publish_dir"}
_SKIPPED |= {"stems", "band", "held_out"}
_MAX_CONFIG = 2**16


@dataclass
class TrackScore:
    """Main score of one source of one track under one protocol.

    Attributes:
        protocol (str): Name of the protocol.
        metric (str): Name of its main metric.
        value (float | None): Score in dB; None where it is not defined.
        status (str): One of ``evaluation.protocols.STATUSES``.
    """

    protocol: str
    metric: str
    value: float | None
    status: str


@dataclass
class Experiment:
    """Holds what was found in a folder.

    Attributes:
        folder (Path): The folder.
        scores (dict | None): Scores in the format of ``Report.to_dict()``.
        other_scores (dict[str, float]): Numbers in another format.
        track_scores (dict): ``[track key][source key]``, list of :class:`TrackScore`.
        track_names (dict[str, str]): Track key to name.
        source_names (dict[str, str]): Source key to name.
        csv (str | None): Content of the table of track scores.
        records (list[tuple[str, dict]]): Path below the folder and content of each training record.
        configs (dict[str, str]): Name and text of each configuration file.
        notes (list[str]): Sentences about what could not be read or was left out.
    """

    folder: Path
    scores: dict[str, Any] | None = None
    other_scores: dict[str, float] = field(default_factory=dict)
    track_scores: dict[str, dict[str, list[TrackScore]]] = field(default_factory=dict)
    track_names: dict[str, str] = field(default_factory=dict)
    source_names: dict[str, str] = field(default_factory=dict)
    csv: str | None = None
    records: list[tuple[str, dict]] = field(default_factory=list)
    configs: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds scores of tracks.

        Args:
            rows (iterable[dict]): Rows of the csv of a ``Report``.
        """
        protocols = (self.scores or {}).get("protocols", {})
        for row in rows:
            if row["system"] != "estimates":
                continue
            protocol, track, source = row["protocol"], row["track"], row["source"]
            if protocol in protocols:
                metric = protocols[protocol]["main_metric"]
            else:
                metric = PROTOCOLS[protocol].main_metric if protocol in PROTOCOLS else "SDR"
            score = TrackScore(protocol, metric, _to_number(row.get(metric)), row["status"])
            self.track_names.setdefault(match_key(track), track)
            self.source_names.setdefault(match_key(source), source)
            sources = self.track_scores.setdefault(match_key(track), {})
            sources.setdefault(match_key(source), []).append(score)


def read_experiment(folder: Path) -> Experiment:
    """Reads everything but the audio.

    Args:
        folder (Path): Folder of the experiment.

    Returns:
        Experiment: What was found.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"exp_dir must be a folder, but there is none at {folder}")
    found = Experiment(folder)
    below = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    place = _read_summary(found, [folder, *(p for p in below if not p.name.startswith("."))])
    if place is not None:
        _read_rows(found, [at / name for at in dict.fromkeys((place, folder)) for name in ROWS])
    for path in _find_records(folder):
        name, content = path.relative_to(folder).as_posix(), _read_json(path, found)
        if isinstance(content, dict) and isinstance(content.get("history"), list):
            found.records.append((name, content))
        elif content is not None:
            found.notes.append(f"{name} is no training record: it has no history.")
    for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        text = path.read_text(encoding="utf-8", errors="replace")
        found.configs[path.name] = text[:_MAX_CONFIG] + "\n[cut]" * (len(text) > _MAX_CONFIG)
    return found


def _read_summary(found: Experiment, places: list[Path]) -> Path | None:
    """Reads the first summary of ours, else the first numbers; returns the folder they are in."""
    other = None
    for path in (place / name for place in places for name in SUMMARIES):
        content = _read_json(path, found) if path.is_file() else None
        if _is_report(content):
            found.scores, found.other_scores = content, {}
            return path.parent
        numbers = dict(_list_numbers(content)) if isinstance(content, dict) else {}
        if numbers and other is None:
            other, found.other_scores = path.parent, numbers
    return other


def _is_report(content: Any) -> bool:
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


def _list_numbers(content: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _list_numbers(value, (*path, str(name)))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield " / ".join((*path, str(name))), value


def _read_rows(found: Experiment, paths: list[Path]) -> None:
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        found.notes.append(f"Scores of single tracks are missing: no {' or '.join(ROWS)}.")
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    reader = csv.DictReader(text.splitlines())
    missing = _ROW_COLUMNS - set(reader.fieldnames or ())
    if missing:
        absent = ", ".join(sorted(missing))
        found.notes.append(f"{path.name} has no scores that can be shown: no column {absent}.")
        return
    rows = list(reader)
    whole = [row for row in rows if all(row[column] for column in _ROW_COLUMNS)]
    if len(whole) < len(rows):
        found.notes.append(f"{path.name}: {len(rows) - len(whole)} broken lines were left out.")
    found.csv = text
    found.add_rows(whole)


def _to_number(value: Any) -> float | None:
    """Returns a finite or infinite float; None for an empty cell or NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def _find_records(folder: Path) -> list[Path]:
    files = []
    for root, folders, names in os.walk(folder):
        here = Path(root)
        depth = len(here.relative_to(folder).parts)
        kept = (name for name in folders if name not in _SKIPPED and not name.startswith("."))
        folders[:] = sorted(kept) if depth < _DEPTH else []
        files += [here / name for name in RECORDS if name in names]
    return files


def _read_json(path: Path, found: Experiment) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        name = path.relative_to(found.folder)
        found.notes.append(f"{name} could not be read: {one_line(error)}.")
        return None
