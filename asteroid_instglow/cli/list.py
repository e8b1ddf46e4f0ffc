"""``instglow list``: lists the priors and separators that are found."""

import argparse
import os
from pathlib import Path
from typing import Any

HELP = "list the priors and separators that ship with the package or lie in folders"
MAX_DEPTH = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="DIR", help="folders to look in (this one)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Reads the configuration of every model found; no weights are loaded."""
    from ..weights.config import SHIPPED, shipped_names

    folders = args.folders or [Path(".")]
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")
    shipped = [describe_model(SHIPPED / name, name) for name in shipped_names()]
    found = [describe_model(path, str(path)) for folder in folders for path in find(folder)]
    return {"shipped": [m for m in shipped if m], "folders": [m for m in found if m]}


def describe(answer: dict[str, Any]) -> str:
    """Formats a table for each place."""
    lines = []
    for title, models in (
        ("shipped with the package", answer["shipped"]),
        ("folders", answer["folders"]),
    ):
        lines += ["", f"{title}:"] if models else []
        width = max((len(model["name"]) for model in models), default=0)
        for model in models:
            parts = [", ".join(model["sources"]), model["license"] or "no licence stated"]
            parts += [", ".join(f"{name} {value:g}" for name, value in model["scores"].items())]
            lines.append(f"  {model['name']:{width}}  " + "; ".join(part for part in parts if part))
    return "\n".join(lines[1:]) or "There is no model here."


def find(folder: Path) -> list[Path]:
    """Finds the model folders in a folder, hidden ones aside, at most four levels down."""
    found = []
    for place, names, files in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        names[:] = sorted(n for n in names if not n.startswith(".") and depth < MAX_DEPTH)
        if "config.json" in files:
            found.append(Path(place))
    return found


def describe_model(folder: Path, name: str) -> dict[str, Any] | None:
    """Describes a model by its configuration; None if the folder holds something else."""
    from ..weights.config import read_config
    from ..weights.registry import BASELINES, MODELS

    try:
        config = read_config(folder)
    except (ValueError, OSError):
        return None
    if config["model_name"] not in (*MODELS, *BASELINES):
        return None
    args, card = config.get("model_args", {}), config.get("card", {})
    sources = args.get("priors") or config.get("priors") or args.get("sources")
    results = card.get("results", {})
    rows: dict[str, Any] = results.get("average") or next(iter(results.values()), {})
    return {
        "name": name,
        "kind": config["model_name"],
        "sources": [str(source) for source in sources or [args.get("source", "?")]],
        "license": config.get("license") or card.get("license"),
        "scores": {str(k): v for k, v in rows.items() if isinstance(v, (int, float))},
    }
