"""The amortised encoders: networks that estimate a source from a mixture."""

from .joint import JointEncoder
from .lstm import SourceEncoder, guess_each

__all__ = ["JointEncoder", "SourceEncoder", "guess_each"]
