"""Runs Lightning on a system, with checkpoints, logs, a bar, and a clean end on signals."""

import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from ..utils.extras import check_installed
from ..utils.precision import resolve_precision
from .callbacks import Notices, Quiet, SeedSteps, Stop, TrainingBar
from .checkpoints import FOLDER, AtomicFiles, Checkpoints
from .launch import environment
from .loaders import shard_loader, stream_loader
from .options import TrainingOptions
from .system import TrainingSystem


def make_system(
    kind: type[TrainingSystem],
    model: Any,
    optimizing: tuple,
    parts: tuple,
    rebuild: tuple = (),
    **own: Any,
) -> TrainingSystem:
    """Makes the system that trains a model.

    Args:
        kind (type): Class of the system.
        model (torch.nn.Module): What learns.
        optimizing (tuple): Its optimizer and scheduler.
        parts (tuple): Datasets to train and to validate on, options, and what the logs state.
        rebuild (tuple): A function of the model and ``parts`` that makes this system, and one that
            builds the model, with its arguments: for other processes, if there are any.
        **own: Further arguments of the class.
    """
    (optimizer, scheduler), (train, validation, options, config) = optimizing, parts
    system = kind(
        model,
        optimizer,
        stream_loader(train, options.batch_size, options.num_workers),
        shard_loader(validation, options.batch_size // options.n_processes),
        scheduler,
        config=config,
        ema=options.ema,
        **own,
    )
    if options.devices > 1:
        system.rebuild = (*rebuild, parts)
    return system


def fit(
    system: TrainingSystem,
    output: Path,
    options: TrainingOptions,
    resume_from: Path | None = None,
    clip: float | None = 4.0,
    name: str = "",
) -> None:
    """Fits a system; the trained weights are in its checkpoints.

    Args:
        system (TrainingSystem): With loaders from :func:`~.loaders.stream_loader` and
            :func:`~.loaders.shard_loader`. With several devices it is pickled.
        output (Path): Folder for ``checkpoints/`` and ``logs/``.
        options (TrainingOptions): How to train.
        resume_from (Path, optional): Checkpoint to go on from.
        clip (float, optional): Largest norm of the gradient.
        name (str): Name on the progress bar.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when the checkpoint is written.
        Terminated: After SIGTERM, likewise; it ends the program with exit code 143.
        RuntimeError: If a process fails; the others are ended.
        ValueError: If the clock is centuries before 1970, which TensorBoard cannot wait for.
    """
    if (clock := time.time()) < -threading.TIMEOUT_MAX:
        raise ValueError(f"the machine's clock must be set, it says {clock:g} s after 1970")
    check_installed("tensorboard")
    precision = resolve_precision(options.precision, options.accelerator)
    stop = Stop(options.n_steps, options.time_limit)
    quiet = Quiet()
    callbacks = [quiet, SeedSteps(options.seed), stop]
    callbacks.append(Checkpoints(output / FOLDER, options.checkpoint_minutes))
    launched = environment(options)
    strategy = "auto" if options.n_processes == 1 else "ddp" if launched else "ddp_spawn"
    callbacks.append((TrainingBar if options.progress else Notices)(name, options.n_steps))
    with stop, quiet:
        trainer = pl.Trainer(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.num_nodes,
            strategy=strategy,
            plugins=[AtomicFiles(), *([launched] if launched else [])],
            precision="32-true" if precision == "32" else "bf16-mixed",
            max_epochs=-1,
            val_check_interval=options.val_every or max(1, options.n_steps // 10),
            check_val_every_n_epoch=None,
            limit_val_batches=options.val_batches or 1.0,
            # The "sanity check" is the whole validation before the first step.
            num_sanity_val_steps=0 if resume_from else -1,
            gradient_clip_val=clip,
            log_every_n_steps=10,
            logger=TensorBoardLogger(output, name="logs", version=""),
            callbacks=callbacks,
            default_root_dir=output,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        stop.launcher = trainer.strategy.launcher
        try:
            trainer.fit(system, ckpt_path=resume_from, weights_only=True)
        except SystemExit:
            # Lightning ends so on a second Ctrl-C.
            if stop.received is None:
                raise
        except (ProcessRaisedException, ProcessExitedException) as error:
            # After a signal, one that had not begun or had ended already.
            if stop.received is None:
                reason = str(error).strip().splitlines()[-1]
                raise RuntimeError(f"a training process failed: {reason}") from error
    stop.raise_for_signal()
