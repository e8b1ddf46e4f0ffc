"""What a training did, and on what: ``training.json`` of a flow, ``encoder.json`` of an encoder."""

import platform
from importlib.metadata import version

import torch

from ..utils.files import write_json
from .callbacks import LAST
from .fitting import load_checkpoint

PRIOR_RECORD = "training.json"
ENCODER_RECORD = "encoder.json"


def outcome(output, n_steps, keep, loss="nll"):
    """How far a run came, from its last checkpoint.

    Args:
        output (Path): Folder of the run.
        n_steps (int): How far it should come.
        keep (str): What was exported, "best" or "last".
        loss (str): What to call the loss, which is "nll" in every system's history.

    Returns:
        dict: Plain types: "steps", "finished", "<loss>_before", "<loss>_after" (of what was
        exported) and "<loss>_last" (validation), "best_step", "skipped" (batches), "data",
        "history".
    """
    last = load_checkpoint(output / "checkpoints" / LAST)
    state = last["training_state"]
    history = [
        {"step": row["step"], loss: row["nll"], f"train_{loss}": row["train_nll"]}
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


def write_record(path, record):
    """Writes a record, with the hardware and the versions.

    Args:
        path (Path): Of the file, in a folder that exists.
        record (dict): Plain types.

    Returns:
        dict: What was written.
    """
    record = {**record, "hardware": _hardware(), "versions": _versions()}
    write_json(path, record, indent=2)
    return record


def _hardware():
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _versions():
    names = ("asteroid_instglow", "torch", "asteroid", "pytorch-lightning")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
