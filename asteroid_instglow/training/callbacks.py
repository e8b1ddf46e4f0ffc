"""What a training run needs besides the loss: averages, seeds, stopping, checkpoints, a bar."""

import signal
import threading
import time
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from ..utils.files import write_atomic

LAST = "last.ckpt"
BEST = "best.ckpt"


class WeightEMA(Callback):
    """Exponential moving average of ``pl_module.model``, validated and exported in its place.

    The decay starts low and rises to ``decay``, so that the average soon forgets the start. Buffers
    are copied, not averaged. Lightning's own callback would copy the whole system, recordings
    included.

    Args:
        decay (float): In (0, 1), 0.999 say.
    """

    def __init__(self, decay):
        if not 0 < decay < 1:
            raise ValueError(f"ema must be a decay in (0, 1), got {decay}")
        self.decay = decay
        self.average = None

    def setup(self, trainer, pl_module, stage):
        """Makes the average; a checkpoint may fill it afterwards."""
        self.average = AveragedModel(
            pl_module.model, device=pl_module.device, multi_avg_fn=self._blend
        )

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        """Adds the weights, if there was a step."""
        if pl_module.stepped:
            self.average.update_parameters(pl_module.model)

    def on_validation_start(self, trainer, pl_module):
        """Puts the average into the model."""
        self._swap(pl_module.model)

    def on_validation_end(self, trainer, pl_module):
        """Puts the weights back."""
        self._swap(pl_module.model)

    def state_dict(self):
        """For the checkpoint."""
        return {"average": self.average.state_dict()}

    def load_state_dict(self, state_dict):
        """From the checkpoint."""
        self.average.load_state_dict(state_dict["average"])

    def _blend(self, average, current, n_averaged):
        n = int(n_averaged)
        decay = min(self.decay, (1 + n) / (10 + n))
        get_ema_multi_avg_fn(decay)(average, current, n_averaged)

    @torch.no_grad()
    def _swap(self, model):
        if self.average.n_averaged == 0:
            return
        for mine, its in zip(self.average.module.parameters(), model.parameters()):
            kept = its.clone()
            its.copy_(mine)
            mine.copy_(kept)


class SeedSteps(Callback):
    """Makes the randomness of a step (dropout) a function of the seed and the step alone.

    So a resumed run draws what the uninterrupted one draws, with no state to save.

    Args:
        seed (int): Not negative.
    """

    def __init__(self, seed):
        self.seed = seed

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        """Seeds torch."""
        entropy = [self.seed, trainer.global_step, trainer.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))


class Terminated(SystemExit):
    """A run was ended by SIGTERM; uncaught, it gives the exit code that shells give that."""

    def __init__(self):
        super().__init__(128 + signal.SIGTERM)


class Stop(Callback):
    """Ends a run after a number of steps, after a time, or with Ctrl-C when the step is done.

    SIGTERM is as Ctrl-C, but that a second Ctrl-C interrupts at once. As a context manager it
    catches both from there on.

    Args:
        n_steps (int): Batches in all, over all resumptions.
        minutes (float, optional): Of this run.

    Attributes:
        received (signal.Signals): What it caught first, or None.
    """

    def __init__(self, n_steps, minutes=None):
        self.n_steps = n_steps
        self.minutes = minutes
        self.received = None
        self._started = None
        self._previous = {}

    def __enter__(self):
        # Only the main thread may catch signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error):
        while self._previous:
            signal.signal(*self._previous.popitem())

    def raise_for_signal(self):
        """Raises KeyboardInterrupt or :class:`Terminated` after such a signal."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received == signal.SIGTERM:
            raise Terminated

    def on_sanity_check_start(self, trainer, pl_module):
        """Takes SIGTERM back from Lightning, which might end the run without a checkpoint."""
        if self._previous:
            signal.signal(signal.SIGTERM, self._on_signal)

    def on_train_start(self, trainer, pl_module):
        """Starts the clock; a run that is resumed may have nothing left to do."""
        self.on_sanity_check_start(trainer, pl_module)
        self._started = time.monotonic()
        trainer.should_stop = trainer.global_step >= self.n_steps

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        """Asks Lightning to stop, which validates first."""
        late = self.minutes is not None and time.monotonic() - self._started > 60 * self.minutes
        late, interrupted = (
            trainer.strategy.reduce_boolean_decision(flag, all=False)
            for flag in (late, self.received is not None)
        )
        if late or interrupted or trainer.global_step >= self.n_steps:
            trainer.should_stop = True
        # Who interrupts does not wait for a validation, unless one is due at this step anyway.
        if interrupted and trainer.global_step % trainer.val_check_batch:
            trainer.limit_val_batches = 0

    def _on_signal(self, number, frame):
        # SIGTERM often comes twice: to the process and to its group.
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or signal.Signals(number)


class Checkpoints(Checkpoint):
    """Keeps ``last.ckpt``, to resume from, and ``best.ckpt``, the weights of the best validation.

    The former is written at intervals and when the run stops, always between two steps, and after
    the validation if one is due: a resumed run then does what this one would have done.

    Args:
        folder (str | Path): Made if need be.
        minutes (float): Between checkpoints.
    """

    def __init__(self, folder, minutes=5.0):
        self.folder = Path(folder)
        self.minutes = minutes
        self.best_nll = float("inf")
        self.best_step = 0
        self._due = False
        self._saved = None

    def on_train_start(self, trainer, pl_module):
        """Starts the clock."""
        self._saved = time.monotonic()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        """Saves, unless a validation follows."""
        late = time.monotonic() - self._saved > 60 * self.minutes
        late = trainer.strategy.reduce_boolean_decision(late, all=False)
        self._due = self._due or late or trainer.should_stop
        validates = trainer.should_stop or trainer.global_step % trainer.val_check_batch == 0
        if not (validates and trainer.enable_validation):
            self._save_last(trainer)

    def on_validation_end(self, trainer, pl_module):
        """Saves the weights if they are the best so far."""
        row = pl_module.history[-1]
        if row["nll"] < self.best_nll:
            self.best_nll, self.best_step = row["nll"], row["step"]
            if trainer.is_global_zero:
                weights = _averaged(trainer, pl_module.model).state_dict()
                best = {"state_dict": weights, "training_config": pl_module.config, **row}
                self.folder.mkdir(parents=True, exist_ok=True)
                write_atomic(self.folder / BEST, lambda path: torch.save(best, path))
        if not trainer.sanity_checking:
            self._save_last(trainer)

    def state_dict(self):
        """For the checkpoint."""
        return {"best_nll": self.best_nll, "best_step": self.best_step}

    def load_state_dict(self, state_dict):
        """From the checkpoint."""
        self.best_nll, self.best_step = state_dict["best_nll"], state_dict["best_step"]

    def _save_last(self, trainer):
        if self._due:
            trainer.save_checkpoint(self.folder / LAST)
            self._due, self._saved = False, time.monotonic()


class TrainingBar(Callback):
    """A bar on stderr with the loss, the last validation and the time left.

    Args:
        name (str): What is trained.
        n_steps (int): Batches in all.
    """

    def __init__(self, name, n_steps):
        self.name = name
        self.n_steps = n_steps
        self._bar = None

    def on_train_start(self, trainer, pl_module):
        """Opens the bar where the run resumes."""
        if trainer.is_global_zero:
            self._bar = tqdm(
                total=self.n_steps,
                initial=trainer.global_step,
                desc=f"training {self.name}",
                unit="step",
                dynamic_ncols=True,
            )

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        """Moves the bar."""
        if self._bar is not None:
            shown = {"loss": f"{float(outputs['loss']):.3f}"} if outputs else {}
            if pl_module.history:
                shown["validation"] = f"{pl_module.history[-1]['nll']:.3f}"
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()

    def on_train_end(self, trainer, pl_module):
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()

    def on_exception(self, trainer, pl_module, exception):
        """Closes the bar."""
        self.on_train_end(trainer, pl_module)


def _averaged(trainer, model):
    for callback in trainer.callbacks:
        if isinstance(callback, WeightEMA) and callback.average.n_averaged > 0:
            return callback.average.module
    return model
