"""Files of tensors: safetensors in which equal tensors are stored once, and Asteroid's pickles."""

import hashlib
import io
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

State = dict[str, torch.Tensor]
WORTHWHILE = 1024  # bytes: smaller tensors are stored as often as they occur
SCALE = "|scale"  # ends the name of what the rows of an 8-bit matrix are multiplied by
KERNEL = 16  # longest kernel of a convolution
SMALL = 4096  # values up to which a tensor is not worth 8 bits


def write_tensors(path: Path, state: State, bits: int = 32) -> None:
    """Writes a state dict; tensors that are equal are stored once.

    The file's metadata names the others, as ``safetensors.torch.save_model`` does for tensors that
    share memory: ``{"priors.1.encoder.join.weight": "priors.0.encoder.join.weight", ...}``.

    Args:
        path (Path): The file.
        state (dict[str, torch.Tensor]): The state dict.
        bits (int): 32, 16, or 8, which stores matrices as integers with a scale per row and all
            other weights in 16 bits. All are read as float32.

    Raises:
        ValueError: If a weight is too large for 16 bits.
        OSError: If the file cannot be written.
    """
    stored, aliases = {}, {}
    first: dict[Any, str] = {}
    if bits == 8:
        state = _quantised(state)
    for name, value in (state if bits == 32 else half_state(state)).items():
        value = value.detach().cpu().clone().contiguous()
        key: Any = name
        if value.nbytes >= WORTHWHILE:
            content = value.reshape(-1).view(torch.uint8).numpy().tobytes()
            key = (value.dtype, value.shape, hashlib.sha256(content).digest())
        if key in first:
            aliases[name] = first[key]
        else:
            first[key], stored[name] = name, value
    path.write_bytes(_in_order(save(stored, metadata={"format": "pt", **aliases})))


def _in_order(content: bytes) -> bytes:
    # The metadata of a file come in random order: sorted, equal models are equal files.
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def read_tensors(path: Path, prefix: str = "") -> State:
    """Reads a state dict; halves become float32, and tensors stored once share memory.

    Args:
        path (Path): A safetensors file.
        prefix (str): Read only the tensors whose names begin so, and cut it off.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            stored = list(file.keys())
            metadata = file.metadata() or {}
            aliases = {name: kept for name, kept in metadata.items() if kept in set(stored)}
            places = {**{name: name for name in stored}, **aliases}
            wanted = {
                name: place
                for name, place in places.items()
                if name.startswith(prefix) and not name.endswith(SCALE)
            }
            tensors = {place: _full(file.get_tensor(place)) for place in set(wanted.values())}
            for place, value in tensors.items():
                if place + SCALE in places:
                    scale = file.get_tensor(places[place + SCALE])
                    tensors[place] = value.float() * scale.float()
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    return {name.removeprefix(prefix): tensors[place] for name, place in wanted.items()}


def half_state(state: State) -> State:
    """Returns a state dict with its floating-point tensors in 16 bits.

    Raises:
        ValueError: If a weight is too large for 16 bits.
    """
    halved = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    large = [k for k, v in halved.items() if v.isinf().any() and not state[k].isinf().any()]
    if large:
        raise ValueError(f"half: {', '.join(large)} exceed what 16 bits can hold")
    return halved


def _quantised(state: State) -> State:
    # Matrices as 8-bit integers, each with the scales of its rows.
    out = {}
    for name, value in state.items():
        if value.ndim < 2 or value.numel() <= SMALL or not value.is_floating_point():
            out[name] = value
            continue
        # A convolution's last axis is its kernel, too short for a scale of its own.
        row = (-1,) if value.shape[-1] > KERNEL else tuple(range(1, value.ndim))
        scale = (value.abs().amax(row, keepdim=True) / 127).half().float().clamp_min(1e-7)
        out[name] = (value / scale).round().clamp(-127, 127).to(torch.int8)
        out[name + SCALE] = scale
    return out


def write_pickle(path: Path, content: Any) -> None:
    """Writes a file of ``torch.save``.

    It is made in memory first, so that a full disk is an error of the system, which says so.

    Args:
        path (Path): ``.pth``, ``.bin`` or ``.ckpt``.
        content (Any): Tensors and plain types.

    Raises:
        OSError: If the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(buffer.getbuffer())


def load_pickle(path: str | Path) -> dict[str, Any]:
    """Reads a file of ``torch.save`` that holds tensors and plain types; runs nothing in it.

    Args:
        path (str | Path): ``.pth`` or ``.bin``.

    Raises:
        ValueError: If it is damaged, or holds anything else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    # The restricted unpickler meets damage of any kind with whatever error comes first.
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise ValueError(
            f"{path} is no saved model: it is damaged, or holds more than tensors and plain types "
            "(nothing in it was run)"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a serialised model, got {type(content).__name__}")
    return content


def _full(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
