"""Arranges training records for the report: loss charts and one line about each training."""

import json
from pathlib import PurePosixPath
from typing import Any

from ..utils.text import format_duration
from .charts import loss_chart
from .experiment import Experiment
from .formatting import format_number


def list_losses(found: Experiment) -> list[dict[str, Any]]:
    """Returns a loss chart per training; adds a note for each that cannot be drawn."""
    charts = []
    for file, content in found.records:
        chart = loss_chart(_title(file, content), _unit(content), content["history"])
        if chart is None:
            found.notes.append(f"{file} has no loss that could be drawn.")
        else:
            charts.append(chart)
    return charts


def list_trainings(found: Experiment) -> list[tuple[str, str]]:
    """Returns a summary and the full record, as text, of each training."""
    trainings = []
    for file, content in found.records:
        rest = {key: v for key, v in content.items() if key not in ("history", "source")}
        text = json.dumps(rest, indent=2, ensure_ascii=False)
        trainings.append((f"{_title(file, content)}: {_summarize(content)}", text))
    return trainings


def _title(file: str, content: dict[str, Any]) -> str:
    path = PurePosixPath(file)
    if content.get("system"):  # of a baseline
        return content["system"]
    if content.get("sources"):
        return "joint encoder"
    name = content.get("source") or path.parent.name or "prior"
    return f"{name}, encoder" if path.name == "encoder.json" else f"{name}, prior"


def _unit(content: dict[str, Any]) -> str:
    rows = [row for row in content["history"] if isinstance(row, dict)]
    return "NLL, nats/dim" if any("nll" in row for row in rows) else "loss"


def _summarize(content: dict[str, Any]) -> str:
    parts = []
    if isinstance(content.get("steps"), int):
        parts.append(f"{content['steps']} steps")
    if content.get("finished") is False:
        parts.append("not finished")
    if isinstance(content.get("seconds"), (int, float)):
        parts.append(format_duration(content["seconds"]))
    for loss in ("nll", "loss"):
        values = [content.get(f"{loss}_before"), content.get(f"{loss}_after")]
        if all(isinstance(value, (int, float)) for value in values):
            parts.append(" to ".join(map(format_number, values)))
    return ", ".join(parts) or "no summary"
