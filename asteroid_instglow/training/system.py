"""Lightning systems: what is minimised, and what happens when a number is not finite."""

import copy
import logging
import math

import torch
from asteroid.engine.system import System
from torch.optim.lr_scheduler import StepLR

from ..flows import ActNorm

logger = logging.getLogger(__name__)

MAX_BAD_BATCHES = 10
SNAPSHOT_EVERY = 50


class TrainingSystem(System):
    """Asteroid's System for losses that are a total over a count, and that survives bad batches.

    A batch whose loss or gradient is not finite is skipped, with a warning: weights, optimiser and
    averages stay at, or return to, their last good state (a second bad batch in a row, or weights
    that are not finite, bring back a copy from at most ``SNAPSHOT_EVERY`` steps ago).

    Subclasses define :meth:`loss_terms`. The arguments are those of Asteroid's System, without the
    loss function.

    Attributes:
        history (list[dict]): A row for each validation: "step", "nll", "train_nll" (None at first).
        n_skipped (int): Batches skipped so far.

    Raises:
        RuntimeError: In training, after ``MAX_BAD_BATCHES`` bad batches in a row.
    """

    def __init__(
        self, model, optimizer, train_loader, val_loader=None, scheduler=None, config=None
    ):
        super().__init__(model, optimizer, None, train_loader, val_loader, scheduler, config)
        self.history = []
        self.n_skipped = 0
        self.stepped = True
        self._bad_in_a_row = 0
        self._snapshot = None
        self._loss = None
        self._train_total, self._train_count = 0.0, 0
        self._val_total, self._val_count = 0.0, 0

    def loss_terms(self, batch):
        """What is minimised, as a total and the number of elements that it is over.

        Args:
            batch: Of the loader.

        Returns:
            tuple: total (scalar tensor), count (scalar tensor or int).
        """
        raise NotImplementedError

    def common_step(self, batch, batch_nb=0, train=True):
        """Loss of a batch: total over count."""
        total, count = self.loss_terms(batch)
        return total / count

    def training_step(self, batch, batch_nb):
        """Loss of a batch; it is logged once all processes' are known."""
        loss = self.common_step(batch, batch_nb)
        self._loss = loss.detach()
        return loss

    def configure_gradient_clipping(
        self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None
    ):
        """Clips the norm, and skips the batch where the loss or the norm is not finite."""
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

    def validation_step(self, batch, batch_nb):
        """Adds a batch to the validation loss."""
        total, count = self.loss_terms(batch)
        self._val_total += float(total)
        self._val_count += int(count)

    def on_validation_epoch_start(self):
        """Starts the sums anew."""
        self._val_total, self._val_count = 0.0, 0

    def on_validation_epoch_end(self):
        """Logs ``val_loss``, the mean over all elements of all processes, and keeps it."""
        # Apple's accelerator has no float64.
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        sums = torch.tensor([self._val_total, self._val_count], dtype=dtype, device=self.device)
        total, count = self.trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        val_loss = total / count if count else math.nan
        self.log("val_loss", val_loss, prog_bar=True)
        step = self.trainer.global_step
        train = self._train_total / self._train_count if self._train_count else None
        self._train_total, self._train_count = 0.0, 0
        self.history.append({"step": step, "nll": val_loss, "train_nll": train})
        # Asteroid does this too, but takes a logger for granted.
        if self.trainer.logger is not None:
            self.trainer.logger.log_metrics({"hp_metric": val_loss}, step=step)

    def train_dataloader(self):
        """The loader; one with a ``start`` resumes where the checkpoint ends."""
        sampler = self.train_loader.batch_sampler
        if hasattr(sampler, "start"):
            sampler.start = self.trainer.global_step
        return self.train_loader

    def val_dataloader(self):
        """The loader; where there is none, Asteroid's raises."""
        return [] if self.val_loader is None else self.val_loader

    def on_save_checkpoint(self, checkpoint):
        """Adds the history: plain types, so that the file loads weights-only."""
        checkpoint["training_config"] = self.config
        checkpoint["training_state"] = {
            "history": [dict(row) for row in self.history],
            "n_skipped": self.n_skipped,
            "bad_in_a_row": self._bad_in_a_row,
            "train_total": self._train_total,
            "train_count": self._train_count,
        }

    def on_load_checkpoint(self, checkpoint):
        """Takes the history back."""
        state = checkpoint["training_state"]
        self.history = state["history"]
        self.n_skipped = state["n_skipped"]
        self._bad_in_a_row = state["bad_in_a_row"]
        self._train_total = state["train_total"]
        self._train_count = state["train_count"]

    @staticmethod
    def config_to_hparams(dic):
        """As Asteroid's, which cannot take lists of strings."""
        dic = System.config_to_hparams(_strings_joined(dic))
        kept = (torch.Tensor, int, float)
        return {name: v if isinstance(v, kept) else str(v) for name, v in dic.items()}

    def _skip(self, optimizer, why):
        # Without gradients the optimiser's step leaves weights and moments alone.
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
                "step %d: %s: batch skipped, weights and optimiser stay at their last good state "
                "(%d skipped so far)",
                *(step, why, self.n_skipped),
            )
            return
        self._restore_snapshot(optimizer)
        logger.warning(
            "step %d: %s: batch skipped, weights and optimiser rolled back to step %d "
            "(%d skipped so far)",
            *(step, why, self._snapshot["step"], self.n_skipped),
        )

    def _stateful(self):
        averages = [getattr(callback, "average", None) for callback in self.trainer.callbacks]
        return [self.model, *(average for average in averages if average is not None)]

    def _take_snapshot(self, optimizer):
        modules = [module.state_dict() for module in self._stateful()]
        snapshot = {"modules": modules, "optimizer": optimizer.state_dict()["state"]}
        return {"step": self.trainer.global_step, **copy.deepcopy(snapshot)}

    def _restore_snapshot(self, optimizer):
        for module, state in zip(self._stateful(), self._snapshot["modules"]):
            module.load_state_dict(state)
        # The learning rate stays: it is a function of the step.
        groups = optimizer.state_dict()["param_groups"]
        state = copy.deepcopy(self._snapshot["optimizer"])
        optimizer.load_state_dict({"state": state, "param_groups": groups})


class PriorSystem(TrainingSystem):
    """Fits a prior to solo recordings: negative log-likelihood in nats per dimension.

    Args:
        model (GlowPrior): The prior.
        optimizer (torch.optim.Optimizer): Of its parameters, see :func:`paper_optimizer`.
        train_loader (DataLoader): Of wavs (batch, time), or of (wavs, lengths in samples).
        val_loader (DataLoader, optional): Likewise.
        scheduler: As Asteroid's.
        config (dict, optional): Saved with the checkpoints; plain types.
        init_pieces (int): Pieces, over all processes, that the ActNorms are initialised from (with
            lengths: a batch). The paper's first batch is 32 long ones. With few short pieces some
            bins are silent in all of them, and their scales far off for good.

    Examples
        >>> prior = GlowPrior("bass")  # doctest: +SKIP
        >>> optimizer, scheduler = paper_optimizer(prior)  # doctest: +SKIP
        >>> system = PriorSystem(prior, optimizer, loader, scheduler=scheduler)  # doctest: +SKIP
        >>> Trainer(max_steps=600, gradient_clip_val=4.0).fit(system)  # doctest: +SKIP
    """

    def __init__(
        self,
        model,
        optimizer,
        train_loader,
        val_loader=None,
        scheduler=None,
        config=None,
        init_pieces=64,
    ):
        super().__init__(model, optimizer, train_loader, val_loader, scheduler, config)
        self.init_pieces = init_pieces

    def loss_terms(self, batch):  # noqa: D102
        wav, lengths = batch if isinstance(batch, (list, tuple)) else (batch, None)
        with torch.autocast(wav.device.type, enabled=False):
            magnitude = self.model.magnitude(wav.float())
        if lengths is not None:
            lengths = 1 + lengths // self.model.hop_length
        total = -self.model.log_prob(magnitude, lengths).sum()
        return total, self.model.n_dims(magnitude, lengths).sum()

    def on_fit_start(self):
        """Initialises the ActNorms from data, before the first validation."""
        norms = [m for m in self.model.modules() if isinstance(m, ActNorm)]
        sampler = self.train_loader.batch_sampler
        if all(bool(norm.initialised) for norm in norms) or sampler is None:
            return
        batch = self.transfer_batch_to_device(self._first_pieces(sampler), self.device, 0)
        self.model.train()
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            self.loss_terms(batch)
        if not all(bool(p.isfinite().all()) for norm in norms for p in norm.parameters()):
            raise RuntimeError("the first recordings must give a finite initialisation, got NaN")

    def _first_pieces(self, sampler):
        loader, batches = self.train_loader, []
        for number, indices in enumerate(sampler):
            batch = loader.collate_fn([loader.dataset[index] for index in indices])
            if not isinstance(batch, torch.Tensor):
                return batch
            batches.append(batch[batch.isfinite().all(-1)])
            if len(batches[-1]) < len(batch):
                logger.warning("batch %d has NaN or inf: not used for the initialisation", number)
            n_pieces = sum(map(len, batches)) * self.trainer.world_size
            if n_pieces >= self.init_pieces or number >= self.init_pieces + MAX_BAD_BATCHES:
                break
        return torch.cat(batches)


def paper_optimizer(model, lr=1e-4, step_size=80_000, gamma=0.3):
    """The paper's Adam, with Glow-TTS's betas, and its schedule, stepping with every batch.

    The gradient falls fast at first; the default average of its square, of 1000 steps, holds the
    steps back long after: 150 batches get as far as 600 with that do.

    Args:
        model (nn.Module): Whose parameters.
        lr (float): Learning rate.
        step_size (int): Steps between decays.
        gamma (float): Decay.

    Returns:
        tuple: optimizer, scheduler (as Asteroid's System takes it).
    """
    # Fused: a fifth of the time on the CPU.
    optimizer = torch.optim.Adam(model.parameters(), lr, (0.9, 0.98), 1e-9, fused=True)
    return optimizer, {"scheduler": StepLR(optimizer, step_size, gamma), "interval": "step"}


def _strings_joined(value):
    if isinstance(value, dict):
        return {str(k): _strings_joined(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        numbers = value and all(isinstance(v, (bool, int, float)) for v in value)
        return value if numbers else ", ".join(str(v) for v in value)
    return value
