"""The density of one source: a Glow flow on the magnitude spectrograms of its solo recordings."""

import copy
import json
from pathlib import Path

import torch

from .audio.stft import apply_phase, even_frames, istft, pad_bins, stft
from .encoder import build_encoder
from .flows import FrozenGlow, Glow
from .objective import log_likelihood
from .weights.base import PretrainedModel
from .weights.published import published_config, published_tensors


class GlowPrior(PretrainedModel):
    r"""Normalizing flow prior of one source, an Asteroid model.

    .. math:: \log p(x) = \log \mathcal{N}(f(x); 0, I) + \log|\det J_f(x)|

    where x is a linear-magnitude spectrogram with a row of zeros appended where the number of bins
    is odd (the flow needs an even number of channels; the row counts as data, as in the paper).

    Args:
        source (str): Name of the source, "bass" say.
        sample_rate (int): Hz.
        n_fft (int): Window and transform length, samples.
        hop_length (int): Samples between frames.
        n_blocks, hidden, kernel_size, n_layers, dilation_rate, n_sqz, n_split, sigmoid_scale,
        dropout: Of the flow, see :class:`~asteroid_instglow.flows.Glow`; by default the paper's.
        encoder (dict, optional): Arguments of a :class:`~asteroid_instglow.encoder.lstm.SourceEncoder`
            that travels with the prior; without it the source is found by the search alone.

    Attributes:
        flow (Glow): On (batch, n_chan, n_frames), padding row included.
        n_freq (int): Bins. n_chan (int): Bins and the padding row.

    Examples:
        >>> prior = GlowPrior("bass", n_blocks=2, hidden=16)
        >>> wav = torch.randn(1, 22050)
        >>> prior.log_prob(prior.magnitude(wav)).shape
        torch.Size([1])

    References
        - [1] : "Music Source Separation with Generative Flow", Zhu et al. 2022.
          https://arxiv.org/abs/2204.09079
    """

    def __init__(
        self,
        source="source",
        sample_rate=22050,
        n_fft=1024,
        hop_length=256,
        n_blocks=12,
        hidden=128,
        kernel_size=5,
        n_layers=4,
        dilation_rate=1,
        n_sqz=2,
        n_split=4,
        sigmoid_scale=False,
        dropout=0.05,
        encoder=None,
    ):
        super().__init__(sample_rate=sample_rate, in_channels=1)
        self._model_args = {
            name: value for name, value in locals().items() if name not in ("self", "__class__")
        }
        self.source = source
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_freq = n_fft // 2 + 1
        self.n_chan = self.n_freq + self.n_freq % 2
        self.n_sqz = n_sqz
        self.flow = Glow(
            self.n_chan,
            n_blocks=n_blocks,
            hidden=hidden,
            kernel_size=kernel_size,
            n_layers=n_layers,
            dilation_rate=dilation_rate,
            n_sqz=n_sqz,
            n_split=n_split,
            sigmoid_scale=sigmoid_scale,
            dropout=dropout,
        )
        self.encoder = None
        if encoder is not None:
            self.add_encoder(encoder)

    def add_encoder(self, encoder):
        """Gives the prior a new encoder, in place of any it has.

        Args:
            encoder (SourceEncoder | dict): Of one source, or the arguments of an untrained one.

        Returns:
            SourceEncoder: The encoder.
        """
        self.encoder = build_encoder(encoder) if isinstance(encoder, dict) else encoder
        return self.encoder

    def get_model_args(self):
        """Plain arguments that rebuild this model."""
        encoder = None if self.encoder is None else self.encoder.get_args()
        return {**copy.deepcopy(self._model_args), "encoder": encoder}

    def frozen(self, dtype=None):
        """This prior as it is now, for a search: faster, with gradients over its input alone.

        Args:
            dtype (torch.dtype, optional): Of the flow's networks, see
                :class:`~asteroid_instglow.flows.FrozenGlow`.

        Returns:
            GlowPrior: Without masks; this one is left as it is.
        """
        frozen = copy.copy(self)
        # A copy shares the table of the modules.
        frozen._modules = {**self._modules, "flow": FrozenGlow(self.flow, dtype)}
        return frozen

    def magnitude(self, wav):
        """Linear magnitudes (batch, n_freq, n_frames) of ``wav`` (batch, time)."""
        return stft(wav, self.n_fft, self.hop_length).abs()

    def encode(self, magnitude):
        """Latent (batch, n_chan, n_frames) of magnitudes (batch, n_freq, n_frames)."""
        return self.flow(self._pad(magnitude))[0]

    def decode(self, latent):
        """Magnitudes (batch, n_freq, n_frames) of a latent (batch, n_chan, n_frames).

        They are what the flow gives: a latent from outside the data may decode to negative values.
        """
        return self.flow.inverse(latent)[0][:, : self.n_freq]

    def log_prob(self, magnitude, lengths=None):
        """Log-density of magnitudes.

        Args:
            magnitude (torch.Tensor): (batch, n_freq, n_frames), not negative.
            lengths (torch.Tensor, optional): Valid frames of each item, (batch,).

        Returns:
            torch.Tensor: (batch,), nats. Divide by :meth:`n_dims` for nats per dimension.
        """
        x = self._pad(magnitude)
        mask = None if lengths is None else length_mask(lengths, x.shape[-1], x.dtype)
        z, ladj = self.flow(x, mask)
        return log_likelihood(z, ladj, self.n_dims(magnitude, lengths))

    def n_dims(self, magnitude, lengths=None):
        """Number of valid elements of each item, (batch,), padding row included."""
        if lengths is None:
            lengths = torch.full((len(magnitude),), magnitude.shape[-1], device=magnitude.device)
        return lengths // self.n_sqz * self.n_sqz * self.n_chan

    def forward(self, magnitude, lengths=None):
        """Negative log-likelihood per dimension of a batch, the training loss of the paper.

        Args:
            magnitude (torch.Tensor): (batch, n_freq, n_frames).
            lengths (torch.Tensor, optional): Valid frames, (batch,).

        Returns:
            torch.Tensor: Scalar, nats per dimension.
        """
        return -self.log_prob(magnitude, lengths).sum() / self.n_dims(magnitude, lengths).sum()

    @torch.no_grad()
    def sample(self, n_frames, n=1, temperature=1.0, generator=None):
        """Draws magnitudes.

        Args:
            n_frames (int): Frames, rounded up to a multiple of the squeeze and cut again.
            n (int): Number of draws.
            temperature (float): Standard deviation of the latents.
            generator (torch.Generator, optional): Source of randomness, on the CPU.

        Returns:
            torch.Tensor: (n, n_freq, n_frames), clipped at zero.
        """
        if n_frames < 1:
            raise ValueError(f"n_frames must be at least 1, got {n_frames}")
        even = -(-n_frames // self.n_sqz) * self.n_sqz
        latent = torch.randn(n, self.n_chan, even, generator=generator)
        weight = next(self.parameters())
        latent = (latent * temperature).to(weight.device, weight.dtype)
        return self.decode(latent)[..., :n_frames].clamp_min(0)

    def forward_wav(self, wav):
        """Encodes, decodes and resynthesises ``wav`` (..., time) with its own phase."""
        flat = wav.reshape(-1, wav.shape[-1])
        spec = stft(flat, self.n_fft, self.hop_length)
        n_frames = spec.shape[-1]
        spec = torch.nn.functional.pad(spec, (0, -n_frames % self.n_sqz))
        magnitude = self.decode(self.encode(spec.abs()))
        spec = apply_phase(magnitude, spec)[..., :n_frames]
        return istft(spec, self.n_fft, self.hop_length, wav.shape[-1]).reshape(wav.shape)

    @classmethod
    def from_published(cls, checkpoint, config, source=None):
        """Reads a checkpoint of the published implementation.

        Args:
            checkpoint (str | Path | dict): ``G_<epoch>.pth``, or its content.
            config (str | Path | dict): The ``config.json`` beside it, or its content.
            source (str, optional): Name of the source; by default that of the checkpoint's folder.

        Returns:
            GlowPrior: In evaluation mode.

        Raises:
            ValueError: If a tensor is missing, unexpected or of the wrong shape (all are named).
        """
        if source is None:
            source = "source" if isinstance(checkpoint, dict) else Path(checkpoint).parent.name
        if not isinstance(config, dict):
            config = json.loads(Path(config).read_text(encoding="utf-8"))
        prior = cls(source=source, **published_config(config))
        prior.flow.load_state_dict(published_tensors(checkpoint, prior.flow))
        return prior.eval()

    def _pad(self, magnitude):
        if magnitude.ndim != 3 or magnitude.shape[1] != self.n_freq:
            raise ValueError(
                f"magnitude must be (batch, n_freq={self.n_freq}, n_frames), "
                f"got {tuple(magnitude.shape)}"
            )
        return pad_bins(even_frames(magnitude, self.n_sqz), self.n_chan)


def length_mask(lengths, n_frames, dtype=torch.float32):
    """(batch, 1, n_frames): 1 where the frame index is below the item's length."""
    frames = torch.arange(n_frames, device=lengths.device)
    return (frames < lengths[:, None]).to(dtype)[:, None]
