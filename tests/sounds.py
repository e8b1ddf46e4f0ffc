"""Sounds to test with."""

import numpy as np
import torch


def noise(*shape, seed=0, scale=0.1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def tone(frequency, rate, seconds, dtype=torch.float64):
    time = torch.arange(int(rate * seconds), dtype=dtype) / rate
    return 0.5 * torch.sin(2 * np.pi * frequency * time)


def frequency_of(wav, rate):
    """The strongest frequency of a wav, Hz."""
    spectrum = np.abs(np.fft.rfft(wav * np.hanning(len(wav)), 8 * len(wav)))
    return np.argmax(spectrum) * rate / (8 * len(wav))
