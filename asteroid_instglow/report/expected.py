"""Compares the SDR that a separation expects of itself with the true one, second by second."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio.io import audio_info, load_audio
from ..evaluation.layout import Track, match_key
from ..utils.files import read_json
from ..utils.text import one_line
from .charts import WIDTH, Axis, Table
from .formatting import format_number, format_tick

FILE = "confidence.json"
HEARD = 1e-3  # power of a source relative to all sources', from which a second is measured
HEIGHT = 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 22, 24
_MAX_STEPS = 240
_LIMITS = (-10.0, 30.0)  # dB, the widest axis


@dataclass
class Expected:
    """Holds what is expected of one stem, and what is true, dB, NaN where it is silent.

    Attributes:
        sdr, low, high (ndarray): Expected SDR and its interval, (n_seconds,).
        measured (ndarray): True SDR, (n_seconds,); all NaN without a reference.
    """

    sdr: NDArray[np.floating]
    low: NDArray[np.floating]
    high: NDArray[np.floating]
    measured: NDArray[np.floating]

    def compared(self) -> "Expected":
        """Returns the seconds that are both expected and measured."""
        known = ~(np.isnan(self.measured) | np.isnan(self.sdr))
        values = (self.sdr, self.low, self.high, self.measured)
        return Expected(*(x[known] for x in values))

    def n_inside(self) -> int:
        """Returns in how many seconds the true SDR lies in the interval."""
        return int(((self.low <= self.measured) & (self.measured <= self.high)).sum())


def read_expected(track: Track) -> tuple[float, dict[str, Expected], list[str]]:
    """Reads the ``confidence.json`` beside the estimates of a track, and measures the true SDR.

    Args:
        track (Track): Files.

    Returns:
        tuple: Level of the intervals; name of each source to what is expected of it (empty without
        the file); notes about what could not be read.
    """
    files = [path for path in track.estimates.values() if path]
    path = files[0].parent / FILE if files else None
    if path is None or not path.is_file():
        return 0.0, {}, []
    try:
        told: Any = read_json(path)
        level = float(told["level"])
        rows = {match_key(name): _read_rows(values) for name, values in told["sources"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        return 0.0, {}, [f"{track.name}: {path.name} cannot be read: {error}"]
    measured, notes, found = {}, [], {}
    try:
        measured = _measure(track)
    except (ValueError, OSError) as error:
        notes.append(f"{track.name}: {one_line(error)}")
    for name in track.sources:
        if match_key(name) in rows and track.estimates.get(name):
            low, sdr, high = rows[match_key(name)]
            true = np.full(len(sdr), np.nan)
            heard = measured.get(name, true)[: len(sdr)]
            true[: len(heard)] = heard
            found[name] = Expected(sdr, low, high, true)
    return level, found, notes


def expected_charts(
    level: float, found: dict[str, Expected], excerpt: tuple[float, float]
) -> dict[str, dict[str, Any]]:
    """Lays out a chart for each stem, all on the same axes.

    Args:
        level (float): How often the true value should lie in the interval.
        found (dict[str, Expected]): What to expect of each stem.
        excerpt (tuple[float, float]): Start and end of what is played, seconds.

    Returns:
        dict: Name of each stem to the variables of the template; none where a stem is silent.
    """
    values = [x for one in found.values() for x in (one.low, one.high, one.measured)]
    finite = np.concatenate([x[np.isfinite(x)] for x in values] or [np.empty(0)])
    if not finite.size:
        return {}
    low, high = np.clip([finite.min() - 0.5, finite.max() + 0.5], *_LIMITS)
    n = max(len(one.sdr) for one in found.values())
    x = Axis(0, n, _LEFT, WIDTH - _RIGHT)
    y = Axis(float(low), float(max(high, low + 1)), HEIGHT - _BOTTOM, _TOP)
    charts = {}
    for name, one in found.items():
        if np.isnan(one.sdr).all():
            continue
        size = math.ceil(n / _MAX_STEPS)
        below, middle, above, true = (
            _pool(values, size) for values in (one.low, one.sdr, one.high, one.measured)
        )
        charts[name] = {
            "summary": _summary(one),
            "label": f"{name}: expected SDR of each second{_beside(one)}",
            "band": "".join(_areas(below, above, size, x, y)),
            "expected": "".join(_steps(middle, size, x, y)),
            "measured": "".join(_steps(true, size, x, y)),
            "level": f"{level:.0%}".replace("%", " %"),
            "height": HEIGHT,
            "excerpt": [x.place(second) for second in excerpt],
            "x_ticks": [(x.place(second), second) for second in x.ticks(5)],
            "y_ticks": [(y.place(v), format_tick(v)) for v in y.ticks(3)],
        }
    return charts


def expected_table(told: Sequence[tuple[float, dict[str, Expected]]]) -> Table | None:
    """Compares expected and true SDR over the seconds of some tracks, source by source.

    Args:
        told (Sequence[tuple[float, dict[str, Expected]]]): Level and stems of each track.

    Returns:
        Table | None: Variables of the template; None if nothing is both expected and measured.
    """
    tracks = [stems for _, stems in told]
    level = max((level for level, stems in told if stems), default=0.0)
    names = list(dict.fromkeys(name for track in tracks for name in track))
    rows: list[list[Any]] = []
    for name in names:
        stems = [track[name].compared() for track in tracks if name in track]
        sdr = np.concatenate([stem.sdr for stem in stems])
        true = np.concatenate([stem.measured for stem in stems])
        if len(sdr):
            inside = 100 * sum(stem.n_inside() for stem in stems) / len(sdr)
            rows.append([name, *map(float, map(np.median, (sdr, true))), f"{inside:.0f} %"])
            rows[-1].append(len(sdr))
    if not rows:
        return None
    share = f"in the {100 * level:.0f} % interval"
    return Table(
        caption="Confidence: expected and measured SDR of the seconds of these tracks, medians, dB",
        header=["source", "expected", "measured", share, "seconds"],
        rows=rows,
    )


def _read_rows(values: Any) -> tuple[NDArray, NDArray, NDArray]:
    rows = [np.array(values[key], dtype=float) for key in ("low", "sdr", "high")]
    if any(row.shape != rows[0].shape or row.ndim != 1 for row in rows) or not len(rows[0]):
        raise ValueError("low, sdr and high must be lists of one length")
    return rows[0], rows[1], rows[2]


def _measure(track: Track) -> dict[str, NDArray[np.floating]]:
    # True SDR of each second of the stems that have a reference.
    if not track.references:
        return {}
    rate = audio_info(next(iter(track.references.values()))).sample_rate
    powers, errors = {}, {}
    for name, path in track.references.items():
        true = load_audio(path, rate)[0].numpy()
        powers[name] = _by_second(true, rate)
        if estimate := track.estimates.get(name):
            found = load_audio(estimate, rate)[0].numpy()
            if len(found) != len(true):
                true, found = (wav.mean(0, keepdims=True) for wav in (true, found))
                powers[name] = _by_second(true, rate)
            stop = min(true.shape[1], found.shape[1])
            errors[name] = _by_second(true[:, :stop] - found[:, :stop], rate)
    n = min(len(power) for power in [*powers.values(), *errors.values()])
    total = sum(power[:n] for power in powers.values())
    answer = {}
    for name, error in errors.items():
        power = powers[name][:n]
        is_heard = power > HEARD * total
        answer[name] = np.full(n, np.nan)
        ratio = power[is_heard] / (error[:n][is_heard] + 1e-9 * power[is_heard])
        answer[name][is_heard] = 10 * np.log10(ratio)
    return answer


def _by_second(wav: NDArray, rate: int) -> NDArray[np.floating]:
    power = np.square(wav, dtype=np.float64).sum(0)
    return np.add.reduceat(power, np.arange(0, len(power), rate))


def _pool(values: NDArray, size: int) -> NDArray:
    # Means of so many seconds, NaN where there is none.
    padded = np.pad(values, (0, -len(values) % size), constant_values=np.nan).reshape(-1, size)
    known = ~np.isnan(padded)
    total = np.where(known, padded, 0).sum(1)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)


def _runs(values: NDArray) -> list[tuple[int, int]]:
    # Start and end of each run without NaN.
    edges = np.flatnonzero(np.diff(np.isfinite(values).astype(int), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _steps(values: NDArray, size: int, x: Axis, y: Axis) -> list[str]:
    return [
        "M" + "L".join(_corners(values, range(start, stop), size, x, y))
        for start, stop in _runs(values)
    ]


def _areas(low: NDArray, high: NDArray, size: int, x: Axis, y: Axis) -> list[str]:
    paths = []
    for start, stop in _runs(low + high):
        there = _corners(high, range(start, stop), size, x, y)
        back = _corners(low, range(start, stop), size, x, y)[::-1]
        paths.append("M" + "L".join(there + back) + "Z")
    return paths


def _corners(values: NDArray, steps: range, size: int, x: Axis, y: Axis) -> list[str]:
    ends = [(x.place(i * size), x.place((i + 1) * size), y.place(values[i])) for i in steps]
    return [f"{at:g} {height:g}" for left, right, height in ends for at in (left, right)]


def _summary(one: Expected) -> str:
    both = one.compared()
    shown = both if len(both.sdr) else one
    middle, low, high = (_median(x) for x in (shown.sdr, shown.low, shown.high))
    line = f"Expected {middle} dB, between {low} and {high}"
    if shown is one:
        return line
    inside = f"{both.n_inside()} of {len(both.sdr)} s in the interval"
    return f"{line}; measured {_median(both.measured)} dB, {inside}"


def _median(values: NDArray) -> str:
    return format_number(float(np.nanmedian(values)), 1)


def _beside(one: Expected) -> str:
    return ", with its interval, and the measured one" * bool(np.isfinite(one.measured).any())
