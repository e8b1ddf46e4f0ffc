"""Training of priors and encoders from solo recordings."""

import importlib
from typing import Any

_HOMES = {
    "EncoderOptions": "options",
    "JointOptions": "options",
    "PriorOptions": "options",
    "TrainingOptions": "options",
    "adapt_separator": "adaptation",
    "pretrain_encoders": "joint",
    "take_encoder": "initial",
    "train_encoder": "encoder",
    "train_instrument": "instrument",
    "train_prior": "prior",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to import: the command line needs the options only.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
