"""Draws how sure a separation is over time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..utils.files import write_atomic


def draw_confidence(path: str | Path, content: Mapping[str, Any]) -> None:
    """Draws a panel a source: the expected SDR of each second, with its interval.

    Args:
        path (str | Path): Picture to write, PNG or SVG.
        content (dict): As :meth:`~.confidence.Confidence.to_dict` gives.
    """
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure

    names = list(content["sources"])
    seconds = np.array(content["seconds"]) + 0.5
    with matplotlib.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
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
        kind = Path(path).suffix[1:]
        write_atomic(path, lambda file: figure.savefig(file, dpi=120, format=kind))
