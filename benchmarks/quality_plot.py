"""Draws SDR against the cost of separation, for every result of quality.py.

quality_plot.py [--results DIR] [--songs NAME] [--output docs/images/quality.png]
"""

import argparse
import json
import math
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT = Path(__file__).parent
COLORS = {"encoder": "#1f5fa8", "paper": "#8a8a8a", "nmf": "#3a8a4a"}
COST = "cpu_seconds_per_second"
NMF = ROOT / "results" / "nmf_validation.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "quality")
    parser.add_argument("--songs", default="validation", help="the set of songs to draw")
    parser.add_argument("--output", type=Path, default=ROOT.parent / "docs/images/quality.png")
    args = parser.parse_args()
    results = {p.stem: json.loads(p.read_text()) for p in sorted(args.results.glob("*.json"))}
    if NMF.is_file():
        results["nmf"] = baseline(json.loads(NMF.read_text()))
    results = {name: r for name, r in results.items() if args.songs in r["sets"]}
    if not results:
        parser.error(f"--songs must be a set that {args.results} has results of, got {args.songs}")
    figure = draw(results, args.songs)
    FigureCanvasAgg(figure).print_png(str(args.output))


def baseline(stored):
    """Converts the stored scores of KL-NMF to the format of quality.py."""
    average = stored["scores"]["protocols"]["sisec"]["scores"]["estimates"]["average"]
    found = {COST: stored[COST], "SDR": {"average": average["SDR"]}}
    return {"options": {"solver": "nmf"}, "sets": {"validation": found}}


def _score(found):
    return found["SDR"]["average"]["value"]


def draw(results, songs):
    """Draws a point per result."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    at = {name: (r["sets"][songs][COST], _score(r["sets"][songs])) for name, r in results.items()}
    for name, (cost, score) in at.items():
        axes.plot(
            cost,
            score,
            "o",
            color=COLORS[results[name]["options"].get("solver", "encoder")],
            markersize=8,
        )
        # The better of two neighbors has its label above, the other below.
        others = [place for other, place in at.items() if other != name]
        distances = [(abs(math.log(place[0] / cost)), place[1]) for place in others]
        nearest = min(distances, default=(0, 0))
        offset = (0, 9 if score >= nearest[1] else -16)
        axes.annotate(
            name, (cost, score), offset, textcoords="offset points", fontsize=9, ha="center"
        )
    axes.set_xscale("log")
    axes.set_xlabel("CPU seconds per second of audio (one core)")
    axes.set_ylabel("SDR (dB), average of the sources")
    axes.set_title(f"Quality and cost: {songs}, first 8 s", fontsize=11)
    axes.grid(alpha=0.3)
    axes.margins(0.3, 0.15)
    return figure


if __name__ == "__main__":
    main()
