"""Chooses the number of steps of a training from the time that it may take."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ..utils.precision import resolve_precision
from .checkpoints import FOLDER, LAST, load_checkpoint
from .options import Options
from .system import TrainingSystem

WARM_UP, MEASURED = 2, 5  # steps
VALIDATIONS = 4
SPENT = 0.92  # of the time: machines slow down, and checkpoints are to be written


def steps_that_fit(
    options: Options, output: Path, make_system: Callable[[], TrainingSystem]
) -> Options:
    """Returns options with the number of steps that ``options.minutes`` allows.

    Some steps and a validation are timed on a copy of the system, which is thrown away. A run that
    is resumed keeps the number of steps that it began with.

    Args:
        options (TrainingOptions): Options; they are returned as they are without ``minutes``.
        output (Path): Folder of the run.
        make_system (Callable): Makes the system.

    Returns:
        TrainingOptions: With ``n_steps``, ``val_every`` and a ``time_limit``.
    """
    if options.minutes is None:
        return options
    last = output / FOLDER / LAST
    known = None
    if options.resume and last.is_file():
        known = load_checkpoint(last).get("training_config", {}).get("n_steps")
    if known is None:
        device = _device(options.accelerator)
        half = resolve_precision(options.precision, options.accelerator) == "bf16-mixed"
        system = make_system()  # Thrown away: its steps change the weights.
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            step, validation = _time(system, device)
        left = SPENT * 60 * options.minutes - (1 + VALIDATIONS) * validation
        known = max(1, int(left / step))
    return replace(
        options,
        n_steps=known,
        val_every=max(1, known // VALIDATIONS),
        time_limit=min(options.time_limit or options.minutes, options.minutes),
    )


def _device(accelerator):
    wanted = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if wanted else "cpu")


def _time(system, device):
    # Seconds of a step and of a validation.
    system.to(device).train()
    batches, seconds = iter(system.train_loader), []
    for _ in range(WARM_UP + MEASURED):
        began = time.monotonic()
        loss = system.common_step(next(batches).to(device))
        loss.backward()
        system.optimizer.step()
        system.optimizer.zero_grad()
        seconds.append(time.monotonic() - began + 0 * float(loss))
    system.eval()
    began = time.monotonic()
    n_batches = len(system.val_loader)
    with torch.no_grad():
        for _, batch in zip(range(2), system.val_loader):
            system.common_step(batch.to(device))
    validation = (time.monotonic() - began) / min(2, n_batches) * n_batches
    return statistics.mean(seconds[WARM_UP:]), validation
