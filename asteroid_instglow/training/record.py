"""Records of trainings: ``training.json`` of a flow, ``<run>.json`` of an encoder."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ..utils.files import write_json
from .checkpoints import FOLDER, LAST, load_checkpoint

PRIOR_RECORD = "training.json"
# Names of an encoder's run: its folder, and with ".json" its record beside it.
ENCODER_RUN, STRONG_ENCODER_RUN = "encoder", "strong_encoder"


def encoder_record(folder: Path, run: str = ENCODER_RUN) -> Path:
    """Returns the path of the record of an encoder's run in a model's folder."""
    return folder / f"{run}.json"


def outcome(output: Path, n_steps: int, keep: str, loss: str = "loss") -> dict[str, Any]:
    """Reads from the last checkpoint how far a run has got.

    Args:
        output (Path): Folder of the run.
        n_steps (int): Number of steps wanted.
        keep (str): Whether the "best" or the "last" weights were exported.
        loss (str): Name of the loss in the record.

    Returns:
        dict: Plain types: "steps", "finished", "<loss>_before", "<loss>_after" (of what was
        exported) and "<loss>_last" (validation), "best_step", "skipped" (batches), "data",
        "history".
    """
    last = load_checkpoint(output / FOLDER / LAST)
    state = last["training_state"]
    history = [
        {"step": row["step"], loss: row["loss"], f"train_{loss}": row["train_loss"]}
        for row in state["history"]
    ]
    best = min(history, key=lambda row: row[loss])
    return {
        "steps": last["global_step"],
        "finished": last["global_step"] >= n_steps,
        f"{loss}_before": history[0][loss],
        f"{loss}_after": (best if keep == "best" else history[-1])[loss],
        f"{loss}_last": history[-1][loss],
        "best_step": best["step"],
        "skipped": state["n_skipped"],
        "data": last["training_config"]["data"],
        "history": history,
    }


def write_record(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Writes a record with the hardware and the versions, and returns it."""
    record = complete_record(record)
    write_json(path, record, indent=2)
    return record


def complete_record(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record with the hardware and the versions."""
    return {**record, "hardware": _hardware(), "versions": _versions()}


def _hardware() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _versions() -> dict[str, str]:
    names = ("asteroid_instglow", "torch", "asteroid", "pytorch-lightning")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
