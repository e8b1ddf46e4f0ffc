"""Makes the table and the figure of table.py, with the paper's scores beside ours."""

import io
import math

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

TITLE_HEIGHT = 0.35  # dB
TITLES = {
    "instglow": "**asteroid_instglow**",
    "instglow-paper": "InstGlow, as published",
    "nmf": "KL-NMF",
    "gan": "GAN prior",
    "conv-tasnet": "Conv-TasNet",
    "open-unmix": "Open-Unmix",
    "demucs": "Demucs v2",
    "wave-u-net": "Wave-U-Net",
    "mixture": "mixture / n",
    "irm": "ideal ratio mask",
    "wiener": "ideal Wiener",
    "mwf": "multichannel Wiener",
}
# SDR, dB, of "Music Source Separation with Generative Flow", Zhu et al. 2022: MUSDB18 (vocals,
# bass, drums, other) and Slakh2100-submix (bass, drums, guitar, piano), by the protocol "paper".
PAPER = {
    "demucs": ((7.14, 5.50, 6.74, 4.16), (5.48, 10.21, None, None)),
    "conv-tasnet": ((7.00, 4.19, 5.25, 3.94), (4.97, 9.95, None, None)),
    "open-unmix": ((6.86, 4.88, 6.35, 3.86), (4.66, 8.64, None, None)),
    "wave-u-net": ((5.06, 2.63, 3.74, 1.95), (0.01, 3.91, None, None)),
    "instglow-paper": ((3.92, 2.58, 3.85, 2.37), (1.54, 6.14, 1.85, 0.80)),
    "gan": ((-0.44, 0.48, -0.40, 0.32), (0.09, 0.85, -0.01, -0.42)),
}
COLORS = {"source-only": "#1f5fa8", "supervised": "#c8641b", "oracle": "#8a8a8a"}


def markdown(results):
    """Makes the table.

    Args:
        results (dict): Content of the JSON file.

    Returns:
        str: Markdown.
    """
    rows = _ordered(results)
    sources = [name for name in rows[0][1]["scores"] if name != "average"]
    head = ["system", "supervision", "parameters", "steps", results["clock"], "separation"]
    head += [*sources, "average", "on training songs", "paper: Slakh2100", "paper: MUSDB18"]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, row in rows:
        cells = [TITLES[name], row["kind"], f"{row['parameters'] / 1e6:.2f} M", _steps(row)]
        cells += [f"{row['training_minutes']:.1f}", f"{row['seconds_per_second']:.3g}"]
        if row["kind"] == "oracle":
            cells[2:5] = ["", "", ""]
        cells += [_pair(row["scores"][source]) for source in (*sources, "average")]
        musdb, slakh = PAPER.get(name, ((), ()))
        cells += [_pair(row["train_scores"]["average"]), _numbers(slakh), _numbers(musdb)]
        lines.append(_line(cells))
    note = (
        f"SDR / SI-SDRi in dB on {results['data']}, the first {results['seconds']:g} s of each "
        f"validation track; about {results['minutes']:g} {results['clock']} of training for each "
        "system, all sources together; separation in seconds per second of audio "
        f"({results['machine']}, {results['threads']} thread(s)). The paper's columns are SDR by "
        "its own protocol on its own data: bass, drums, guitar, piano of Slakh2100-submix; vocals, "
        "bass, drums, other of MUSDB18. Compare their order, not their values, with ours."
    )
    return "\n".join([*lines, "", note, ""])


def picture(results):
    """Draws SDR against training time and against separation time.

    Args:
        results (dict): Content of the JSON file.

    Returns:
        bytes: PNG image.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    axes = (
        (left, "training_minutes", f"training, {results['clock']}"),
        (right, "seconds_per_second", "separation, seconds per second of audio"),
    )
    rows = _ordered(results)
    for panel, key, label in axes:
        above, free = True, -math.inf
        for name, row in rows:
            title, sdr = TITLES[name].strip("*"), _sdr(row)
            if row["kind"] == "oracle":
                panel.axhline(sdr, color=COLORS["oracle"], linewidth=0.8, linestyle=":")
                style = {"color": COLORS["oracle"], "va": "bottom" if above else "top"}
                # x is in fractions of the panel, y in dB.
                across = panel.get_yaxis_transform()
                panel.text(0.01, sdr, title, fontsize=7, transform=across, **style)
                above = not above
                continue
            panel.plot(row[key], sdr, "o", color=COLORS[row["kind"]])
            # Titles of neighbors are stacked.
            free = max(sdr, free)
            style = {"textcoords": "offset points", "va": "center", "fontsize": 7}
            panel.annotate(title, (row[key], free), xytext=(5, 0), **style)
            free += TITLE_HEIGHT
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
        panel.margins(x=0.45)
    right.set_xscale("log")
    left.set_ylabel("average SDR (dB)")
    for kind in ("source-only", "supervised"):
        left.plot([], [], "o", color=COLORS[kind], label=kind)
    left.set_xlim(left=0)
    left.legend(frameon=False, fontsize=8, loc="center left")
    image = io.BytesIO()
    canvas.print_png(image)
    return image.getvalue()


def _ordered(results):
    return sorted(results["rows"].items(), key=lambda item: _sdr(item[1]))


def _sdr(row):
    value = row["scores"]["average"]["SDR"]
    return -math.inf if value is None else value


def _steps(row):
    steps = row["steps"]
    steps = steps if isinstance(steps, dict) else {"": steps}
    return ", ".join(f"{part} {n}".strip() for part, n in steps.items())


def _pair(scores):
    return f"{scores['SDR']:.2f} / {scores['SI-SDRi']:.2f}"


def _numbers(values):
    return " / ".join("–" if value is None else f"{value:.2f}" for value in values)


def _line(cells):
    return "| " + " | ".join(cells) + " |"
