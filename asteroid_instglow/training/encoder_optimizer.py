"""The optimizer of an encoder."""

from torch.optim.lr_scheduler import LambdaLR

from ..encoder.base import Encoder
from .muon import Muon

WARM_UP = 30  # steps
DECAY_FROM = 0.3  # of the steps


def encoder_optimizer(
    encoder: Encoder, n_steps: int, lr: float = 0.02, adam_lr: float = 2e-3
) -> tuple[Muon, dict]:
    """Muon with a short warm-up and a linear decay to zero after ``DECAY_FROM`` of the steps.

    Args:
        encoder (Encoder): The encoder to train.
        n_steps (int): Number of steps of the training.
        lr (float): Learning rate of the matrices between features; 0: Adam for all parameters.
        adam_lr (float): Learning rate of all other parameters.

    Returns:
        tuple: Optimizer and scheduler (as Asteroid's System takes it).
    """
    matrices = encoder.matrices() if lr and not encoder.body_is_frozen else {}
    moved = {id(p) for stack in matrices.values() for p in stack}
    others = [p for p in encoder.parameters() if p.requires_grad and id(p) not in moved]
    optimizer = Muon(matrices, others, lr, adam_lr)

    def factor(step: int) -> float:
        left = (n_steps - step) / n_steps
        return min(1.0, (step + 1) / WARM_UP) * min(1.0, max(0.0, left) / (1 - DECAY_FROM))

    return optimizer, {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
