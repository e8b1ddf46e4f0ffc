"""Normalizing flows on (batch, channels, frames) tensors. Torch only, knows nothing of audio."""

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
