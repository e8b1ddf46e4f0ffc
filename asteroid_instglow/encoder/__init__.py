"""The amortised encoders: networks that estimate a source from a mixture."""

from .band_split import BandSplitEncoder
from .base import Encoder, encoders_of, estimate_each, share_bodies
from .build import build_encoder
from .joint import JointEncoder
from .lstm import SourceEncoder
from .solve import solve_encoder

__all__ = [
    "BandSplitEncoder",
    "Encoder",
    "JointEncoder",
    "SourceEncoder",
    "build_encoder",
    "encoders_of",
    "estimate_each",
    "share_bodies",
    "solve_encoder",
]
