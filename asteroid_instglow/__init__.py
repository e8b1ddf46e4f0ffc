"""Source-only music separation with generative flow priors, as a plugin of Asteroid."""

from .audio.io import load_audio, save_audio
from .encoder.joint import JointEncoder
from .options import SeparationOptions
from .prior import GlowPrior
from .separator import GenerativeSeparator
from .weights.base import register

__version__ = "0.1.0"

__all__ = [
    "GenerativeSeparator",
    "GlowPrior",
    "JointEncoder",
    "SeparationOptions",
    "load_audio",
    "save_audio",
]

for _model in (GlowPrior, JointEncoder, GenerativeSeparator):
    register(_model)
