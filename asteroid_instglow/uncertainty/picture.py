"""Draws over time how sure a separation is, and who plays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..utils.files import write_atomic

_STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
_ROW = 0.8  # height of a source whose probability is 1, in rows


def draw_confidence(path: str | Path, content: Mapping[str, Any]) -> None:
    """Draws a panel for each source: the expected SDR of each second, with its interval.

    Args:
        path (str | Path): Picture to write, PNG or SVG.
        content (dict): As :meth:`~.confidence.Confidence.to_dict` gives.
    """
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure

    names = list(content["sources"])
    seconds = np.array(content["seconds"]) + 0.5
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(8, 0.6 + 1.1 * len(names)), layout="constrained")
        axes = figure.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for i, (axis, name) in enumerate(zip(axes, names)):
            values = content["sources"][name]
            low, middle, high = (
                np.array(values[key], dtype=float) for key in ("low", "sdr", "high")
            )
            axis.fill_between(seconds, low, high, color=f"C{i}", alpha=0.25, linewidth=0)
            axis.plot(seconds, middle, color=f"C{i}", marker=".", markersize=3)
            axis.set_title(name, loc="left", fontsize=9)
            axis.grid(alpha=0.3)
        axes[-1].set_xlabel("time, s")
        figure.supylabel(f"expected SDR, dB, with the interval that holds {content['level']:.0%}")
        _save(figure, path)


def draw_detection(path: str | Path, content: Mapping[str, Any]) -> None:
    """Draws a row for each source, as high as the probability that it plays in each second.

    Args:
        path (str | Path): Picture to write, PNG or SVG.
        content (dict): As :meth:`~.detection.Detection.to_dict` gives.
    """
    import matplotlib
    from matplotlib.figure import Figure

    names = list(content["sources"])
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(8, 0.9 + 0.45 * len(names)), layout="constrained")
        axis = figure.subplots()
        for i, name in enumerate(names):
            found, floor = content["sources"][name]["seconds"], len(names) - 1.0 - i
            tops = [floor + _ROW * probability for probability in found]
            edges = range(len(found) + 1)
            axis.stairs(tops, edges, baseline=floor, color=f"C{i}", fill=True, alpha=0.8)
            axis.axhline(floor, color="0.8", linewidth=0.8, zorder=0)
        axis.set_yticks([len(names) - 1 - i + _ROW / 2 for i in range(len(names))], names)
        axis.tick_params(axis="y", length=0)
        axis.set_xlim(0, max(1, len(content["sources"][names[0]]["seconds"])))
        axis.set_ylim(0, len(names))
        axis.set_xlabel("time, s")
        axis.set_title(
            f"who plays; {100 * content['unexplained']:.1f} % of the power unexplained, "
            f"familiar {content['familiar']:.2f}",
            loc="left",
            fontsize=9,
        )
        _save(figure, path)


def _save(figure: Any, path: str | Path) -> None:
    kind = Path(path).suffix[1:]
    write_atomic(path, lambda file: figure.savefig(file, dpi=120, format=kind))
