"""Reads, writes and resamples audio, and computes its short-time Fourier transform."""

from .io import AUDIO_SUFFIXES, audio_info, load_audio, resample, save_audio

__all__ = ["AUDIO_SUFFIXES", "audio_info", "load_audio", "resample", "save_audio"]
