"""Normalizing flows on (batch, n_chan, n_frames) tensors; they depend on torch only."""

from .coupling import AffineCoupling
from .frozen import FrozenGlow
from .glow import Glow
from .layers import ActNorm, InvertibleConv1x1, Squeeze
from .transform import Compose, Transform
from .wavenet import WaveNet

__all__ = [
    "ActNorm",
    "AffineCoupling",
    "Compose",
    "FrozenGlow",
    "Glow",
    "InvertibleConv1x1",
    "Squeeze",
    "Transform",
    "WaveNet",
]
