"""Lightning system that trains an encoder."""

from collections.abc import Callable
from typing import Any

import torch

from ..encoder.loss import encoder_loss
from .system import TrainingSystem


class EncoderSystem(TrainingSystem):
    """Fits an encoder to random mixtures of solos, see :func:`encoder_loss`.

    Args:
        *args: Those of :class:`TrainingSystem`; the loaders give signals (batch, n, time) that sum
            to the mixture, the encoder's sources first.
        augment (Callable, optional): Varies the signals of a batch in training.
    """

    def __init__(
        self,
        *args: Any,
        augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
        **options: Any,
    ):
        super().__init__(*args, **options)
        self.augment = augment

    def loss_terms(self, batch: torch.Tensor) -> tuple[torch.Tensor, int]:  # noqa: D102
        if self.augment is not None and self.training:
            with torch.autocast(batch.device.type, enabled=False):
                batch = self.augment(batch.float())
        loss = encoder_loss(self.model, batch)
        return loss.sum(), loss.numel()
