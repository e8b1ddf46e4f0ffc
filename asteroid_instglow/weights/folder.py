"""A model folder: ``config.json`` and ``model.safetensors``, none of it code.

``config.json`` holds "format", "model_name", "model_args", "sha256" (of the weights) and, where
they are known, "license", "card" and "cards" (those of a separator's priors). ``README.md`` is the
model card; files named ``LICENSE*`` or ``NOTICE*`` travel with the model.

Folders of format 1 may hold a separator's priors in folders of their own, ``priors/<source>``,
which "priors" in its ``config.json`` lists; they can still be read.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..utils.files import hash_file, naming, scratch_folder
from .config import CONFIG, FORMAT, read_config
from .tensors import State, read_tensors, write_tensors

WEIGHTS = "model.safetensors"
ASTEROID_FILE = "pytorch_model.bin"
_KEPT = ".saving.safetensors"  # old weights, until the configuration is that of the new ones
LICENSES = ("LICENSE*", "NOTICE*", "COPYING*")


@contextmanager
def staged(folder: str | Path) -> Iterator[Path]:
    """Yields a new folder to write a model to, which replaces the model in ``folder`` at the end.

    Other files in ``folder`` stay. If the block fails, the folder stays as it was. Whenever the
    process is killed, :func:`read_model` finds the old model or the new one. What killed processes
    left is removed.

    Args:
        folder (str | Path): The folder, created if it does not exist.
    """
    folder = Path(folder).absolute()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder must be a folder, got the file {folder}")
    is_new = not folder.exists()
    parent = folder.parent if is_new else folder
    parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(parent, ".saving-") as stage, naming(folder, stage):
        yield stage
        stage.chmod(0o755)
        if is_new and not folder.exists():
            stage.rename(folder)
        else:
            _exchange(stage, folder)


def _exchange(stage: Path, folder: Path) -> None:
    _keep_weights(folder)
    names = sorted((path.name for path in stage.iterdir()), key=lambda name: name == CONFIG)
    for name in names:
        os.replace(stage / name, folder / name)
    # Weights of an earlier model must not be taken for this one's.
    stale = [folder / name for name in (WEIGHTS, ASTEROID_FILE) if name not in names]
    stale += [path for name in (CONFIG, WEIGHTS) for path in folder.glob(f"priors/*/{name}")]
    for path in (*stale, folder / _KEPT):
        path.unlink(missing_ok=True)


def _keep_weights(folder: Path) -> None:
    # Gives the weights a second name, under which they outlast their replacement.
    try:
        config = read_config(folder)
    except (FileNotFoundError, ValueError):  # no model is there
        return
    weights, kept = folder / WEIGHTS, folder / _KEPT
    if _find_weights(folder, config) != weights:
        return
    kept.unlink(missing_ok=True)
    try:
        os.link(weights, kept)
    except OSError:  # a file system without links
        os.replace(weights, kept)


def _find_weights(folder: Path, config: dict[str, Any]) -> Path | None:
    # The weights that the configuration was written with, or None.
    digest = config.get("sha256", {}).get(WEIGHTS)
    for path in (folder / _KEPT, folder / WEIGHTS):
        if path.is_file() and digest in (None, hash_file(path)):
            return path
    return None


def write_model(folder: Path, config: dict[str, Any], state: State, bits: int = 32) -> None:
    """Writes configuration and weights into a folder that exists; not atomic.

    Args:
        folder (Path): The folder, see :func:`staged`.
        config (dict): Plain types; "format" and "sha256" are added.
        state (dict[str, torch.Tensor]): The state dict.
        bits (int): See :func:`~.tensors.write_tensors`.
    """
    write_tensors(folder / WEIGHTS, state, bits)
    (folder / WEIGHTS).chmod(0o644)
    config = {"format": FORMAT, **config, "sha256": {WEIGHTS: hash_file(folder / WEIGHTS)}}
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")


def read_model(
    folder: str | Path, label: str | Path | None = None, prefix: str = ""
) -> tuple[dict[str, Any], State]:
    """Reads configuration and weights of a folder that holds its weights.

    Args:
        folder (str | Path): The folder.
        label (str, optional): Name of the folder in messages.
        prefix (str): Read only the tensors whose names begin so.

    Returns:
        tuple: config (dict), state (dict[str, torch.Tensor], float32).

    Raises:
        FileNotFoundError: If the folder or one of its files is missing.
        ValueError: If a file is damaged, or of a newer format than this version reads.
    """
    label = label or folder
    config = read_config(folder, label)
    path = _find_weights(Path(folder), config)
    if path is None:  # unless another process is just exchanging them
        config = read_config(folder, label)
        path = _find_weights(Path(folder), config)
    if path is None and not (Path(folder) / WEIGHTS).is_file():
        raise FileNotFoundError(f"{label} has no {WEIGHTS}")
    if path is None:
        raise ValueError(
            f"{label}: {WEIGHTS} is damaged, or not what {CONFIG} was written with: hashes differ"
        )
    try:
        return config, read_tensors(path, prefix)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from error


def part_folder(folder: Path, place: Any, label: str | Path) -> Path:
    """Returns the folder of a prior that "priors" lists, ``folder/priors/bass`` say.

    Raises:
        ValueError: If it leads elsewhere than into ``priors/``.
    """
    match = isinstance(place, str) and re.fullmatch(r"\./priors/([^/\\\0]+)", place)
    if not match or match[1] in (".", ".."):
        raise ValueError(f"{label}: {CONFIG}: priors must lie in ./priors/, got {place!r}")
    return folder / "priors" / match[1]


def read_licenses(folder: Path) -> dict[str, str]:
    """Reads the licence files of a model folder: their names and texts."""
    paths = sorted(path for pattern in LICENSES for path in folder.glob(pattern))
    small = [path for path in paths if path.is_file() and path.stat().st_size < 1 << 20]
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in small}
