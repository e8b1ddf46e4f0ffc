"""Lightning system that all trainings share: averages, validation, batches that are not finite."""

import copy
import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from asteroid.engine.system import System
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

logger = logging.getLogger(__name__)

MAX_BAD_BATCHES = 10
SNAPSHOT_EVERY = 50


class TrainingSystem(System):
    """Asteroid's System for losses that are a total over a count; it skips bad batches.

    A batch whose loss or gradient is not finite is skipped, with a warning: weights, optimizer and
    average stay at, or return to, their last good state (a second bad batch in a row, or weights
    that are not finite, bring back a copy from at most ``SNAPSHOT_EVERY`` steps ago).

    Subclasses define :meth:`loss_terms`.

    Args:
        model, optimizer, train_loader, val_loader, scheduler, config: As Asteroid's System, which
            also has a loss function.
        ema (float, optional): Decay of an exponential moving average of the weights, which is then
            validated and exported in their place. The decay starts low and rises to this, so that
            the average soon forgets the start. Buffers are copied, not averaged.

    Attributes:
        average (AveragedModel | None): The average.
        history (list[dict]): A row for each validation: "step", "loss", "train_loss" (None at
            first).
        n_skipped (int): Number of batches skipped so far.
        rebuild (tuple): What another process, to which the system is sent, builds it from: a
            function of the model and parts that makes the system, a function that builds the model,
            its arguments, and the parts.

    Raises:
        RuntimeError: In training, after ``MAX_BAD_BATCHES`` bad batches in a row.
    """

    rebuild: tuple | None = None

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        train_loader: Any,
        val_loader: Any = None,
        scheduler: Any = None,
        config: dict[str, Any] | None = None,
        ema: float | None = None,
    ):
        super().__init__(model, optimizer, None, train_loader, val_loader, scheduler, config)
        self.ema = ema
        self.average: Any = None
        if ema is not None:
            self.average = AveragedModel(model, multi_avg_fn=self._blend).requires_grad_(False)
        self.history: list[dict] = []
        self.n_skipped = 0
        self.stepped = True
        self._bad_in_a_row = 0
        self._snapshot: Any = None
        self._loss: Any = None
        self._train_total, self._train_count = 0.0, 0
        self._val_total, self._val_count = 0.0, 0

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Weight norm and schedules cannot be pickled.
        if self.rebuild is None:
            return super().__reduce_ex__(protocol)
        return _rebuilt, (*self.rebuild, self.model.state_dict())

    @property
    def exported(self) -> torch.nn.Module:
        """The model to validate and export, which is the average if there is one."""
        if self.average is not None and self.average.n_averaged > 0:
            return self.average.module
        return self.model

    def loss_terms(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor | int]:
        """Computes the loss as a total and the number of elements that it is over.

        Args:
            batch: A batch of the loader.

        Returns:
            tuple: total (scalar tensor), count (scalar tensor or int).
        """
        raise NotImplementedError

    def common_step(self, batch: Any, batch_nb: int = 0, train: bool = True) -> torch.Tensor:
        """Returns the loss of a batch: total over count."""
        total, count = self.loss_terms(batch)
        return total / count

    def training_step(self, batch: Any, batch_nb: int) -> torch.Tensor:
        """Returns the loss of a batch; :meth:`configure_gradient_clipping` logs it."""
        loss = self.common_step(batch, batch_nb)
        self._loss = loss.detach()
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips the norm, and skips the batch if the loss or the norm is not finite."""
        if gradient_clip_algorithm not in (None, "norm"):
            raise ValueError(
                f"gradient_clip_algorithm must be 'norm', got {gradient_clip_algorithm!r}"
            )
        limit = math.inf if gradient_clip_val is None else float(gradient_clip_val)
        # The one place after the gradients and before the update where the norm is known.
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters(), limit))
        # Gradients are the same on every process, losses are not: all must decide alike.
        loss = float(self.trainer.strategy.reduce(self._loss, reduce_op="mean"))
        self.stepped = math.isfinite(loss) and math.isfinite(norm)
        if not self.stepped:
            self._skip(optimizer, f"loss {loss:.4g}, gradient norm {norm:.4g}")
            return
        self._bad_in_a_row = 0
        if self._snapshot is None or self.trainer.global_step % SNAPSHOT_EVERY == 0:
            self._snapshot = self._take_snapshot(optimizer)
        self._train_total += loss
        self._train_count += 1
        self.log("loss", loss)
        self.log("grad_norm", norm)
        self.log("lr", optimizer.param_groups[0]["lr"])

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Steps, and updates the average."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None and self.stepped:
            self.average.update_parameters(self.model)

    def validation_step(self, batch: Any, batch_nb: int) -> None:
        """Adds a batch to the validation loss."""
        total, count = self.loss_terms(batch)
        self._val_total += float(total)
        self._val_count += int(count)

    def on_validation_epoch_start(self) -> None:
        """Starts the sums anew, and puts the average into the model."""
        self._val_total, self._val_count = 0.0, 0
        self._swap()

    def on_validation_epoch_end(self) -> None:
        """Logs ``val_loss``, the mean over all elements of all processes, and keeps it."""
        self._swap()
        # Apple's accelerator has no float64.
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        sums = torch.tensor([self._val_total, self._val_count], dtype=dtype, device=self.device)
        total, count = self.trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        val_loss = total / count if count else math.nan
        self.log("val_loss", val_loss, prog_bar=True)
        step = self.trainer.global_step
        train = self._train_total / self._train_count if self._train_count else None
        self._train_total, self._train_count = 0.0, 0
        self.history.append({"step": step, "loss": val_loss, "train_loss": train})
        # Asteroid does this too, but takes a logger for granted.
        if self.trainer.logger is not None:
            self.trainer.logger.log_metrics({"hp_metric": val_loss}, step=step)

    def train_dataloader(self) -> Any:
        """Returns the loader; one with a ``start`` resumes where the checkpoint ends."""
        sampler = self.train_loader.batch_sampler
        if hasattr(sampler, "start"):
            sampler.start = self.trainer.global_step
        return self.train_loader

    def val_dataloader(self) -> Any:
        """Returns the loader; Asteroid's raises if there is none."""
        return [] if self.val_loader is None else self.val_loader

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the history as plain types, so that the file loads weights-only."""
        checkpoint["training_config"] = self.config
        checkpoint["training_state"] = {
            "history": [dict(row) for row in self.history],
            "n_skipped": self.n_skipped,
            "bad_in_a_row": self._bad_in_a_row,
            "train_total": self._train_total,
            "train_count": self._train_count,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the history."""
        state = checkpoint["training_state"]
        self.history = state["history"]
        self.n_skipped = state["n_skipped"]
        self._bad_in_a_row = state["bad_in_a_row"]
        self._train_total = state["train_total"]
        self._train_count = state["train_count"]

    @staticmethod
    def config_to_hparams(dic: dict[str, Any]) -> dict[str, Any]:
        """Converts a configuration, also lists of strings, which Asteroid's cannot."""
        dic = System.config_to_hparams(_strings_joined(dic))
        kept = (torch.Tensor, int, float)
        return {name: v if isinstance(v, kept) else str(v) for name, v in dic.items()}

    def _blend(self, average: Any, current: Any, n_averaged: Any) -> None:
        n = int(n_averaged)
        decay = min(self.ema or 0.0, (1 + n) / (10 + n))
        get_ema_multi_avg_fn(decay)(average, current, n_averaged)

    @torch.no_grad()
    def _swap(self) -> None:
        if self.exported is self.model:
            return
        for mine, its in zip(self.average.module.parameters(), self.model.parameters()):
            kept = its.clone()
            its.copy_(mine)
            mine.copy_(kept)

    def _skip(self, optimizer: torch.optim.Optimizer, why: str) -> None:
        # Without gradients the optimizer's step leaves weights and moments alone.
        optimizer.zero_grad(set_to_none=True)
        step = self.trainer.global_step
        self.n_skipped += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= MAX_BAD_BATCHES:
            raise RuntimeError(
                f"{self._bad_in_a_row} batches in a row had a loss or gradient that is not finite "
                f"(the last at step {step}: {why}): look for broken recordings, or lower lr"
            )
        intact = all(bool(p.isfinite().all()) for p in self.model.parameters())
        if self._snapshot is None or (intact and self._bad_in_a_row == 1):
            logger.warning(
                "step %d: %s: batch skipped, weights and optimizer stay at their last good state "
                "(%d skipped so far)",
                *(step, why, self.n_skipped),
            )
            return
        self._restore_snapshot(optimizer)
        logger.warning(
            "step %d: %s: batch skipped, weights and optimizer rolled back to step %d "
            "(%d skipped so far)",
            *(step, why, self._snapshot["step"], self.n_skipped),
        )

    def _stateful(self) -> list[torch.nn.Module]:
        return [self.model] if self.average is None else [self.model, self.average]

    def _take_snapshot(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        modules = [module.state_dict() for module in self._stateful()]
        snapshot = {"modules": modules, "optimizer": optimizer.state_dict()["state"]}
        return {"step": self.trainer.global_step, **copy.deepcopy(snapshot)}

    def _restore_snapshot(self, optimizer: torch.optim.Optimizer) -> None:
        for module, state in zip(self._stateful(), self._snapshot["modules"]):
            module.load_state_dict(state)
        # The learning rate stays: it is a function of the step.
        groups = optimizer.state_dict()["param_groups"]
        state = copy.deepcopy(self._snapshot["optimizer"])
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _rebuilt(
    make: Callable,
    build: Callable,
    model_args: dict[str, Any],
    parts: tuple,
    weights: dict[str, Any],
) -> "TrainingSystem":
    model = build(model_args)
    model.load_state_dict(weights)
    return make(model, *parts)


def _strings_joined(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _strings_joined(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        numbers = value and all(isinstance(v, (bool, int, float)) for v in value)
        return value if numbers else ", ".join(str(v) for v in value)
    return value
