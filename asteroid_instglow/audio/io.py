"""Audio files in and out: any rate, any number of channels, refused clearly or read exactly.

WAV, FLAC, OGG, MP3 and AIFF are read by libsndfile. What it cannot open or measure (m4a, mp4,
stem.mp4, FLAC written to a pipe, MP3 without a length header) is decoded by the ``ffmpeg``
command where there is one.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
import torch
from scipy import signal
from torchaudio import functional

from ..utils.checks import check_one_of
from ..utils.files import atomic_path
from .ffmpeg import check_file, open_decoded, probe, read_frames

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif"),
    *(".m4a", ".mp4", ".aac", ".webm", ".wma"),
)
CLIP_MODES = ("rescale", "clamp", "none")
_SUBTYPES = {  # suffix: (libsndfile's format, {our subtype: libsndfile's})
    ".wav": ("WAV", {"PCM_16": "PCM_16", "PCM_24": "PCM_24", "FLOAT": "FLOAT"}),
    ".flac": ("FLAC", {"PCM_16": "PCM_16", "PCM_24": "PCM_24"}),
    ".ogg": ("OGG", dict.fromkeys(("PCM_16", "PCM_24", "FLOAT"), "VORBIS")),
    ".mp3": ("MP3", dict.fromkeys(("PCM_16", "PCM_24", "FLOAT"), "MPEG_LAYER_III")),
}
# The windowed sinc that resampy calls "kaiser_best".
_ZERO_CROSSINGS, _ROLLOFF, _BETA = 64, 0.9475937167399596, 14.769656459379492
_MAX_KERNEL = 2**24  # torchaudio's kernel grows with the product of two coprime rates


class AudioInfo(NamedTuple):
    """What a file holds: rate in Hz, ``frames`` a channel, the number of audio streams."""

    sample_rate: int
    channels: int
    frames: int
    seconds: float
    codec: str
    n_streams: int = 1


def audio_info(path, stream=0):
    """Describes an audio file; decodes only what ffmpeg alone can read.

    Args:
        path (str or Path): File of any of the kinds in ``AUDIO_SUFFIXES``.
        stream (int): Which audio stream of a container (stem.mp4 has five).

    Returns:
        AudioInfo: What is in it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no audio file, or empty.

    Examples
        >>> audio_info("song.flac").sample_rate  # doctest: +SKIP
        44100
    """
    path = check_file(path)
    with open_decoded(path, stream) as file:
        rate, frames = file.samplerate, file.frames
        codec, n_streams = f"{file.format} {file.subtype}", 1
        if Path(file.name) != path:
            streams = probe(path)
            codec, n_streams = streams[stream]["codec_name"], len(streams)
        return AudioInfo(rate, file.channels, frames, frames / rate, codec, n_streams)


def load_audio(path, sample_rate=None, start=0, frames=None, stream=0):
    """Reads an audio file, or a part of it, as float32.

    A part is exactly what reading all and cutting would give, resampling included, but only the
    part (and the reach of the resampling filter) is read.

    Args:
        path (str or Path): File of any of the kinds in ``AUDIO_SUFFIXES``.
        sample_rate (int, optional): Rate wanted, in Hz; the file's own by default.
        start (int): First frame, counted at the rate that is returned.
        frames (int, optional): How many frames from there; to the end by default.
        stream (int): Which audio stream of a container; the first of a stem.mp4 is its mixture.

    Returns:
        tuple: ``wav`` float32 (channels, time), in [-1, 1] for integer formats, and its
        sample rate in Hz.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no audio file, empty, cut short, damaged, or holds NaN or inf.

    Examples
        >>> wav, rate = load_audio("song.mp3", sample_rate=22050)  # doctest: +SKIP
    """
    path = check_file(path)
    with open_decoded(path, stream) as file:
        rate = file.samplerate
        new_rate = rate if sample_rate is None else _check_rate("sample_rate", sample_rate)
        length = _resampled_length(file.frames, rate, new_rate)
        stop = length if frames is None else start + frames
        if not 0 <= start < stop <= length:
            raise ValueError(
                f"start and frames must lie within the {length} frames of {path} at {new_rate} Hz, "
                f"got start {start}, frames {frames}"
            )
        first, last, skip = _source_range(start, stop, file.frames, rate, new_rate)
        wav = torch.from_numpy(read_frames(file, path, first, last - first).T.copy())
    if not torch.isfinite(wav).all():
        raise ValueError(f"{path} must hold finite samples, got NaN or infinite ones")
    wav = resample(wav, rate, new_rate)
    return wav[:, skip : skip + stop - start].contiguous(), new_rate


def resample(wav, orig_rate, new_rate):
    """Changes the sample rate with a long Kaiser-windowed sinc (64 zero crossings).

    Args:
        wav (torch.Tensor): (..., time), floating point, any device; differentiable but for
            rates without a common factor worth speaking of (such as 44100 and 22051).
        orig_rate (int): Its rate, in Hz.
        new_rate (int): Rate wanted, in Hz.

    Returns:
        torch.Tensor: (..., ceil(time * new_rate / orig_rate)).

    References
        - [1] : "Digital Audio Resampling Home Page", Smith 2002.
          https://ccrma.stanford.edu/~jos/resample/

    Examples
        >>> resample(torch.zeros(2, 44100), 44100, 22050).shape
        torch.Size([2, 22050])
    """
    orig, new = _check_rate("orig_rate", orig_rate), _check_rate("new_rate", new_rate)
    if orig == new:
        return wav
    length = _resampled_length(wav.shape[-1], orig, new)
    divisor = math.gcd(orig, new)
    up, down = new // divisor, orig // divisor
    if up * (down + 2 * _reach(orig, new)) > _MAX_KERNEL:
        half = math.ceil(_ZERO_CROSSINGS * max(up, down) / _ROLLOFF)
        taps = signal.firwin(2 * half + 1, _ROLLOFF / max(up, down), window=("kaiser", _BETA))
        moved = signal.resample_poly(wav.detach().cpu().double().numpy(), up, down, -1, taps)
        return torch.from_numpy(moved).to(wav)
    # Padded because torchaudio finds the length in float32, short by some frames after 2**24.
    padded = torch.nn.functional.pad(wav, (0, 8 * down))
    moved = functional.resample(
        padded, orig, new, _ZERO_CROSSINGS, _ROLLOFF, "sinc_interp_kaiser", _BETA
    )
    return moved[..., :length]


def save_audio(path, wav, sample_rate, subtype="PCM_16", clip="rescale", overwrite=False):
    """Writes audio, whole or not at all; the format follows the suffix.

    Integers are rounded from ``wav * 2**15`` (``2**23``), so that what ``load_audio`` read is
    written back bit for bit.

    Args:
        path (str or Path): ``.wav``, ``.flac``, ``.ogg`` or ``.mp3``; its folder must exist.
        wav (torch.Tensor or numpy.ndarray): (channels, time) or (time,), floating point.
        sample_rate (int): Rate in Hz.
        subtype (str): ``"PCM_16"``, ``"PCM_24"`` or ``"FLOAT"`` (WAV only). OGG and MP3 have but
            one kind and ignore it.
        clip (str): What happens beyond [-1, 1]: ``"rescale"`` divides all by the peak,
            ``"clamp"`` cuts, ``"none"`` keeps (FLOAT) or refuses (the others).
        overwrite (bool): Whether an existing file may be replaced.

    Raises:
        ValueError: If the audio is not finite or of a wrong shape, or an option is unknown.
        FileExistsError: If the file exists and ``overwrite`` is false.
        FileNotFoundError: If the folder does not exist.
        PermissionError: If the folder cannot be written to.
        OSError: If the disk is full.

    Examples
        >>> save_audio("bass.wav", torch.zeros(2, 44100), 44100)  # doctest: +SKIP
    """
    path = Path(path)
    if path.suffix.lower() not in _SUBTYPES:
        raise ValueError(f"path must end in one of {', '.join(_SUBTYPES)}, got {str(path)!r}")
    file_format, subtypes = _SUBTYPES[path.suffix.lower()]
    if subtype not in subtypes:
        raise ValueError(
            f"subtype for {path.suffix} must be one of {', '.join(subtypes)}, got {subtype!r}"
        )
    keeps_range = subtypes[subtype] == "FLOAT"
    samples = _limited(_check_wav(wav), clip, keeps_range)
    bits = {"PCM_16": 16, "PCM_24": 24}.get(subtypes[subtype])
    if bits:
        top = 2 ** (bits - 1)
        samples = np.clip(np.round(samples.astype(np.float64) * top), -top, top - 1)
        samples = samples.astype(np.int16) if bits == 16 else samples.astype(np.int32) << 8
    sample_rate = _check_rate("sample_rate", sample_rate)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of {path} does not exist")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; overwrite=True would replace it")
    with atomic_path(path) as temporary:
        # Python's own error says why; libsndfile's is "System error".
        temporary.open("xb").close()
        _write(temporary, samples.T, sample_rate, file_format, subtypes[subtype])


def _write(path, samples, sample_rate, file_format, subtype):
    if subtype == "VORBIS" and sample_rate > 192000:
        # libvorbis crashes there instead of refusing.
        raise ValueError(f"sample_rate of an OGG must be at most 192000, got {sample_rate}")
    channels = samples.shape[1]
    try:
        with sf.SoundFile(path, "w", sample_rate, channels, subtype, None, file_format) as file:
            # In blocks: libvorbis overflows the stack on minutes of audio at once.
            for begin in range(0, len(samples), 2**16):
                file.write(samples[begin : begin + 2**16])
    except sf.LibsndfileError as error:
        kind = OSError if error.code == 2 else ValueError
        raise kind(
            f"cannot write {channels} channels at {sample_rate} Hz as {file_format}: {error}"
        ) from error
    written = sf.info(path).frames
    if written != len(samples):
        raise OSError(f"only {written} of {len(samples)} frames were written: is the disk full?")


def _check_wav(wav):
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


def _limited(samples, clip, keeps_range):
    check_one_of("clip", clip, CLIP_MODES)
    peak = float(np.abs(samples).max())
    if peak <= 1 or (clip == "none" and keeps_range):
        return samples
    if clip == "none":
        raise ValueError(f"wav must lie in [-1, 1] with clip='none', got a peak of {peak:.6g}")
    return samples / peak if clip == "rescale" else np.clip(samples, -1, 1)


def _check_rate(name, rate):
    if isinstance(rate, bool) or int(rate) != rate or rate < 1:
        raise ValueError(f"{name} must be a positive whole number of Hz, got {rate!r}")
    return int(rate)


def _resampled_length(length, orig, new):
    return -(-length * new // orig)


def _reach(orig, new):
    # Half the length of the resampling filter, in samples before resampling.
    return math.ceil(_ZERO_CROSSINGS * max(orig, new) / new / _ROLLOFF) + 1


def _source_range(start, stop, length, orig, new):
    # Cuts where both rates share a sample, so that the filter's phases are those of the whole.
    divisor = math.gcd(orig, new)
    up, down = new // divisor, orig // divisor
    margin = 0 if orig == new else -(-_reach(orig, new) // down)
    block = max(0, start // up - margin)
    last = min(length, (-(-stop // up) + margin) * down)
    return block * down, last, start - block * up
