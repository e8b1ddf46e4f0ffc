"""Checkpoints of a run: written whole or not at all, by one process at a time, read safely."""

import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Checkpoint

from ..utils.files import naming, write_atomic
from ..weights.tensors import write_pickle
from .options import TrainingOptions

LAST = "last.ckpt"
BEST = "best.ckpt"
FOLDER = "checkpoints"
_LOCK = ".training.lock"


class AtomicFiles(TorchCheckpointIO):
    """Writes Lightning's checkpoints in their own folder, and then renames them.

    Lightning's own goes through the folder for temporary files: from another file system the file
    is copied over the old one, and a kill or a full disk in between leaves neither.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:  # noqa: D102
        _save(checkpoint, path)

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:  # noqa: D102
        return super().load_checkpoint(path, map_location, weights_only)


class Checkpoints(Checkpoint):
    """Keeps ``last.ckpt``, to resume from, and ``best.ckpt``, the weights of the best validation.

    The former is written at intervals and when the run stops, always between two steps, and after
    the validation if one is due: a resumed run then does what this one would have done.

    Args:
        folder (str | Path): Folder of both; it is created if it does not exist.
        minutes (float): Minutes between checkpoints.
    """

    def __init__(self, folder: str | Path, minutes: float = 5.0):
        self.folder = Path(folder)
        self.minutes = minutes
        self.best_loss = float("inf")
        self.best_step = 0
        self._due = False
        self._saved = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Starts the clock."""
        self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves, unless a validation follows."""
        late = time.monotonic() - self._saved > 60 * self.minutes
        late = trainer.strategy.reduce_boolean_decision(late, all=False)
        self._due = self._due or late or trainer.should_stop
        every: Any = trainer.val_check_batch
        validates = trainer.should_stop or trainer.global_step % every == 0
        if not (validates and trainer.enable_validation):
            self._save_last(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Saves the weights if they are the best so far."""
        row = pl_module.history[-1]
        if row["loss"] < self.best_loss:
            self.best_loss, self.best_step = row["loss"], row["step"]
            if trainer.is_global_zero:
                weights = pl_module.exported.state_dict()
                best = {"state_dict": weights, "training_config": pl_module.config, **row}
                _save(best, self.folder / BEST)
        if not trainer.sanity_checking:
            self._save_last(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps."""
        return {"best_loss": self.best_loss, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what a checkpoint kept."""
        self.best_loss, self.best_step = state_dict["best_loss"], state_dict["best_step"]

    def _save_last(self, trainer: Trainer) -> None:
        if self._due:
            trainer.save_checkpoint(self.folder / LAST)
            self._due, self._saved = False, time.monotonic()


def check_run_folder(folder: Path) -> None:
    """Refuses what cannot be a training's folder: a file, or a name that TensorBoard cannot write.

    Raises:
        ValueError: If it is one of these.
    """
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise ValueError(f"output must be a path in UTF-8, got {ascii(str(folder))}") from None
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"output must be a folder, got the file {folder}")


@contextmanager
def locked(folder: Path, is_first: bool = True) -> Iterator[None]:
    """Keeps a folder for one training.

    Args:
        folder (Path): The folder; it is created if it does not exist.
        is_first (bool): Whether this is the first process of a training, which locks for all.

    Raises:
        ValueError: If another training is running there, or see :func:`check_run_folder`.
        OSError: If something cannot be written; the message names the folder.
    """
    check_run_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        if is_first:
            lock.acquire()
    except Timeout:
        raise ValueError(
            f"another training is running in {folder}: wait for it, or choose another folder"
        ) from None
    try:
        with naming(folder, folder):
            yield
    finally:
        lock.release()


def checkpoint_to_resume(
    output: Path, options: TrainingOptions, arguments: dict[str, Any], data_digest: str
) -> Path | None:
    """Finds the checkpoint of an earlier run.

    Args:
        output (Path): Folder of the run.
        options (TrainingOptions): ``resume=False`` removes the checkpoints instead.
        arguments (dict): The system's ``config``, which the earlier run must have in common.
        data_digest (str): Digest of the recordings, see
            :func:`~asteroid_instglow.data.data_digest`.

    Returns:
        Path: Path of ``last.ckpt``, or None if there is none.

    Raises:
        ValueError: If it is damaged, or was made with other arguments or other recordings.
    """
    last = output / FOLDER / LAST
    if not options.resume:
        for path in (last, last.with_name(BEST)):
            path.unlink(missing_ok=True)
    if not last.is_file():
        return None
    before = load_checkpoint(last).get("training_config", {})
    for name, value in arguments.items():
        if name in before and before[name] != value:
            raise ValueError(
                f"{name} must be {before[name]!r} as in the run to resume, got {value!r}; "
                "resume=False starts anew"
            )
    if before.get("data_digest", data_digest) != data_digest and not options.other_data:
        raise ValueError(
            f"data must be what the run in {output} was trained on so far, the recordings have "
            "changed: other_data=True goes on with these, resume=False starts anew"
        )
    return last


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint, weights-only: nothing in it is executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no checkpoint: {error}; resume=False starts anew") from error


def trained_weights(output: Path, keep: str) -> dict[str, torch.Tensor]:
    """Reads the weights of the trained model, averaged if an average was kept.

    Args:
        output (Path): Folder of the run.
        keep (str): "best" or "last".

    Returns:
        dict[str, torch.Tensor]: State dict for the model of the system.
    """
    if keep == "best":
        return load_checkpoint(output / FOLDER / BEST)["state_dict"]
    state = load_checkpoint(output / FOLDER / LAST)["state_dict"]
    averaged = int(state.get("average.n_averaged", 0)) > 0
    prefix = "average.module." if averaged else "model."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _save(checkpoint: dict[str, Any], path: str | Path) -> None:
    write_atomic(path, lambda new: write_pickle(new, checkpoint))
