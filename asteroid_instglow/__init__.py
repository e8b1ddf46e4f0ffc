"""Source-only music separation with generative flow priors, as a plugin of Asteroid."""

from .audio import load_audio, save_audio
from .joint_encoder import JointEncoder
from .options import SeparationOptions
from .pretrained import register
from .prior import GlowPrior
from .separator import GenerativeSeparator

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
