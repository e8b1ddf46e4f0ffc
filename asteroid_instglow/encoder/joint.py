"""Encoders of several sources that learn together; each source then goes on with its own."""

from collections.abc import Sequence
from typing import Any

import torch

from ..utils.checks import check_name
from ..weights.base import PretrainedModel
from .base import Encoder
from .build import build_encoder


class JointEncoder(PretrainedModel):
    """One body with a mask for each of several sources, an Asteroid model.

    Most of what tells instruments apart is the same for all of them: they learn it faster together.
    Each source then takes an encoder of its own from here (:meth:`encoder_of`). So does a source
    that was not among them, with a mask yet to be trained: an instrument is added without the
    others.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Hz.
        encoder (dict, optional): Arguments of :func:`~asteroid_instglow.encoder.build_encoder`.

    Examples:
        >>> joint = JointEncoder(["bass", "drums"], encoder={"width": 8})
        >>> joint.encoder_of("strings").n_src
        1
    """

    def __init__(
        self,
        sources: Sequence[str],
        sample_rate: int = 22050,
        encoder: dict[str, Any] | None = None,
    ):
        super().__init__(sample_rate=sample_rate, in_channels=1)
        if not sources or len(set(sources)) < len(sources):
            raise ValueError(f"sources must be names, each once, got {list(sources)}")
        for source in sources:
            check_name("source", source)
        self.sources = list(sources)
        self.encoder_args = dict(encoder or {})
        self.encoder = build_encoder(
            {**self.encoder_args, "n_src": len(self.sources), "heard": self.sources}
        )

    def get_model_args(self) -> dict[str, Any]:
        """Returns the plain arguments that rebuild this model."""
        return {
            "sources": list(self.sources),
            "sample_rate": int(self.sample_rate),
            "encoder": dict(self.encoder_args),
        }

    def encoder_of(self, source: str) -> Encoder:
        """Returns a new encoder of one source, with a copy of the weights.

        Args:
            source (str): One of :attr:`sources`, or another, whose mask is then still random.
        """
        index = self.sources.index(source) if source in self.sources else -1
        return self.encoder.alone(index)

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Estimates (batch, n_src, n_freq, n_frames), complex, from mixtures (batch, time)."""
        return self.encoder(wav)
