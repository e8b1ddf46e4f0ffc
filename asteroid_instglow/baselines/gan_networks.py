"""SpecGAN: generator and critic of log-magnitude spectrogram patches."""

import torch
import torch.nn.functional as F
from torch import nn

from ..audio.stft import stft

KERNEL = 5
SPREAD = 3.0  # a patch in [-1, 1] covers this many standard deviations
FLOOR = 1e-5  # added to magnitudes before the logarithm


class Generator(nn.Module):
    """Maps latents to magnitudes by a linear layer and upsampling convolutions, as DCGAN does.

    Args:
        size (tuple): Bins and frames of a patch, multiples of ``2 ** depth``.
        n_latent (int): Size of a latent, whose values are in [-1, 1].
        width (int): Number of channels before the output, doubled at each level before.
        depth (int): Number of levels, each of which doubles the size.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, size: tuple[int, int], n_latent: int = 100, width: int = 64, depth: int = 5):
        super().__init__()
        if any(length % 2**depth for length in size):
            raise ValueError(
                f"n_fft / 2 and n_frames must be multiples of {2**depth}, got {tuple(size)}"
            )
        self.n_latent, self.depth, self.width = n_latent, depth, width
        chan = [width * 2**level for level in reversed(range(depth))]
        self.start = (chan[0], size[0] >> depth, size[1] >> depth)
        self.first = nn.Linear(n_latent, self.start[0] * self.start[1] * self.start[2])
        self.levels = nn.ModuleList(
            nn.ConvTranspose2d(i, o, KERNEL, 2, KERNEL // 2, output_padding=1)
            for i, o in zip(chan, [*chan[1:], 1])
        )
        # Statistics of the log-magnitudes in each bin of the training data.
        self.register_buffer("mean", torch.zeros(size[0], 1))
        self.register_buffer("std", torch.ones(size[0], 1))

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Maps latents (batch, n_latent) to patches in [-1, 1], (batch, n_bins, n_frames)."""
        h = self.first(latent).view(-1, *self.start)
        for conv in self.levels:
            h = conv(F.relu(h))
        return torch.tanh(h)[:, 0]

    def magnitude(self, latent: torch.Tensor) -> torch.Tensor:
        """Maps latents (batch, n_latent) to magnitudes (batch, n_bins, n_frames)."""
        log_magnitude = self(latent) * (SPREAD * self.std) + self.mean
        return (log_magnitude.exp() - FLOOR).clamp_min(0)

    def normalised(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Scales magnitudes to patches, clipped to [-1, 1]."""
        return ((torch.log(magnitude + FLOOR) - self.mean) / (SPREAD * self.std)).clamp(-1, 1)


class Critic(nn.Module):
    """Scores how real patches (batch, n_bins, n_frames) look: (batch,). Mirrors the generator.

    Args:
        generator (Generator): Generator whose sizes are used.
    """

    def __init__(self, generator: Generator):
        super().__init__()
        chan = [1, *(generator.width * 2**level for level in range(generator.depth))]
        self.levels = nn.ModuleList(
            nn.Conv2d(i, o, KERNEL, 2, KERNEL // 2) for i, o in zip(chan, chan[1:])
        )
        self.last = nn.Linear(generator.first.out_features, 1)

    def forward(self, patch: torch.Tensor) -> torch.Tensor:  # noqa: D102
        h = patch[:, None]
        for conv in self.levels:
            h = F.leaky_relu(conv(h), 0.2)
        return self.last(h.flatten(1))[:, 0]


class Adversaries(nn.Module):
    """A generator and its critic, trained together.

    Args:
        generator (Generator): The generator.
        n_fft, hop_length (int): STFT settings.
    """

    def __init__(self, generator: Generator, n_fft: int, hop_length: int):
        super().__init__()
        self.generator, self.critic = generator, Critic(generator)
        self.n_fft, self.hop_length = n_fft, hop_length

    def magnitude(self, wav: torch.Tensor) -> torch.Tensor:
        """Computes magnitudes (batch, n_bins, n_frames) of wavs, without the topmost bin."""
        return stft(wav, self.n_fft, self.hop_length).abs()[:, :-1]

    def measure(self, wav: torch.Tensor) -> None:
        """Sets mean and deviation of the log-magnitudes from wavs (batch, time)."""
        log_magnitude = torch.log(self.magnitude(wav) + FLOOR)
        std, mean = torch.std_mean(log_magnitude, (0, 2))
        self.generator.mean.copy_(mean[:, None])
        self.generator.std.copy_(std[:, None].clamp_min(1e-2))
