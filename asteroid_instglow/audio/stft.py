"""Short-time Fourier transforms, and padding and phase of their spectrograms."""

import torch
import torch.nn.functional as F

from ..utils.checks import check_whole

MAX_FFT = 2**16


def stft(wav: torch.Tensor, n_fft: int, hop_length: int) -> torch.Tensor:
    """Complex spectrogram with a periodic Hann window, centred, reflected at the ends.

    Args:
        wav (torch.Tensor): (..., time), at least ``n_fft // 2 + 1`` samples.
        n_fft (int): Window and transform length in samples.
        hop_length (int): Samples between frames.

    Returns:
        torch.Tensor: (..., n_fft // 2 + 1, n_frames), complex, n_frames = 1 + time // hop_length.
    """
    if wav.shape[-1] <= n_fft // 2:
        raise ValueError(
            f"wav must have more than n_fft // 2 = {n_fft // 2} samples, got {wav.shape[-1]}"
        )
    window = torch.hann_window(n_fft, dtype=wav.dtype, device=wav.device)
    flat = wav.reshape(-1, wav.shape[-1])
    spec = torch.stft(flat, n_fft, hop_length, window=window, return_complex=True)
    return spec.reshape(*wav.shape[:-1], *spec.shape[-2:])


def istft(spec: torch.Tensor, n_fft: int, hop_length: int, length: int) -> torch.Tensor:
    """Inverse of :func:`stft`: the wav (..., length) whose spectrogram is nearest to ``spec``."""
    window = torch.hann_window(n_fft, dtype=spec.real.dtype, device=spec.device)
    flat = spec.reshape(-1, *spec.shape[-2:])
    wav = torch.istft(flat, n_fft, hop_length, window=window, length=length)
    return wav.reshape(*spec.shape[:-2], length)


def power_of(spec: torch.Tensor) -> torch.Tensor:
    """Returns the squared magnitudes of a complex tensor, in half the time of its ``abs()``."""
    return spec.real.square() + spec.imag.square()


def real_parts(spec: torch.Tensor, axis: int = 0) -> torch.Tensor:
    """Returns real and imaginary parts on an axis of their own.

    PyTorch multiplies them by a real tensor faster than it does a complex one.
    """
    return torch.view_as_real(spec).movedim(-1, axis).contiguous()


def check_stft(n_fft: int, hop_length: int) -> None:
    """Raises ValueError if the STFT has no inverse, or the transform is longer than ``MAX_FFT``."""
    check_whole("n_fft", n_fft, 4, MAX_FFT)
    check_whole("hop_length", hop_length, 1, n_fft // 2)


def even_frames(spec: torch.Tensor, n_sqz: int = 2) -> torch.Tensor:
    """``spec`` without the last frames that do not fill a squeeze of ``n_sqz``."""
    return spec[..., : spec.shape[-1] // n_sqz * n_sqz]


def pad_bins(magnitude: torch.Tensor, n_chan: int) -> torch.Tensor:
    """Appends rows of zeros to (..., n_freq, n_frames) up to ``n_chan`` rows."""
    return F.pad(magnitude, (0, 0, 0, n_chan - magnitude.shape[-2]))


def apply_phase(magnitude: torch.Tensor, spec: torch.Tensor) -> torch.Tensor:
    """Gives ``magnitude`` the phase of the complex ``spec``, bin by bin (phase 0 where spec is 0).

    Args:
        magnitude (torch.Tensor): Real, broadcastable with ``spec``; a negative value
            flips the sign.
        spec (torch.Tensor): Complex.
    """
    return torch.polar(torch.ones_like(spec.real), spec.angle()) * magnitude


def hold_frames(spec: torch.Tensor, n_frames: int) -> torch.Tensor:
    """Repeats the last frame of ``spec`` (..., n_freq, frames) until there are ``n_frames``."""
    missing = n_frames - spec.shape[-1]
    return torch.cat([spec, spec[..., -1:].expand(*spec.shape[:-1], missing)], -1)
