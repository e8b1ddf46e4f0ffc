"""GlowPrior: the density of one source, a Glow flow on magnitude spectrograms of its solos."""

import copy
import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .audio.resampling import MAX_RATE, check_rate
from .audio.stft import apply_phase, check_stft, even_frames, istft, pad_bins, stft
from .encoder import build_encoder
from .encoder.base import ENCODERS
from .flows import FrozenGlow, Glow
from .objective import log_likelihood
from .utils.checks import check_between, check_name, check_whole
from .utils.files import read_json
from .weights.base import PretrainedModel
from .weights.published import published_config, published_tensors

MAX_TEMPERATURE = 100


class GlowPrior(PretrainedModel):
    """Normalizing flow prior of one source, an Asteroid model.

    Its density is equation (1) of :mod:`~asteroid_instglow.objective`, with x a linear-magnitude
    spectrogram. The flow needs an even number of channels: a row of zeros is appended where the
    number of bins is odd. The row counts as data, as in the paper.

    Args:
        source (str): Name of the source, for example "bass".
        sample_rate (int): Sample rate in Hz.
        n_fft (int): Window and transform length in samples.
        hop_length (int): Samples between frames, at most half of ``n_fft``.
        n_blocks, hidden, kernel_size, n_layers, dilation_rate, n_sqz, n_split: Arguments of the
            flow, see :class:`~asteroid_instglow.flows.Glow`; the defaults are the paper's.
        sigmoid_scale, dropout: Further arguments of the flow.
        encoder (dict, optional): Arguments of an encoder that travels with the prior, see
            :func:`~asteroid_instglow.encoder.build_encoder`; without it, sources are found by
            search only.
        strong_encoder (dict, optional): Arguments of a second encoder, slower and better, see
            :class:`~asteroid_instglow.options.SeparationOptions`, ``quality``.

    Attributes:
        flow (Glow): Maps (batch, n_chan, n_frames), padding row included.
        n_freq (int): Number of bins.
        n_chan (int): Number of bins, padding row included.

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
        source: str = "source",
        sample_rate: int = 22050,
        n_fft: int = 1024,
        hop_length: int = 256,
        n_blocks: int = 12,
        hidden: int = 128,
        kernel_size: int = 5,
        n_layers: int = 4,
        dilation_rate: int = 1,
        n_sqz: int = 2,
        n_split: int = 4,
        sigmoid_scale: bool = False,
        dropout: float = 0.05,
        encoder: dict | None = None,
        strong_encoder: dict | None = None,
    ):
        check_name("source", source)
        check_rate("sample_rate", sample_rate, MAX_RATE)
        check_stft(n_fft, hop_length)
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
        of_flow = inspect.signature(Glow).parameters.keys() & self._model_args
        self.flow = Glow(self.n_chan, **{name: self._model_args[name] for name in of_flow})
        self.encoder: Any = None if encoder is None else _as_encoder(encoder)
        self.strong_encoder: Any = None if strong_encoder is None else _as_encoder(strong_encoder)

    def add_encoder(self, encoder: nn.Module | dict, strong: bool = False) -> nn.Module:
        """Replaces the encoder, or the strong encoder.

        Args:
            encoder (nn.Module | dict): Encoder of one source, or arguments to build one from.
            strong (bool): Replace ``strong_encoder`` instead of ``encoder``.

        Returns:
            nn.Module: The encoder.
        """
        built = _as_encoder(encoder)
        setattr(self, "strong_encoder" if strong else "encoder", built)
        return built

    def get_model_args(self) -> dict:
        """Returns plain arguments that rebuild this model."""
        args = copy.deepcopy(self._model_args)
        for name in ENCODERS:
            encoder = getattr(self, name)
            args[name] = None if encoder is None else encoder.get_args()
        # Left out where there is none: the configs of priors without them stay as they were.
        for name in ENCODERS[1:]:
            if args[name] is None:
                del args[name]
        return args

    def frozen(self, dtype: torch.dtype | None = None) -> "GlowPrior":
        """Copies the prior for a search: faster, with gradients by its input only.

        Args:
            dtype (torch.dtype, optional): Type of the products in the flow's networks, see
                :class:`~asteroid_instglow.flows.FrozenGlow`.

        Returns:
            GlowPrior: A copy that takes no masks.
        """
        frozen = copy.copy(self)
        # A shallow copy shares the table of modules.
        frozen._modules = {**self._modules, "flow": FrozenGlow(self.flow, dtype)}
        return frozen

    def magnitude(self, wav: torch.Tensor) -> torch.Tensor:
        """Computes magnitudes (batch, n_freq, n_frames) of ``wav`` (batch, time)."""
        return stft(wav, self.n_fft, self.hop_length).abs()

    def encode(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Maps magnitudes (batch, n_freq, n_frames) to a latent (batch, n_chan, n_frames)."""
        return self.flow(self._pad(magnitude))[0]

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Maps a latent (batch, n_chan, n_frames) to magnitudes (batch, n_freq, n_frames).

        A latent that is unlike those of the data may decode to negative values.
        """
        return self.flow.inverse(latent)[0][:, : self.n_freq]

    def log_prob(
        self, magnitude: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Computes the log-density of magnitudes.

        Args:
            magnitude (torch.Tensor): (batch, n_freq, n_frames), not negative.
            lengths (torch.Tensor, optional): Number of valid frames of each item, (batch,).

        Returns:
            torch.Tensor: (batch,), nats. Divide by :meth:`n_dims` for nats per dimension.
        """
        x = self._pad(magnitude)
        mask = None if lengths is None else length_mask(lengths, x.shape[-1], x.dtype)
        z, ladj = self.flow(x, mask)
        return log_likelihood(z, ladj, self.n_dims(magnitude, lengths))

    def n_dims(self, magnitude: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Counts the valid elements of each item, (batch,), padding row included."""
        if lengths is None:
            lengths = torch.full((len(magnitude),), magnitude.shape[-1], device=magnitude.device)
        return lengths // self.n_sqz * self.n_sqz * self.n_chan

    def forward(self, magnitude: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Computes the training loss of the paper: the negative log-likelihood per dimension.

        Args:
            magnitude (torch.Tensor): (batch, n_freq, n_frames).
            lengths (torch.Tensor, optional): Number of valid frames of each item, (batch,).

        Returns:
            torch.Tensor: Scalar, nats per dimension.
        """
        return -self.log_prob(magnitude, lengths).sum() / self.n_dims(magnitude, lengths).sum()

    @torch.no_grad()
    def sample(
        self,
        n_frames: int,
        n: int = 1,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Draws magnitudes.

        Args:
            n_frames (int): Number of frames.
            n (int): Number of draws.
            temperature (float): Standard deviation of the latents.
            generator (torch.Generator, optional): Random generator, on the CPU.

        Returns:
            torch.Tensor: (n, n_freq, n_frames), clipped at zero.
        """
        check_whole("n_frames", n_frames, 1)
        check_whole("n", n, 1)
        check_between("temperature", temperature, 0, MAX_TEMPERATURE)
        even = -(-n_frames // self.n_sqz) * self.n_sqz
        latent = torch.randn(n, self.n_chan, even, generator=generator)
        weight = next(self.parameters())
        latent = (latent * temperature).to(weight.device, weight.dtype)
        return self.decode(latent)[..., :n_frames].clamp_min(0)

    def forward_wav(self, wav: torch.Tensor) -> torch.Tensor:
        """Encodes, decodes and resynthesises ``wav`` (..., time) with its own phase."""
        flat = wav.reshape(-1, wav.shape[-1])
        spec = stft(flat, self.n_fft, self.hop_length)
        n_frames = spec.shape[-1]
        spec = torch.nn.functional.pad(spec, (0, -n_frames % self.n_sqz))
        magnitude = self.decode(self.encode(spec.abs()))
        spec = apply_phase(magnitude, spec)[..., :n_frames]
        return istft(spec, self.n_fft, self.hop_length, wav.shape[-1]).reshape(wav.shape)

    @classmethod
    def from_published(
        cls, checkpoint: str | Path | dict, config: str | Path | dict, source: str | None = None
    ) -> "GlowPrior":
        """Reads a checkpoint of the published implementation.

        Args:
            checkpoint (str | Path | dict): ``G_<epoch>.pth``, or its content.
            config (str | Path | dict): The ``config.json`` beside it, or its content.
            source (str, optional): Name of the source; by default the name of the folder.

        Returns:
            GlowPrior: In evaluation mode.

        Raises:
            ValueError: If a tensor is missing, unexpected or of the wrong shape (all are named).
        """
        if source is None:
            source = "source" if isinstance(checkpoint, dict) else Path(checkpoint).parent.name
        content = config if isinstance(config, dict) else read_json(config)
        prior = cls(source=source, **published_config(content))
        prior.flow.load_state_dict(published_tensors(checkpoint, prior.flow))
        return prior.eval()

    def _pad(self, magnitude: torch.Tensor) -> torch.Tensor:
        if magnitude.ndim != 3 or magnitude.shape[1] != self.n_freq:
            raise ValueError(
                f"magnitude must be (batch, n_freq={self.n_freq}, n_frames), "
                f"got {tuple(magnitude.shape)}"
            )
        if magnitude.shape[-1] < self.n_sqz:
            raise ValueError(
                f"magnitude must have at least n_sqz = {self.n_sqz} frames, "
                f"got {magnitude.shape[-1]}"
            )
        return pad_bins(even_frames(magnitude, self.n_sqz), self.n_chan)


def length_mask(
    lengths: torch.Tensor, n_frames: int, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Returns a mask (batch, 1, n_frames): 1 where the frame index is below the item's length."""
    frames = torch.arange(n_frames, device=lengths.device)
    return (frames < lengths[:, None]).to(dtype)[:, None]


def _as_encoder(encoder: nn.Module | dict) -> nn.Module:
    built = build_encoder(encoder) if isinstance(encoder, dict) else encoder
    if not isinstance(built, nn.Module):
        raise TypeError(f"encoder must be a module or a dict, got {type(encoder).__name__}")
    return built


def as_prior(name: str, prior: Any) -> Any:
    """Returns a prior, built from its arguments if need be; refuses what is unlike one."""
    check_name("source", name)
    if isinstance(prior, dict):
        prior = GlowPrior(**prior)
    for field in ("encode", "decode", "log_prob", "sample_rate", "n_fft", "hop_length"):
        if not hasattr(prior, field):
            raise TypeError(f"prior {name!r} must be a GlowPrior or like one, it has no {field}")
    return prior
