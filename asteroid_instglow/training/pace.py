"""Chooses the number of steps of a training from the time that it may take."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ..utils.precision import resolve_precision
from .checkpoints import FOLDER, LAST, load_checkpoint
from .launch import environment
from .options import Options
from .system import TrainingSystem

WARM_UP, MEASURED = 1, 5  # steps
MEASURING = 0.05  # of the time, at most
VALIDATIONS = 2  # besides the one at the start
VALIDATING = 0.15  # of the time, at most
SPENT = 0.92  # of the time: machines slow down, and checkpoints are to be written


def steps_that_fit(
    options: Options, output: Path, make_system: Callable[[], TrainingSystem], started: float
) -> Options:
    """Returns options with the number of steps that ``options.minutes`` allows.

    Some steps are timed on a separate system, which is thrown away. A run that is resumed keeps
    the number of steps that it began with.

    Args:
        options (TrainingOptions): Options; they are returned as they are without ``minutes``.
        output (Path): Folder of the run.
        make_system (Callable): Makes a system with a copy of the model.
        started (float): ``time.monotonic()`` when the minutes began.

    Returns:
        TrainingOptions: With ``n_steps``, ``val_every``, ``val_batches`` and a ``time_limit``.

    Raises:
        ValueError: If there are minutes, and processes that were started by SLURM or torchrun.
    """
    if options.minutes is None:
        return options
    if environment(options) is not None:
        raise ValueError(
            "minutes must be None where the processes of a run are started from outside: each "
            "would measure steps of its own; give n_steps and time_limit"
        )
    last = output / FOLDER / LAST
    before = {}
    if options.resume and last.is_file():
        before = load_checkpoint(last).get("training_config", {})
    device = device_of(options.accelerator)
    half = resolve_precision(options.precision, options.accelerator) == "bf16-mixed"
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        step, validation = _time(make_system(), device, MEASURING * 60 * options.minutes)
    left = max(1.0, 60 * options.minutes - (time.monotonic() - started))
    n_batches = max(1, int(VALIDATING * left / (1 + VALIDATIONS) / validation))
    for_steps = SPENT * left - (1 + VALIDATIONS) * n_batches * validation
    n_steps = before.get("n_steps") or max(1, int(for_steps / step))
    return replace(
        options,
        n_steps=n_steps,
        val_every=max(1, n_steps // VALIDATIONS),
        val_batches=n_batches,
        time_limit=min(options.time_limit or options.minutes, left / 60),
    )


def device_of(accelerator: str) -> torch.device:
    """Returns the device for computations outside Lightning."""
    wanted = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if wanted else "cpu")


def _time(system: TrainingSystem, device: torch.device, at_most: float) -> tuple[float, float]:
    # Seconds of a step and of a batch of validation.
    system.to(device).train()
    batches, began = iter(system.train_loader), time.monotonic()
    seconds: list[float] = []
    while len(seconds) < WARM_UP + MEASURED:
        before = time.monotonic()
        loss = system.common_step(next(batches).to(device))
        loss.backward()
        system.optimizer.step()
        system.optimizer.zero_grad()
        float(loss)  # waits for the device
        seconds.append(time.monotonic() - before)
        if len(seconds) > WARM_UP and time.monotonic() - began > at_most:
            break
    system.eval()
    before = time.monotonic()
    with torch.no_grad():
        float(system.common_step(next(iter(system.val_loader)).to(device)))
    return statistics.mean(seconds[WARM_UP:]), time.monotonic() - before
