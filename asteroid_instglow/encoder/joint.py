"""Encoders of several sources that learn together, for each to go on from."""

from ..weights.base import PretrainedModel
from .lstm import SourceEncoder


class JointEncoder(PretrainedModel):
    """One body with a mask for each of several sources, an Asteroid model.

    What tells instruments apart is much the same for all of them, so that they learn it faster
    together. Each source then takes its own encoder from here (:meth:`encoder_of`); so does one
    that was not among them, with a mask to be learnt: an instrument is added without the others.

    Args:
        sources (list[str]): Their names.
        sample_rate (int): Hz.
        encoder (dict, optional): Arguments of a :class:`~asteroid_instglow.encoder.lstm.SourceEncoder`.

    Examples
        >>> joint = JointEncoder(["bass", "drums"], encoder={"width": 8})
        >>> joint.encoder_of("strings").n_src
        1
    """

    def __init__(self, sources, sample_rate=22050, encoder=None):
        super().__init__(sample_rate=sample_rate, in_channels=1)
        if not sources or len(set(sources)) < len(sources):
            raise ValueError(f"sources must be names, each once, got {list(sources)}")
        self.sources = list(sources)
        self.encoder_args = dict(encoder or {})
        self.encoder = SourceEncoder(
            **{**self.encoder_args, "n_src": len(self.sources), "heard": self.sources}
        )

    def get_model_args(self):
        """Plain arguments that rebuild this model."""
        return {
            "sources": list(self.sources),
            "sample_rate": int(self.sample_rate),
            "encoder": dict(self.encoder_args),
        }

    def encoder_of(self, source):
        """A new encoder of one source.

        Args:
            source (str): One of :attr:`sources`, or another, whose mask is then still random.

        Returns:
            SourceEncoder: Of one source, with a copy of the weights.
        """
        index = self.sources.index(source) if source in self.sources else -1
        return self.encoder.alone(index)

    def forward(self, wav):
        """Guesses (batch, n_src, n_freq, n_frames), complex, for mixtures (batch, time)."""
        return self.encoder(wav)
