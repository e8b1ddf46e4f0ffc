"""A model on disk: a folder with ``config.json`` and ``model.safetensors``, none of it code.

``config.json`` has "format", "model_name", "model_args", "sha256" (of the weights) and, where the
author gave it, "card". A separator is stored in one of two ways. Whole: "model_args" has all
arguments of its priors, ``model.safetensors`` all weights, "cards" the cards of its priors. By
parts: "priors" has the name of each source, in order, with "./priors/<folder>", a folder of the
same kind in this one, or with a repository, "user/name@revision".
"""

import json
import os
import pickle
import re
import shutil
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..utils.files import hash_file

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
ASTEROID_FILE = "pytorch_model.bin"
FORMAT = 1


def write_model(folder, config, state, half=False):
    """Writes a model folder; see :func:`staged` and :func:`fill_folder`.

    Args:
        folder (str | Path): Made if need be.
        config (dict): Plain types; "format" and "sha256" are added.
        state (dict[str, torch.Tensor]): The state dict.
        half (bool): Store weights in 16 bits.

    Returns:
        Path: The folder.

    Examples
        >>> write_model("bass", {"model_name": "X", "model_args": {}}, {})  # doctest: +SKIP
        PosixPath('bass')
    """
    with staged(folder) as stage:
        fill_folder(stage, config, state, half)
    return Path(folder)


@contextmanager
def staged(folder):
    """A new folder to write a model to, which takes the place of ``folder`` at the end.

    A folder that is there keeps its other files; the model's files are exchanged one by one, the
    configuration last, whose hash tells if that was cut short. What fails before leaves it alone.

    Args:
        folder (str | Path): Made if need be.

    Yields:
        Path: The folder to write to.
    """
    folder = Path(folder).absolute()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder must be a folder, got the file {folder}")
    is_new = not folder.exists()
    parent = folder.parent if is_new else folder
    parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=parent, prefix=".saving-"))
    try:
        yield stage
        files = [path.relative_to(stage) for path in stage.rglob("*") if path.is_file()]
        for path in files:
            (stage / path).chmod(0o644)
        stage.chmod(0o755)
        if is_new and not folder.exists():
            stage.rename(folder)
        else:
            _exchange(stage, folder, files)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _exchange(stage, folder, files):
    for path in sorted(files, key=lambda path: path == Path(CONFIG)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(stage / path, folder / path)
    # Weights of an earlier model are not to be taken for this one's.
    stale = [folder / WEIGHTS, folder / ASTEROID_FILE]
    stale += [path for name in (CONFIG, WEIGHTS) for path in folder.glob(f"priors/*/{name}")]
    for path in stale:
        if path.relative_to(folder) not in files:
            path.unlink(missing_ok=True)


def fill_folder(folder, config, state=None, half=False):
    """Writes the files of a model into a folder; not atomic.

    Args:
        folder (Path): Made if need be.
        config (dict): Plain types; "format" and "sha256" are added.
        state (dict[str, torch.Tensor], optional): The state dict; None: no weights here.
        half (bool): Store weights in 16 bits; they are float32 again when they are loaded.

    Raises:
        ValueError: If a weight is too large for 16 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {"format": FORMAT, **config}
    if state is not None:
        tensors = half_state(state) if half else state
        # Cloned: safetensors refuses tensors that share memory.
        tensors = {
            name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()
        }
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        config["sha256"] = {WEIGHTS: hash_file(folder / WEIGHTS)}
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")


def half_state(state):
    """A state dict with its floating-point tensors in 16 bits."""
    halved = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    large = [k for k, v in halved.items() if v.isinf().any() and not state[k].isinf().any()]
    if large:
        raise ValueError(f"half: {', '.join(large)} exceed what 16 bits can hold")
    return halved


def read_model(folder, label=None):
    """Reads a model folder that holds its weights.

    Args:
        folder (str | Path): As :func:`write_model` made it.
        label (str, optional): What errors call it; by default the folder.

    Returns:
        tuple: config (dict), state (dict[str, torch.Tensor]; float32 where halves were stored).

    Raises:
        FileNotFoundError: If the folder or one of its files is missing.
        ValueError: If a file is damaged, or of a newer format than this version reads.
    """
    folder = Path(folder)
    label = label or folder
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {label}")
    config = read_config(folder, label)
    path = folder / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{label} has no {WEIGHTS}")
    if config.get("sha256", {}).get(WEIGHTS) not in (None, hash_file(path)):
        raise ValueError(
            f"{label}: {WEIGHTS} is damaged, or not what {CONFIG} was written with: hashes differ"
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{label}: {WEIGHTS} is damaged: {error}") from error
    return config, {name: _full(value) for name, value in state.items()}


def read_config(folder, label=None):
    """The ``config.json`` of a model folder, checked; see :func:`read_model`."""
    path = Path(folder) / CONFIG
    label = label or folder
    if not path.is_file():
        raise FileNotFoundError(f"{label} has no {CONFIG}: it is not a prior or separator")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{label}: {CONFIG} is damaged: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_name"), str):
        raise ValueError(f"{label} is not a prior or separator: its {CONFIG} describes none")
    version = config.get("format", FORMAT)
    if not isinstance(version, int) or version > FORMAT:
        raise ValueError(
            f"{label} has format {version}, this version reads up to {FORMAT}: "
            "upgrade asteroid_instglow"
        )
    for name in ("model_args", "sha256", "priors", "cards"):
        if not isinstance(config.get(name, {}), dict):
            raise ValueError(f"{label}: {CONFIG}: {name} must be an object, got {config[name]!r}")
    return config


def part_folder(place):
    """The folder that an entry of "priors" names, "priors/bass" say; None if it is a repository.

    Raises:
        ValueError: If it leads elsewhere than into ``priors/``.
    """
    if not isinstance(place, str):
        raise ValueError(f"{CONFIG}: priors must name folders or repositories, got {place!r}")
    if not place.startswith((".", "/")):
        return None
    match = re.fullmatch(r"\./(priors/[^/\\]+)", place)
    if match is None or place.endswith(("/.", "/..")):
        raise ValueError(f"{CONFIG}: priors must lie in ./priors/, got {place!r}")
    return match[1]


def load_pickle(path):
    """Content of a file of ``torch.save``: tensors and plain types; nothing in it is run.

    Args:
        path (str | Path): ``.pth`` or ``.bin``.

    Returns:
        dict: What was saved.

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


def _full(value):
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
