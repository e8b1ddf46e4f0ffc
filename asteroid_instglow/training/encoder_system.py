"""Lightning system that trains an encoder."""

from .encoder_loss import encoder_loss
from .system import TrainingSystem


class EncoderSystem(TrainingSystem):
    """Fits an encoder to random mixtures of solos, see :func:`encoder_loss`.

    Args:
        model (Encoder): The encoder, of ``n_src`` sources.
        optimizer, train_loader, val_loader, scheduler, config: As Asteroid's System; the loaders
            give signals (batch, n, time) that sum to the mixture, the encoder's sources first.
    """

    def loss_terms(self, batch):  # noqa: D102
        loss = encoder_loss(self.model, batch)
        return loss.sum(), loss.numel()
