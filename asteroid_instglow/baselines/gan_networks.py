"""SpecGAN: generator and critic of log-magnitude spectrogram patches."""

import torch
import torch.nn.functional as F
from torch import nn

from ..audio.stft import stft

KERNEL = 5
SPREAD = 3.0  # standard deviations that the patches' range of [-1, 1] stands for
FLOOR = 1e-5  # of the magnitudes, under the logarithm


class Generator(nn.Module):
    """Latents to magnitudes: a linear layer, then upsampling convolutions, as in DCGAN.

    Args:
        size (tuple): Bins and frames of a patch, multiples of ``2 ** depth``.
        n_latent (int): Numbers of a latent, each in [-1, 1].
        width (int): Channels of the last level but the output, doubled at each level before.
        depth (int): Levels, each of which doubles the size.
    """

    def __init__(self, size, n_latent=100, width=64, depth=5):
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
        # Of the log-magnitudes in each bin of the training data.
        self.register_buffer("mean", torch.zeros(size[0], 1))
        self.register_buffer("std", torch.ones(size[0], 1))

    def forward(self, latent):
        """Patches in [-1, 1], (batch, n_bins, n_frames), of latents (batch, n_latent)."""
        h = self.first(latent).view(-1, *self.start)
        for conv in self.levels:
            h = conv(F.relu(h))
        return torch.tanh(h)[:, 0]

    def magnitude(self, latent):
        """Magnitudes, (batch, n_bins, n_frames), of latents (batch, n_latent)."""
        log_magnitude = self(latent) * (SPREAD * self.std) + self.mean
        return (log_magnitude.exp() - FLOOR).clamp_min(0)

    def normalised(self, magnitude):
        """Magnitudes on the scale of the patches, cut to [-1, 1]."""
        return ((torch.log(magnitude + FLOOR) - self.mean) / (SPREAD * self.std)).clamp(-1, 1)


class Critic(nn.Module):
    """Patches (batch, n_bins, n_frames) to how real they look, (batch,): the generator mirrored.

    Args:
        generator (Generator): Whose sizes to take.
    """

    def __init__(self, generator):
        super().__init__()
        chan = [1, *(generator.width * 2**level for level in range(generator.depth))]
        self.levels = nn.ModuleList(
            nn.Conv2d(i, o, KERNEL, 2, KERNEL // 2) for i, o in zip(chan, chan[1:])
        )
        self.last = nn.Linear(generator.first.out_features, 1)

    def forward(self, patch):  # noqa: D102
        h = patch[:, None]
        for conv in self.levels:
            h = F.leaky_relu(conv(h), 0.2)
        return self.last(h.flatten(1))[:, 0]


class Adversaries(nn.Module):
    """A generator and its critic, as they are trained.

    Args:
        generator (Generator): To be trained.
        n_fft, hop_length (int): Of the spectrograms.
    """

    def __init__(self, generator, n_fft, hop_length):
        super().__init__()
        self.generator, self.critic = generator, Critic(generator)
        self.n_fft, self.hop_length = n_fft, hop_length

    def magnitude(self, wav):
        """Magnitudes (batch, n_bins, n_frames) of wavs, without the topmost bin."""
        return stft(wav, self.n_fft, self.hop_length).abs()[:, :-1]

    def measure(self, wav):
        """Sets mean and spread of the log-magnitudes from wavs (batch, time)."""
        log_magnitude = torch.log(self.magnitude(wav) + FLOOR)
        std, mean = torch.std_mean(log_magnitude, (0, 2))
        self.generator.mean.copy_(mean[:, None])
        self.generator.std.copy_(std[:, None].clamp_min(1e-2))
