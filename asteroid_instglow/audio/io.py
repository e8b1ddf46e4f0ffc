"""Reads audio files of any rate, length and number of channels; refuses what is damaged.

WAV, FLAC, OGG, MP3 and AIFF are read by libsndfile. What it cannot open or measure (m4a, mp4,
stem.mp4, FLAC written to a pipe, MP3 without a length header) is decoded by the ``ffmpeg``
command where there is one.
"""

from pathlib import Path
from typing import NamedTuple

import torch

from .reading import check_file, open_decoded, probe, read_frames
from .resampling import check_rate, resample, resampled_length, source_range
from .writing import save_audio

__all__ = ["AUDIO_SUFFIXES", "AudioInfo", "audio_info", "load_audio", "resample", "save_audio"]

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif", ".w64", ".caf", ".au"),
    *(".m4a", ".mp4", ".aac", ".ac3", ".webm", ".mka", ".wma", ".wv", ".tta", ".ape"),
)


class AudioInfo(NamedTuple):
    """Describes an audio file: rate in Hz, frames of a channel, number of audio streams."""

    sample_rate: int
    channels: int
    frames: int
    seconds: float
    codec: str
    n_streams: int = 1


def audio_info(path: str | Path) -> AudioInfo:
    """Describes an audio file; decodes only what ffmpeg alone can read.

    Args:
        path (str | Path): File of any of the kinds in ``AUDIO_SUFFIXES``.

    Returns:
        AudioInfo: Its description; of a container with several streams (stem.mp4), the first's.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no audio file, or empty.

    Examples:
        >>> save_audio("song.flac", torch.zeros(2, 22050), 44100)
        >>> audio_info("song.flac").seconds
        0.5
    """
    path = check_file(path)
    with open_decoded(path) as (file, is_copy):
        rate, frames = file.samplerate, file.frames
        codec, n_streams = f"{file.format} {file.subtype}", 1
        if is_copy:
            streams = probe(path)
            codec, n_streams = streams[0]["codec_name"], len(streams)
        return AudioInfo(rate, file.channels, frames, frames / rate, codec, n_streams)


def load_audio(
    path: str | Path,
    sample_rate: int | None = None,
    start: int = 0,
    frames: int | None = None,
    stream: int = 0,
) -> tuple[torch.Tensor, int]:
    """Reads an audio file, or a part of it, as float32.

    A part equals the same part of the whole file, resampling included, but only the part (and the
    reach of the resampling filter) is read.

    Args:
        path (str | Path): File of any of the kinds in ``AUDIO_SUFFIXES``.
        sample_rate (int, optional): Rate wanted, in Hz; the file's own by default.
        start (int): First frame, counted at the rate that is returned.
        frames (int, optional): Number of frames from there; to the end by default.
        stream (int): Index of the audio stream; the first of a stem.mp4 is its mixture.

    Returns:
        tuple: ``wav`` float32 (channels, time), in [-1, 1] for integer formats, and its
        sample rate in Hz.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no audio file, empty, cut short, damaged, or holds NaN or inf.

    Examples:
        >>> save_audio("song.wav", torch.zeros(2, 44100), 44100)
        >>> wav, rate = load_audio("song.wav", sample_rate=22050)
        >>> wav.shape, rate
        (torch.Size([2, 22050]), 22050)
    """
    path = check_file(path)
    with open_decoded(path, stream) as (file, _):
        rate = file.samplerate
        new_rate = rate if sample_rate is None else check_rate("sample_rate", sample_rate)
        length = resampled_length(file.frames, rate, new_rate)
        stop = length if frames is None else start + frames
        if not 0 <= start < stop <= length:
            raise ValueError(
                f"start and frames must lie within the {length} frames of {path} at {new_rate} Hz, "
                f"got start {start}, frames {frames}"
            )
        first, last, skip = source_range(start, stop, file.frames, rate, new_rate)
        wav = torch.from_numpy(read_frames(file, path, first, last - first).T.copy())
    wav = resample(wav, rate, new_rate)
    return wav[:, skip : skip + stop - start].contiguous(), new_rate
