"""Training of priors and encoders from solo recordings."""

from .encoder import train_encoder
from .joint import pretrain_encoders
from .prior import train_prior

__all__ = ["pretrain_encoders", "train_encoder", "train_prior"]
