"""Source-only music separation with generative flow priors, as a plugin of Asteroid.

The public names are imported when they are first used: torch and Asteroid take seconds.
"""

import importlib
from typing import TYPE_CHECKING

from .weights.registry import register_later

if TYPE_CHECKING:
    from .audio.io import load_audio, save_audio
    from .encoder.joint import JointEncoder
    from .options import SeparationOptions
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

_HOMES = {
    "GenerativeSeparator": "separator",
    "GlowPrior": "prior",
    "JointEncoder": "encoder.joint",
    "SeparationOptions": "options",
    "load_audio": "audio.io",
    "save_audio": "audio.io",
}

register_later()


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
