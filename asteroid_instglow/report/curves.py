"""Loss curves as inline SVG, in the colours of the page."""

import math

from .markup import details, number, table, tag

_WIDTH, _HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 24, 30
_MAX_POINTS, _MAX_ROWS = 400, 60
_START = 0.01  # of all steps
# Which keys of a history are what.
_SERIES = {"validation": ("nll", "loss", "val_loss"), "training": ("train_nll", "train_loss")}


def curve(title, history, unit):
    """The loss of one training, with its numbers folded away below.

    Args:
        title (str): What was trained.
        history (list[dict]): Rows with "step" and "nll" or "loss", "train_nll" or "train_loss".
        unit (str): Of the loss.

    Returns:
        Markup | None: None if there is no number to draw.
    """
    rows = [row for row in history if isinstance(row, dict) and _is_number(row.get("step"))]
    series = {name: _points(rows, keys) for name, keys in _SERIES.items()}
    series = {name: points for name, points in series.items() if points}
    if not series:
        return None
    first, *_, last = 2 * next(iter(series.values()))
    kind = next(iter(series))
    said = f"{title}: {kind} from {number(first[1])} to {number(last[1])}"
    said += f" at step {int(last[0])} ({unit})"
    drawing = tag(
        "svg",
        {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "role": "img", "aria-label": said},
        _axes(series),
        [_line(name, points, series) for name, points in series.items()],
        _legend(series),
    )
    step = math.ceil(len(rows) / _MAX_ROWS)
    shown = rows[::step] if rows[-1] in rows[::step] else [*rows[::step], rows[-1]]
    cells = [
        [f"{int(row['step'])}", *(number(_value(row, _SERIES[name]), 3) for name in series)]
        for row in shown
    ]
    every = f", one of {step} rows" if step > 1 else ""
    numbers = table(f"{title}, {unit}{every}", ["step", *series], cells)
    caption = tag("figcaption", None, f"{title} ({unit})")
    return tag("figure", None, caption, drawing, details("Numbers", numbers))


def _points(rows, keys):
    pairs = [(row["step"], _value(row, keys)) for row in rows]
    return [pair for pair in pairs if pair[1] is not None]


def _value(row, keys):
    values = (row.get(key) for key in keys)
    return next((value for value in values if _is_number(value)), None)


def _is_number(value):
    return isinstance(value, (int, float)) and math.isfinite(value)


def _limits(series):
    points = [point for points in series.values() for point in points]
    stop = max(1, *(step for step, _ in points))
    losses = [loss for _, loss in points]
    # A first validation far above the rest would press all else flat: then it leaves the axis.
    late = [loss for step, loss in points if step > _START * stop] or losses
    if max(losses) - min(late) > 3 * (max(late) - min(late)) > 0:
        losses = late
    margin = 0.06 * (max(losses) - min(losses)) or 0.5
    return 0, stop, min(losses) - margin, max(losses) + margin


def _place(point, limits):
    left, right, low, high = limits
    x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * (point[0] - left) / (right - left)
    share = min(1, max(0, (point[1] - low) / (high - low)))
    return x, _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def _axes(series):
    limits = _limits(series)
    left, right, low, high = limits
    parts = []
    first = max(points[0][1] for points in series.values())
    if first > high:
        place = {"x": _WIDTH - _RIGHT, "y": _TOP + 10, "text-anchor": "end"}
        parts.append(tag("text", place, f"from {number(first)}, beyond the axis"))
    for value in _ticks(low, high, 5):
        y = f"{_place((left, value), limits)[1]:.1f}"
        line = {"class": "grid", "x1": _LEFT, "x2": _WIDTH - _RIGHT, "y1": y, "y2": y}
        parts.append(tag("line", line))
        text = {"x": _LEFT - 6, "y": y, "text-anchor": "end", "dominant-baseline": "middle"}
        parts.append(tag("text", text, f"{value:.6g}".replace("-", "−")))
    for value in _ticks(left, right, 4):
        x = f"{_place((value, low), limits)[0]:.1f}"
        text = {"x": x, "y": _HEIGHT - _BOTTOM + 16, "text-anchor": "middle"}
        parts.append(tag("text", text, _short(value)))
    return parts


def _ticks(low, high, count):
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    size = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / size - 1e-9)
    last = math.floor(high / size + 1e-9)
    return [k * size for k in range(first, last + 1)]


def _short(step):
    return f"{step / 1000:g}k" if step >= 1000 else f"{step:g}"


def _line(name, points, series):
    limits = _limits(series)
    stride = math.ceil(len(points) / _MAX_POINTS)
    places = [_place(point, limits) for point in [*points[::stride], points[-1]]]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    end = tag("circle", {"class": name, "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": 3})
    return [tag("polyline", {"class": name, "points": drawn}), end]


def _legend(series):
    parts, x = [], _WIDTH - _RIGHT
    for name in reversed(list(series)):
        x -= 6.2 * len(name)
        parts.append(tag("text", {"x": f"{x:.0f}", "y": 12}, name))
        line = {"class": name, "points": f"{x - 28:.0f},8 {x - 6:.0f},8"}
        parts.append(tag("polyline", line))
        x -= 44
    step = {"x": _WIDTH - _RIGHT, "y": _HEIGHT - 2, "text-anchor": "end"}
    return [*parts, tag("text", step, "step")]
