"""Runs Lightning on a system: loaders that can resume anywhere, checkpoints, logs."""

import logging
import os
import pickle
import signal
import warnings
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, Sampler

from ..utils.precision import resolve_precision
from .callbacks import BEST, LAST, Checkpoints, SeedSteps, Stop, TrainingBar, WeightEMA

logger = logging.getLogger(__name__)

# Batch k is items k * batch_size onwards of one endless epoch, so that a position is one number.
ENDLESS = 2**31
_NOT_NEWS = (
    ".*does not have many workers.*",
    ".*make your dataloader resumable.*",
    ".*treespec.*",
)


def fit(
    system,
    output,
    n_steps,
    val_every,
    seed=0,
    ema=None,
    resume_from=None,
    precision="32",
    devices=1,
    accelerator="auto",
    checkpoint_minutes=5.0,
    time_limit=None,
    gradient_clip_val=4.0,
    bar=None,
    environment=None,
):
    """Fits a :class:`TrainingSystem`, with checkpoints and logs under ``output``.

    What was learnt is in the checkpoints.

    Args:
        system (TrainingSystem): With loaders from :func:`stream_loader` and :func:`shard_loader`.
        output (Path): Folder for ``checkpoints/`` and ``logs/``.
        n_steps (int): Batches in all.
        val_every (int): Steps between validations.
        seed (int): Of the randomness in the steps.
        ema (float, optional): Decay of the average of the weights.
        resume_from (Path, optional): Checkpoint to go on from.
        precision (str): "32", "bf16-mixed", or "auto": the latter where the processor is fast
            at it.
        devices (int): Processes (CPU) or GPUs.
        accelerator (str): As Lightning's.
        checkpoint_minutes (float): Between checkpoints.
        time_limit (float, optional): Minutes after which to stop.
        gradient_clip_val (float): Largest norm of the gradient.
        bar (str, optional): Name on a progress bar; None for no bar.
        environment (ClusterEnvironment, optional): Of the processes, where there are several.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when the checkpoint is written.
        Terminated: After SIGTERM, likewise; it ends the program with exit code 143.
    """
    stop = Stop(n_steps, time_limit)
    precision = resolve_precision(precision, accelerator)
    callbacks = [SeedSteps(seed), stop, Checkpoints(output / "checkpoints", checkpoint_minutes)]
    if ema is not None:
        callbacks.append(WeightEMA(ema))
    if bar is not None:
        callbacks.append(TrainingBar(bar, n_steps))
    with stop, _quiet_lightning():
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy="auto" if devices == 1 else "ddp",
            plugins=environment,
            precision="32-true" if precision == "32" else precision,
            max_epochs=-1,
            val_check_interval=val_every,
            check_val_every_n_epoch=None,
            # The "sanity check" is the whole validation before the first step.
            num_sanity_val_steps=0 if resume_from else -1,
            gradient_clip_val=gradient_clip_val,
            log_every_n_steps=10,
            logger=TensorBoardLogger(output, name="logs", version=""),
            callbacks=callbacks,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(system, ckpt_path=resume_from, weights_only=True)
        except SystemExit:
            # So Lightning ends on a second Ctrl-C.
            if stop.received is None:
                raise
    if stop.received == signal.SIGTERM and trainer.is_global_zero:
        logger.warning("ended by SIGTERM at step %d, to go on from there", trainer.global_step)
    stop.raise_for_signal()


class StreamBatches(Sampler):
    """Batch k is items k * batch_size onwards, shared out among the processes; there is no end.

    Args:
        batch_size (int): Over all processes.
        start (int): First batch.
    """

    def __init__(self, batch_size, start=0):
        self.batch_size = batch_size
        self.start = start

    def __iter__(self):
        rank, n_ranks = _rank()
        share = self.batch_size // n_ranks
        for batch in range(self.start, ENDLESS):
            first = batch * self.batch_size + rank * share
            yield list(range(first, first + share))

    def __len__(self):
        return ENDLESS


class Shard(Sampler):
    """Every item once, shared out among the processes.

    Args:
        n_items (int): Over all processes.
    """

    def __init__(self, n_items):
        self.n_items = n_items

    def __iter__(self):
        return iter(self._mine())

    def __len__(self):
        return len(self._mine())

    def _mine(self):
        rank, n_ranks = _rank()
        return range(rank, self.n_items, n_ranks)


def stream_loader(dataset, batch_size, num_workers=0):
    """Endless training loader that can resume at any batch.

    Args:
        dataset (Dataset): Item i a function of i alone, up to ``ENDLESS * batch_size``.
        batch_size (int): Over all processes.
        num_workers (int): Processes that read.

    Returns:
        DataLoader: Of this process's share.
    """
    return _Loader(
        dataset,
        batch_sampler=StreamBatches(batch_size),
        num_workers=num_workers,
        # Its own, for the global generator belongs to the steps.
        generator=torch.Generator(),
        worker_init_fn=_leave_the_group,
    )


def shard_loader(dataset, batch_size):
    """Validation loader.

    Args:
        dataset (Dataset): With an end.
        batch_size (int): Of one process.

    Returns:
        DataLoader: Of this process's share.
    """
    sampler = Shard(len(dataset))
    return DataLoader(dataset, batch_size, sampler=sampler, generator=torch.Generator())


def checkpoint_to_resume(output, resume, arguments):
    """Finds the checkpoint of an earlier run.

    Args:
        output (Path): Folder of the run.
        resume (bool): False removes the checkpoints instead.
        arguments (dict): The ``config`` of the system; the earlier run's must be the same.

    Returns:
        Path: Of ``last.ckpt``, or None if there is none.

    Raises:
        ValueError: If it is damaged or was made with other arguments.
    """
    if output.exists() and not output.is_dir():
        raise ValueError(f"output must be a folder, got the file {output}")
    last = output / "checkpoints" / LAST
    if not resume:
        for path in (last, last.with_name(BEST)):
            path.unlink(missing_ok=True)
    if not last.is_file():
        return None
    before = load_checkpoint(last).get("training_config", {})
    for name, value in arguments.items():
        if before.get(name) != value:
            raise ValueError(
                f"{name} must be {before.get(name)!r} as in the run to resume, got {value!r}; "
                "resume=False starts anew"
            )
    return last


def load_checkpoint(path):
    """Reads a checkpoint, weights-only: nothing in it is executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no checkpoint: {error}; resume=False starts anew") from error


def trained_weights(output, keep):
    """State dict of the trained model, averaged if an average was kept.

    Args:
        output (Path): Folder of the run.
        keep (str): "best" or "last".

    Returns:
        dict[str, torch.Tensor]: For the model of the system.
    """
    if keep == "best":
        return load_checkpoint(output / "checkpoints" / BEST)["state_dict"]
    last = load_checkpoint(output / "checkpoints" / LAST)
    if "WeightEMA" in last["callbacks"]:
        state, prefix = last["callbacks"]["WeightEMA"]["average"], "module."
    else:
        state, prefix = last["state_dict"], "model."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


class _Loader(DataLoader):
    # A signal to the group is for the training, which ends its workers once it needs them no more:
    # they leave the group, and SIGTERM waits until they have.
    def __iter__(self):
        if not hasattr(os, "setpgrp"):
            return super().__iter__()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _leave_the_group(worker):
    if hasattr(os, "setpgrp"):
        os.setpgrp()
        # Ignoring a signal drops the one that waits.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _rank():
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@contextmanager
def _quiet_lightning():
    # What Lightning says at every start (which devices there are, tips) is not news.
    names = ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for message in _NOT_NEWS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
