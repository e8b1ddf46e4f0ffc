"""Lightning system that trains the flow of a prior, and its optimizer."""

import logging
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

from ..flows import ActNorm
from .system import MAX_BAD_BATCHES, TrainingSystem

logger = logging.getLogger(__name__)
DECAY_STEPS, DECAY = 80_000, 0.3  # steps between decays of the learning rate, and their factor


class PriorSystem(TrainingSystem):
    """Fits a prior to solo recordings: negative log-likelihood in nats per dimension.

    Args:
        model (GlowPrior): The prior.
        optimizer (torch.optim.Optimizer): Optimizer of its parameters, see :func:`paper_optimizer`.
        train_loader (DataLoader): Gives wavs (batch, time).
        val_loader, scheduler, config, ema: As those of :class:`~.system.TrainingSystem`.
        init_pieces (int): Number of pieces, over all processes, that the ActNorms are initialised
            from. The paper's first batch has 32 long ones. With few short pieces some bins are
            silent in all of them, and their scales stay far off.

    Examples:
        .. code-block:: python

            prior = GlowPrior("bass")
            optimizer, scheduler = paper_optimizer(prior)
            system = PriorSystem(prior, optimizer, loader, scheduler=scheduler)
            Trainer(max_steps=600, gradient_clip_val=4.0).fit(system)
    """

    def __init__(self, *args: Any, init_pieces: int = 64, **options: Any):
        super().__init__(*args, **options)
        self.init_pieces = init_pieces

    def loss_terms(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: D102
        with torch.autocast(batch.device.type, enabled=False):
            magnitude = self.model.magnitude(batch.float())
        return -self.model.log_prob(magnitude).sum(), self.model.n_dims(magnitude).sum()

    def on_fit_start(self) -> None:
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

    def _first_pieces(self, sampler: Any) -> torch.Tensor:
        loader, batches = self.train_loader, []
        for number, indices in enumerate(sampler):
            batch = loader.collate_fn([loader.dataset[index] for index in indices])
            batches.append(batch[batch.isfinite().all(-1)])
            if len(batches[-1]) < len(batch):
                logger.warning("batch %d has NaN or inf: not used for the initialisation", number)
            n_pieces = sum(map(len, batches)) * self.trainer.world_size
            if n_pieces >= self.init_pieces or number >= self.init_pieces + MAX_BAD_BATCHES:
                break
        return torch.cat(batches)


def paper_optimizer(model: nn.Module, lr: float = 1e-4) -> tuple[torch.optim.Optimizer, dict]:
    """Makes the paper's Adam, with Glow-TTS's betas, and its schedule.

    The gradient falls fast at first. Adam's default, an average of its square over 1000 steps,
    keeps the steps small long after: 150 batches with these betas get as far as 600 with those.

    Args:
        model (nn.Module): Model to optimise.
        lr (float): Learning rate.

    Returns:
        tuple: optimizer, scheduler (as Asteroid's System takes it).
    """
    # Fused: a fifth of the time on the CPU.
    optimizer = torch.optim.Adam(model.parameters(), lr, (0.9, 0.98), 1e-9, fused=True)
    return optimizer, {"scheduler": StepLR(optimizer, DECAY_STEPS, DECAY), "interval": "step"}
