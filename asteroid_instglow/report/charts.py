"""Lays out tables and charts: loss curves, and the spread of scores over tracks.

The templates draw them as SVG elements in the page's font and colors.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .formatting import format_number, format_tick

WIDTH = 360
LOSS_HEIGHT = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 24, 30
_ROW, _LABEL = 30, 96  # height of a source's row and width of its label, in a spread chart
_MAX_POINTS, _MAX_ROWS = 400, 60
_START = 0.01  # fraction of all steps
# Keys of a history's rows, by series.
_SERIES = {"validation": ("nll", "loss", "val_loss"), "training": ("train_nll", "train_loss")}


@dataclass
class Table:
    """Holds a table; numbers are formatted by the template.

    Attributes:
        caption (str): Text above the table.
        header (list[str]): Names of the columns.
        rows (list[list]): Cells; the first of each row is its header.
        footer (list, optional): Last row, set apart.
        notes (list[str]): Sentences below the table.
    """

    caption: str
    header: list[str]
    rows: list[list[Any]]
    footer: list[Any] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Axis:
    """Maps values to coordinates.

    Args:
        low (float): Smallest value.
        high (float): Largest value.
        start (float): Coordinate of ``low``.
        stop (float): Coordinate of ``high``.
    """

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        """Returns the coordinate of a value; values outside are moved to the axis' end.

        Examples:
            >>> Axis(0, 10, 100, 200).place(5)
            150.0
        """
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return round(self.start + (self.stop - self.start) * share, 1)

    def ticks(self, count: int) -> list[float]:
        """Returns at most ``count`` + 1 round values.

        Examples:
            >>> Axis(-0.5, 4.2, 0, 1).ticks(5)
            [0.0, 1.0, 2.0, 3.0, 4.0]
        """
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        size = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
        first, last = math.ceil(self.low / size - 1e-9), math.floor(self.high / size + 1e-9)
        return [k * size for k in range(first, last + 1)]


def loss_chart(title: str, unit: str, history: Sequence[Any]) -> dict[str, Any] | None:
    """Lays out the loss curves of one training.

    Args:
        title (str): Name of the trained model.
        unit (str): Unit of the loss.
        history (list[dict]): Rows with "step" and "nll" or "loss", "train_nll" or "train_loss".

    Returns:
        dict | None: Variables of the template; None if there is no loss to draw.

    Examples:
        >>> rows = [{"step": 0, "loss": 2.0}, {"step": 10, "loss": 1.0}]
        >>> loss_chart("e-bass", "nats", rows)["summary"]
        'e-bass: validation from 2.00 to 1.00 at step 10 (nats)'
    """
    rows = [row for row in history if isinstance(row, dict) and _is_number(row.get("step"))]
    series: dict[str, list[tuple[float, float]]] = {}
    for name, keys in _SERIES.items():
        pairs = [(row["step"], _first_number(row, keys)) for row in rows]
        if points := [(step, value) for step, value in pairs if value is not None]:
            series[name] = points
    if not series:
        return None
    x, y = _loss_axes(series)
    kind, points = next(iter(series.items()))
    first, last = points[0], points[-1]
    highest = max(points[0][1] for points in series.values())
    stride = math.ceil(len(rows) / _MAX_ROWS)
    shown = rows[::stride] if rows[-1] in rows[::stride] else [*rows[::stride], rows[-1]]
    return {
        "title": title,
        "unit": unit,
        "summary": f"{title}: {kind} from {format_number(first[1])} to {format_number(last[1])} "
        f"at step {int(last[0])} ({unit})",
        "beyond": highest if highest > y.high else None,
        "x_ticks": [(x.place(value), _short(value)) for value in x.ticks(4)],
        "y_ticks": [(y.place(value), format_tick(value)) for value in y.ticks(5)],
        "lines": {name: _thin(points, x, y) for name, points in series.items()},
        "numbers": Table(
            caption=f"{title}, {unit}" + (f", one of {stride} rows" if stride > 1 else ""),
            header=["step", *series],
            rows=[
                [int(row["step"]), *(_first_number(row, _SERIES[name]) for name in series)]
                for row in shown
            ],
        ),
    }


def spread_chart(
    title: str, scores: Mapping[str, Mapping[str, float]], totals: Mapping[str, float | None]
) -> dict[str, Any] | None:
    """Lays out how scores spread over tracks: a row per source, a dot per track.

    Args:
        title (str): Metric and unit.
        scores (dict): ``[source][track]``, scores in dB.
        totals (dict[str, float | None]): Score of each source over all tracks.

    Returns:
        dict | None: Variables of the template; None if fewer than two tracks have a score.

    Examples:
        >>> chart = spread_chart("SDR (dB)", {"bass": {"a": 1.0, "b": 3.0}}, {"bass": 2.0})
        >>> [dot["track"] for dot in chart["rows"][0]["dots"]]
        ['a', 'b']
    """
    values = [value for row in scores.values() for value in row.values() if math.isfinite(value)]
    if len({track for row in scores.values() for track in row}) < 2 or not values:
        return None
    margin = 0.05 * (max(values) - min(values)) or 0.5
    axis = Axis(min(values) - margin, max(values) + margin, _LABEL, WIDTH - _RIGHT)
    rows = []
    for number, (source, row) in enumerate(scores.items()):
        dots = [
            {"x": axis.place(value), "track": track, "value": value} for track, value in row.items()
        ]
        box = None
        if len(row) > 3:
            box = [axis.place(value) for value in np.percentile(list(row.values()), (25, 50, 75))]
        total = totals.get(source)
        rows.append(
            {
                "source": source,
                "y": _ROW * (number + 0.5),
                "dots": dots,
                "box": box,
                "total": None if total is None else axis.place(total),
            }
        )
    ticks = [(axis.place(value), format_tick(value)) for value in axis.ticks(5)]
    height = _ROW * len(rows)
    return {"title": title, "rows": rows, "ticks": ticks, "height": height}


def _loss_axes(series: Mapping[str, list[tuple[float, float]]]) -> tuple[Axis, Axis]:
    points = [point for points in series.values() for point in points]
    stop = max(1.0, *(step for step, _ in points))
    losses = [loss for _, loss in points]
    # A first loss far above the others would flatten the curve: it is left outside the axis.
    late = [loss for step, loss in points if step > _START * stop] or losses
    if max(losses) - min(late) > 3 * (max(late) - min(late)) > 0:
        losses = late
    margin = 0.06 * (max(losses) - min(losses)) or 0.5
    x = Axis(0, stop, _LEFT, WIDTH - _RIGHT)
    return x, Axis(min(losses) - margin, max(losses) + margin, LOSS_HEIGHT - _BOTTOM, _TOP)


def _thin(points: list[tuple[float, float]], x: Axis, y: Axis) -> list[tuple[float, float]]:
    stride = math.ceil(len(points) / _MAX_POINTS)
    return [(x.place(step), y.place(loss)) for step, loss in [*points[::stride], points[-1]]]


def _first_number(row: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    return next((row[key] for key in keys if _is_number(row.get(key))), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _short(step: float) -> str:
    return f"{step / 1000:g}k" if step >= 1000 else f"{step:g}"
