"""Builds an encoder of either architecture from plain arguments."""

from typing import Any

from .band_split import BandSplitEncoder
from .base import Encoder
from .lstm import SourceEncoder

ARCHITECTURES: dict[str, type[Encoder]] = {
    cls.architecture: cls for cls in (SourceEncoder, BandSplitEncoder)
}


def build_encoder(args: dict[str, Any]) -> Encoder:
    """Builds an untrained encoder.

    Args:
        args (dict): "architecture" ("lstm", the default, or "band-split"), and the arguments of
            :class:`SourceEncoder` or :class:`BandSplitEncoder`.

    Raises:
        ValueError: If there is no such architecture.

    Examples:
        >>> build_encoder({"width": 8}).architecture
        'lstm'
    """
    args = dict(args)
    architecture = args.pop("architecture", SourceEncoder.architecture)
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"architecture must be one of {known}, got {architecture!r}")
    return ARCHITECTURES[architecture](**args)
