"""Finds the device to compute on."""

import itertools
from typing import Any

import torch


def pick_device(name: str = "auto") -> torch.device:
    """Returns a device that can be used.

    Args:
        name (str): "auto" takes the first of CUDA, MPS and CPU that is there; else a device of
            torch, such as "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        ValueError: If there is no such device, or none that torch can use.

    Examples:
        >>> pick_device("cpu")
        device(type='cpu')
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind, is_there in usable.items() if is_there), "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be auto, cpu, cuda, cuda:1, mps, got {name!r}") from error
    if device.type == "cpu":
        return device
    is_there = usable.get(device.type, False)
    if not is_there or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device {name!r} cannot be used: torch {torch.__version__} finds no such GPU here; "
            f"auto would take {pick_device()}"
        )
    return device


def device_of(module: Any) -> torch.device:
    """Returns the device of a module's first weight or buffer; the CPU if it has none.

    Examples:
        >>> device_of(torch.nn.Linear(2, 2))
        device(type='cpu')
    """
    weights = itertools.chain(module.parameters(), module.buffers())
    return next((weight.device for weight in weights), torch.device("cpu"))
