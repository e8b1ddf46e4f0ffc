"""How the numbers came about: loss curves, settings, data, hardware and versions."""

import json
import platform
from importlib.metadata import version
from pathlib import PurePosixPath

from .curves import curve
from .markup import details, number, section, tag

_PACKAGES = ("torch", "asteroid", "numpy", "soundfile")


def training_section(found):
    """Loss curves of all priors and encoders.

    Args:
        found (Experiment): With their records.

    Returns:
        Markup: The section.
    """
    curves = []
    for record in found.records:
        content = record["content"]
        drawn = curve(_title(record), content["history"], _unit(record))
        if drawn is None:
            found.notes.append(f"{record['file']} has no loss that could be drawn.")
        else:
            curves.append(drawn)
    if not curves:
        told = "No history of a training (training.json, encoder.json) is in this folder."
        return section("training", "Training", tag("p", None, told))
    told = "Losses of the priors (NLL: the negative log-likelihood of their source's solos) and of "
    told += "their encoders; lower is better."
    grid = tag("div", {"class": "curves"}, curves)
    return section("training", "Training", tag("p", None, told), grid)


def made_section(found, command=None):
    """Settings of the evaluation, configuration, each training, versions.

    Args:
        found (Experiment): What was found.
        command (str, optional): That made the page.

    Returns:
        Markup: The section.
    """
    parts = []
    settings = (found.scores or {}).get("settings")
    if settings:
        known = {name: value for name, value in settings.items() if value is not None}
        parts += [tag("h3", None, "Evaluation"), _list(known)]
    for name, text in found.configs.items():
        parts.append(details(f"Configuration: {name}", tag("pre", {"tabindex": "0"}, text)))
    if found.records:
        parts.append(tag("h3", None, "Training"))
    for record in found.records:
        content = record["content"]
        rest = {k: v for k, v in content.items() if k not in ("history", "source")}
        text = json.dumps(rest, indent=2, ensure_ascii=False)
        pre = tag("pre", {"tabindex": "0"}, text)
        parts.append(details(f"{_title(record)}: {_brief(content)}", pre))
    made = {"command": command} if command else {}
    made["asteroid_instglow"] = version("asteroid_instglow")
    made["python"] = platform.python_version()
    made |= {name: version(name) for name in _PACKAGES}
    parts += [tag("h3", None, "This page"), _list(made)]
    return section("made", "How it was made", *parts)


def _list(values):
    return tag(
        "dl",
        None,
        [
            [tag("dt", None, name.replace("_", " ")), tag("dd", None, _plain(value))]
            for name, value in values.items()
        ],
    )


def _plain(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return str(value)


def _title(record):
    path = PurePosixPath(record["file"])
    # Another system, that was trained on the same data.
    if record["content"].get("system"):
        return record["content"]["system"]
    name = record["content"].get("source") or path.parent.name or "prior"
    return f"{name}, encoder" if path.name == "encoder.json" else f"{name}, prior"


def _unit(record):
    # A flow's loss is a likelihood, others' are their own. Short, for a caption of one line.
    is_likelihood = any(
        "nll" in row for row in record["content"]["history"] if isinstance(row, dict)
    )
    return "NLL, nats/dim" if is_likelihood else "loss"


def _brief(content):
    parts = []
    if isinstance(content.get("steps"), int):
        parts.append(f"{content['steps']} steps")
    if content.get("finished") is False:
        parts.append("not finished")
    if isinstance(content.get("seconds"), (int, float)):
        parts.append(_duration(content["seconds"]))
    for before, after in (("nll_before", "nll_after"), ("loss_before", "loss_after")):
        values = [content.get(before), content.get(after)]
        if all(isinstance(value, (int, float)) for value in values):
            parts.append(f"{number(values[0])} to {number(values[1])}")
    return ", ".join(parts) or "no summary"


def _duration(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
