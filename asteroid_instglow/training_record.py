"""What a training did, and on what: ``training.json``."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from .fitting import load_checkpoint
from .folder import write_atomic
from .training_callbacks import LAST

RECORD = "training.json"


def outcome(output, n_steps, keep):
    """How far a run came, from its last checkpoint.

    Args:
        output (Path): Folder of the run.
        n_steps (int): How far it should come.
        keep (str): What was exported, "best" or "last".

    Returns:
        dict: Plain types.
    """
    last = load_checkpoint(output / "checkpoints" / LAST)
    state = last["training_state"]
    history = state["history"]
    best = min(history, key=lambda row: row["nll"])
    return {
        "steps": last["global_step"],
        "finished": last["global_step"] >= n_steps,
        "nll_before": history[0]["nll"],
        "nll_after": (best if keep == "best" else history[-1])["nll"],
        "nll_last": history[-1]["nll"],
        "best_step": best["step"],
        "skipped": state["n_skipped"],
        "data": last["training_config"]["data"],
        "history": history,
    }


def write_record(output, record):
    """Writes ``training.json``, with the hardware and the versions.

    Args:
        output (Path): Folder.
        record (dict): Plain types.

    Returns:
        dict: What was written.
    """
    record = {**record, "hardware": _hardware(), "versions": _versions()}
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    write_atomic(output / RECORD, lambda path: Path(path).write_text(text, encoding="utf-8"))
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
