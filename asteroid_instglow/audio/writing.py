"""Writes audio files, all at once or block by block."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch

from ..utils.checks import check_one_of, check_whole
from ..utils.files import atomic_path
from .resampling import check_rate

CLIP_MODES = ("rescale", "clamp", "none")
SUBTYPES = ("PCM_16", "PCM_24", "FLOAT")
# Suffix: libsndfile's format, and its subtype for each of ours.
FORMATS = {
    ".wav": ("WAV", {name: name for name in SUBTYPES}),
    ".flac": ("FLAC", {"PCM_16": "PCM_16", "PCM_24": "PCM_24"}),
    ".ogg": ("OGG", dict.fromkeys(SUBTYPES, "VORBIS")),
    ".mp3": ("MP3", dict.fromkeys(SUBTYPES, "MPEG_LAYER_III")),
}
_BITS = {"PCM_16": 16, "PCM_24": 24}
_MAX_WAV = 2**32 - 2**16  # bytes
_BLOCK = 2**16  # frames


class AudioWriter:
    """Writes one audio file block by block; a context manager.

    Integers are rounded from ``wav * 2**15`` (``2**23``), so that what was read from a file of the
    same kind is written back bit for bit.

    Args:
        path (Path): File to write, replaced if it exists.
        sample_rate (int): Rate, in Hz.
        channels (int): Number of channels.
        subtype (str): "PCM_16", "PCM_24" or "FLOAT" (WAV only); OGG and MP3 have one kind.
        frames (int): Length to be written, or an estimate.
        suffix (str, optional): Chooses the format in place of the suffix of ``path``.
        mp3_bitrate (int, optional): Bit rate of an MP3, kbit/s; variable by default.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        subtype: str = "PCM_16",
        frames: int = 0,
        suffix: str | None = None,
        mp3_bitrate: int | None = None,
    ):
        self.path = path
        self._bits = None
        self._written = 0
        kind, subtype = check_format(suffix or path.suffix, subtype, sample_rate, channels)
        self._bits = _BITS.get(subtype)
        if kind == "WAV" and frames * channels * (self._bits or 32) // 8 > _MAX_WAV:
            kind = "RF64"
        # Python's own error says why; libsndfile's is "System error".
        path.open("wb").close()
        rate = {} if mp3_bitrate is None or kind != "MP3" else _constant(mp3_bitrate, sample_rate)
        audio = (sample_rate, channels, subtype, None, kind)
        try:
            self._file = sf.SoundFile(os.fsencode(path), "w", *audio, **rate)
        except sf.LibsndfileError as error:  # no room for the header
            raise self._failure() from error

    def __enter__(self) -> "AudioWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            self._file.close()
        except sf.LibsndfileError:
            if kind is None:
                raise self._failure() from None
        if kind is None and sf.info(os.fsencode(self.path)).frames != self._written:
            raise self._failure()

    def write(self, wav: np.ndarray) -> None:
        """Appends samples (channels, time); integer formats clip them at full scale."""
        # In blocks: libvorbis overflows the stack on minutes of audio at once.
        for start in range(0, wav.shape[-1], _BLOCK):
            try:
                self._file.write(self._rounded(wav[:, start : start + _BLOCK].T))
            except sf.LibsndfileError as error:
                raise self._failure() from error
        self._written += wav.shape[-1]

    def _rounded(self, samples: np.ndarray) -> np.ndarray:
        if self._bits is None:
            return samples
        top = 2 ** (self._bits - 1)
        samples = np.clip(np.round(samples.astype(np.float64) * top), -top, top - 1)
        return samples.astype(np.int16) if self._bits == 16 else samples.astype(np.int32) << 8

    def _failure(self) -> Any:
        # libsndfile does not say why it could not write: ask the system.
        try:
            with self.path.open("ab") as file:
                file.write(bytes(_BLOCK))
        except OSError as error:
            return error
        return OSError(f"cannot write {self.path}: not all of it was written")


def check_format(suffix: str, subtype: str, sample_rate: int, channels: int) -> tuple[str, str]:
    """Checks that audio can be written in a format, before anything is written.

    Args:
        suffix (str): ".wav", ".flac", ".ogg" or ".mp3".
        subtype (str): "PCM_16", "PCM_24" or "FLOAT" (WAV only).
        sample_rate (int): Rate, in Hz.
        channels (int): Number of channels.

    Returns:
        tuple: libsndfile's names of the format and the subtype.

    Raises:
        ValueError: If the format does not take them.

    Examples:
        >>> check_format(".mp3", "PCM_16", 44100, 2)
        ('MP3', 'MPEG_LAYER_III')
    """
    kind, subtypes = check_suffix(suffix, subtype)
    rate = check_rate("sample_rate", sample_rate)
    if kind == "OGG" and rate > 192000:
        # libvorbis crashes there instead of refusing.
        raise ValueError(f"sample_rate of an OGG must be at most 192000, got {rate}")
    try:
        sf.SoundFile(io.BytesIO(), "w", rate, channels, subtypes[subtype], None, kind).close()
    except (sf.LibsndfileError, TypeError) as error:
        raise ValueError(
            f"cannot write {channels} channels at {rate} Hz as {kind}: {error}"
        ) from error
    return kind, subtypes[subtype]


def check_suffix(suffix: str, subtype: str) -> tuple[str, dict[str, str]]:
    """Checks the suffix and subtype of a file to be written; see :func:`check_format`."""
    if suffix.lower() not in FORMATS:
        raise ValueError(f"path must end in one of {', '.join(FORMATS)}, got {suffix!r}")
    kind, subtypes = FORMATS[suffix.lower()]
    if subtype not in subtypes:
        raise ValueError(
            f"subtype for {suffix} must be one of {', '.join(subtypes)}, got {subtype!r}"
        )
    return kind, subtypes


def check_bitrate(suffix: str, mp3_bitrate: int | None) -> None:
    """Checks the bit rate (kbit/s) of files to be written, which only MP3 files have."""
    if mp3_bitrate is None:
        return
    check_whole("mp3_bitrate", mp3_bitrate, 32, 320)
    if suffix.lower() != ".mp3":
        raise ValueError(f"mp3_bitrate needs the suffix .mp3, got {suffix}")


def _constant(mp3_bitrate: int, sample_rate: int) -> dict[str, Any]:
    # libsndfile takes a place between the highest and the lowest bit rate at that sample rate.
    low, high = (32, 320) if sample_rate >= 32000 else (8, 160 if sample_rate >= 16000 else 64)
    level = (high - min(mp3_bitrate, high)) / (high - low)
    return {"bitrate_mode": "CONSTANT", "compression_level": level}


def save_audio(
    path: str | Path,
    wav: torch.Tensor | np.ndarray,
    sample_rate: int,
    subtype: str = "PCM_16",
    clip: str = "rescale",
    overwrite: bool = False,
) -> None:
    """Writes audio, whole or not at all; the format follows the suffix.

    Args:
        path (str | Path): ``.wav``, ``.flac``, ``.ogg`` or ``.mp3``; its folder must exist.
        wav (torch.Tensor | numpy.ndarray): (channels, time) or (time,), floating point.
        sample_rate (int): Rate, in Hz.
        subtype (str): "PCM_16", "PCM_24" or "FLOAT" (WAV only); OGG and MP3 have one kind.
        clip (str): What happens beyond [-1, 1]: "rescale" divides all by the peak, "clamp" cuts,
            "none" keeps (FLOAT) or refuses (the others).
        overwrite (bool): Whether an existing file may be replaced.

    Raises:
        ValueError: If the audio is not finite or of a wrong shape, or an option is unknown.
        FileExistsError: If the file exists and ``overwrite`` is false.
        FileNotFoundError: If the folder does not exist.
        OSError: If it cannot be written: the disk is full, say.

    Examples:
        >>> from asteroid_instglow import load_audio
        >>> save_audio("bass.wav", torch.zeros(2, 44100), 44100)
        >>> load_audio("bass.wav")[0].shape
        torch.Size([2, 44100])
    """
    path = Path(path)
    check_suffix(path.suffix, subtype)
    check_one_of("clip", clip, CLIP_MODES)
    samples = _limited(_check_wav(wav), clip, FORMATS[path.suffix.lower()][1][subtype] == "FLOAT")
    check_format(path.suffix, subtype, sample_rate, len(samples))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of {path} does not exist")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; overwrite=True would replace it")
    channels, frames = samples.shape
    with atomic_path(path) as temporary:
        options = sample_rate, channels, subtype, frames, path.suffix
        with AudioWriter(temporary, *options) as file:
            file.write(samples)


def _check_wav(wav: Any) -> Any:
    wav = wav.detach().cpu() if isinstance(wav, torch.Tensor) else torch.as_tensor(np.asarray(wav))
    if not wav.is_floating_point():
        raise ValueError(f"wav must be floating point, got {wav.dtype}")
    wav = wav[None] if wav.dim() == 1 else wav
    if wav.dim() != 2 or 0 in wav.shape or wav.shape[0] > 64:
        shape = tuple(wav.shape)
        raise ValueError(f"wav must be (channels, time) or (time,), not empty, got {shape}")
    if not torch.isfinite(wav).all():
        raise ValueError("wav must be finite, got NaN or infinite samples")
    return wav.float().numpy()


def _limited(samples: np.ndarray, clip: str, keeps_range: bool) -> np.ndarray:
    peak = float(np.abs(samples).max())
    if peak <= 1 or (clip == "none" and keeps_range):
        return samples
    if clip == "none":
        raise ValueError(f"wav must lie in [-1, 1] with clip='none', got a peak of {peak:.6g}")
    return samples / peak if clip == "rescale" else np.clip(samples, -1, 1)
