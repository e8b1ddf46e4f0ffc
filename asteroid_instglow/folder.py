"""A model on disk: a folder with ``config.json`` and ``model.safetensors``, none of it code."""

import json
import os
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
FORMAT = 1


def write_model(folder, config, state):
    """Writes a model folder; each file appears whole or not at all, the weights first.

    Args:
        folder (str | Path): Made if need be.
        config (dict): Plain types; "format" is added.
        state (dict[str, torch.Tensor]): The state dict.

    Returns:
        Path: The folder.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder must be a folder, got the file {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    # Cloned: safetensors refuses tensors that share memory.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
    text = json.dumps({"format": FORMAT, **config}, indent=2, ensure_ascii=False) + "\n"
    metadata = {"format": "pt"}
    write_atomic(folder / WEIGHTS, lambda path: save_file(tensors, path, metadata=metadata))
    write_atomic(folder / CONFIG, lambda path: Path(path).write_text(text, encoding="utf-8"))
    return folder


def read_model(folder):
    """Reads a model folder.

    Args:
        folder (str | Path): As :func:`write_model` made it.

    Returns:
        tuple: config (dict), state (dict[str, torch.Tensor]; float32 where halves were stored).

    Raises:
        FileNotFoundError: If the folder or one of its files is missing.
        ValueError: If a file is damaged, or of a newer format than this version reads.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    config = read_config(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {WEIGHTS}")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return config, {name: _full(value) for name, value in state.items()}


def read_config(folder):
    """The ``config.json`` of a model folder, its format checked."""
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {CONFIG}: it is not a prior or separator")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(config, dict) or "model_name" not in config:
        raise ValueError(f"{path} must describe a prior or separator, got something else")
    if config.get("format", FORMAT) > FORMAT:
        raise ValueError(
            f"{path} has format {config['format']}, this version reads up to {FORMAT}: "
            "upgrade asteroid_instglow"
        )
    return config


def write_atomic(path, write):
    """Calls ``write(temporary path)``, then renames: readers see the old file or the new one."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _full(value):
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
