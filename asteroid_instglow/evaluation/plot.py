"""Draws how the scores of a report spread over tracks."""

import io
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .protocols import PROTOCOLS
from .summary import Report

_COLORS = {"estimates": "#1f5fa8", "baseline": "#8a8a8a"}
_LABELS = {"estimates": "estimates", "baseline": "mixture / n"}


def box_plot(report: Report) -> bytes:
    """Draws a panel per protocol, with a box per source and a dot per track.

    Boxes span the quartiles with the median inside, whiskers the tracks within 1.5 times that
    range; diamonds mark the numbers of the table.

    Args:
        report (Report): Scores.

    Returns:
        bytes: PNG image.

    Examples:
        >>> record = {"status": "scored", "n_windows": 1, "n_windows_scored": 1, "SDR": 1.0}
        >>> report = Report({"song": {"mdx": {"estimates": {"bass": record}}}})
        >>> box_plot(report)[1:4]
        b'PNG'
    """
    names = report.protocols
    n_boxes = max(len(report.summary[name]["estimates"]) - 1 for name in names)
    figure = Figure(figsize=(max(4.8, 1.2 * n_boxes + 1.5), 3.2 * len(names)), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(len(names), squeeze=False)[:, 0], names, strict=True):
        _panel(axes, report, name)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    image = io.BytesIO()
    canvas.print_png(image)
    return image.getvalue()


def _panel(axes: Axes, report: Report, name: str) -> None:
    protocol, summary = PROTOCOLS[name], report.summary[name]
    sources = [source for source in summary["estimates"] if source != "average"]
    width = 0.7 / len(summary)
    jitter = np.random.default_rng(0)
    for k, (system, rows) in enumerate(summary.items()):
        color = _COLORS[system]
        positions = np.arange(len(sources)) + (k - (len(summary) - 1) / 2) * width
        values = [_track_values(report, name, system, source) for source in sources]
        line: dict[str, Any] = {"color": color}
        axes.boxplot(
            values,
            positions=positions,
            widths=width * 0.8,
            showfliers=False,
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops=line,
        )
        for position, scores in zip(positions, values, strict=True):
            x = position + jitter.uniform(-0.2, 0.2, len(scores)) * width
            axes.plot(x, scores, ".", color=color, alpha=0.45, markersize=4)
        summed = [rows[source][protocol.main_metric]["value"] for source in sources]
        axes.plot(positions, summed, "D", color=color, markersize=5, label=_LABELS[system])
    axes.set_xticks(range(len(sources)), sources)
    axes.set_ylabel(f"{protocol.main_metric} (dB)")
    axes.set_title(f"{name}, tracks: {len(report.tracks)}", fontsize=10)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid(axis="y", alpha=0.3)


def _track_values(report: Report, name: str, system: str, source: str) -> list[float]:
    """Returns the main metric of each track that has one."""
    records = (track[name][system].get(source) for track in report.tracks.values())
    values = [record[PROTOCOLS[name].main_metric] for record in records if record is not None]
    return [value for value in values if not math.isnan(value)]
