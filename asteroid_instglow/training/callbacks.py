"""Callbacks of a training: a random seed for each step, stopping, and a progress bar."""

import logging
import signal
import threading
import time
import warnings
from types import FrameType
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm

logger = logging.getLogger(__name__)


_TALKERS = ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero")
_NOT_NEWS = (
    ".*does not have many workers.*",
    ".*make your dataloader resumable.*",
    ".*treespec.*",
    ".*sync_dist=True.*",
    ".*pkg_resources.*",
)


class Quiet(Callback):
    """Silences Lightning's list of devices and its tips, which it logs at every start.

    It acts inside its context; in a new process, from the moment it is unpickled.
    """

    def __enter__(self) -> "Quiet":
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        self._levels = [logging.getLogger(name).level for name in _TALKERS]
        self.__setstate__({})
        return self

    def __exit__(self, *error: Any) -> None:
        for name, level in zip(_TALKERS, self._levels):
            logging.getLogger(name).setLevel(level)
        self._caught.__exit__(*error)

    def __getstate__(self) -> dict[str, Any]:
        return {"quiet": True}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name in _TALKERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        for message in _NOT_NEWS:
            warnings.filterwarnings("ignore", message)


class SeedSteps(Callback):
    """Seeds torch before each step, from the seed and the number of the step.

    A resumed run then draws what the uninterrupted one draws, with no state to save.

    Args:
        seed (int): Random seed, not negative.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Seeds torch."""
        entropy = [self.seed, trainer.global_step, trainer.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))


class Terminated(SystemExit):
    """Raised after SIGTERM; uncaught, it ends the program with exit code 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Stop(Callback):
    """Ends a run after a number of steps, after a time, or on Ctrl-C when the step is done.

    SIGTERM does what Ctrl-C does; only a second Ctrl-C interrupts at once. As a context manager it
    catches both signals from then on, and passes them on to the processes of a launcher.

    Args:
        n_steps (int): Number of batches in all, over all resumptions.
        minutes (float, optional): Time of this run.

    Attributes:
        received (signal.Signals): The first signal that it caught, or None.
        launcher: Lightning's, which has the processes of a run on several devices, or None.
    """

    def __init__(self, n_steps: int, minutes: float | None = None) -> None:
        self.n_steps = n_steps
        self.minutes = minutes
        self.received: signal.Signals | None = None
        self.launcher: Any = None
        self._started = 0.0
        self._previous: dict = {}

    def __getstate__(self) -> dict[str, Any]:
        # For a new process, which catches signals itself.
        return {**vars(self), "launcher": None, "_previous": {}}

    def __enter__(self) -> "Stop":
        # Only the main thread may catch signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def raise_for_signal(self) -> None:
        """Raises KeyboardInterrupt or :class:`Terminated` after such a signal."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received == signal.SIGTERM:
            raise Terminated

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Catches signals, in a new process of several."""
        if not self._previous:
            self.__enter__()

    def on_sanity_check_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Takes SIGTERM back from Lightning, which might end the run without a checkpoint."""
        if self._previous:
            signal.signal(signal.SIGTERM, self._on_signal)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Starts the clock; a run that is resumed may have nothing left to do."""
        self.on_sanity_check_start(trainer, pl_module)
        self._started = time.monotonic()
        trainer.should_stop = trainer.global_step >= self.n_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Asks Lightning to stop, which validates first."""
        late = self.minutes is not None and time.monotonic() - self._started > 60 * self.minutes
        late, interrupted = (
            trainer.strategy.reduce_boolean_decision(flag, all=False)
            for flag in (late, self.received is not None)
        )
        if late or interrupted or trainer.global_step >= self.n_steps:
            trainer.should_stop = True
        # An interrupted run validates only if a validation is due at this step anyway.
        every: Any = trainer.val_check_batch
        if interrupted and trainer.global_step % every:
            trainer.limit_val_batches = 0

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Tells where a run ended by SIGTERM will go on."""
        if self.received == signal.SIGTERM and trainer.is_global_zero:
            step = trainer.global_step
            logger.warning("ended by SIGTERM at step %d, to go on from there", step)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # SIGTERM often comes twice: to the process and to its group.
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or signal.Signals(number)
        for process in getattr(self.launcher, "procs", ()):
            process.terminate()


class _Progress(Callback):
    # name (str): Name of what is trained; n_steps (int): number of batches in all.

    def __init__(self, name: str, n_steps: int) -> None:
        self.name, self.n_steps = name, n_steps
        self._bar: Any = None


class Notices(_Progress):
    """Logs a line at each validation, in place of a bar."""

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Logs the step and the loss."""
        if trainer.is_global_zero:
            step, loss = pl_module.history[-1]["step"], pl_module.history[-1]["loss"]
            logger.info("%s: step %d of %d, validation %.3f", self.name, step, self.n_steps, loss)


class TrainingBar(_Progress):
    """A bar on stderr with the loss, the last validation and the time left."""

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Opens the bar where the run resumes."""
        if trainer.is_global_zero:
            self._bar = tqdm(
                total=self.n_steps,
                initial=trainer.global_step,
                desc=f"training {self.name}",
                unit="step",
                dynamic_ncols=True,
            )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar."""
        if self._bar is not None:
            shown = {"loss": f"{float(outputs['loss']):.3f}"} if outputs else {}
            if pl_module.history:
                shown["validation"] = f"{pl_module.history[-1]['loss']:.3f}"
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Closes the bar."""
        self.on_train_end(trainer, pl_module)
