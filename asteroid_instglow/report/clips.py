"""Cuts an excerpt of a track: compressed audio and spectrogram images that fit in a page."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import librosa
import matplotlib
import numpy as np
import soundfile as sf
from matplotlib.image import imsave
from numpy.typing import NDArray

from ..audio.io import audio_info, load_audio
from ..evaluation.layout import Track
from ..utils.text import one_line

# MP3 plays in every browser, but libsndfile may have been built without it.
_CODECS = {"MP3": ("MPEG_LAYER_III", "audio/mpeg"), "OGG": ("VORBIS", "audio/ogg")}
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # of MP3, Hz
_BLOCK = 0.5  # seconds
_COLUMNS, _ROWS = 560, 112  # pixels
FLOOR_DB = -80.0
MAX_FREQUENCY = 16000.0  # of all spectrograms, Hz
_TICKS = (200, 1000, 4000, 10000)
_MIXTURE = "mixture"


@dataclass
class Clip:
    """Holds the audio and the picture of one signal.

    Attributes:
        audio (bytes): MP3 or OGG file.
        mime (str): Media type of the audio.
        image (bytes): WebP file of its spectrogram.
        seconds (float): Length of the audio.
        silent (bool): Whether all samples are zero.
    """

    audio: bytes
    mime: str
    image: bytes
    seconds: float
    silent: bool


@dataclass
class Excerpt:
    """Holds what a page shows of a track.

    Attributes:
        mixture (Clip | None): Clip of the mixture.
        references (dict[str, Clip]): Clips of the true sources.
        estimates (dict[str, Clip]): Clips of the separated sources.
        start (float): Start of the excerpt in the track, in seconds.
        seconds (float): Length of the excerpt.
        total (float): Length of the track in seconds.
        sample_rate (int): Sample rate of the first file, in Hz.
        channels (int): Number of channels of the first file.
        ticks (list[tuple[str, float]]): Label and height (0 to 1) on the images' frequency axis.
    """

    mixture: Clip | None
    references: dict[str, Clip]
    estimates: dict[str, Clip]
    start: float
    seconds: float
    total: float
    sample_rate: int
    channels: int
    ticks: list[tuple[str, float]]

    @property
    def n_bytes(self) -> int:
        """Size in the page, estimated from above."""
        clips = [self.mixture, *self.references.values(), *self.estimates.values()]
        # A clip's HTML takes about 1 kB beside its data.
        return 3000 + sum(4 * (len(c.audio) + len(c.image)) // 3 + 2000 for c in clips if c)


def make_excerpt(track: Track, seconds: float) -> tuple[Excerpt | None, list[str]]:
    """Cuts the part of a track in which all sources play and encodes it.

    Levels are kept relative to each other; if a signal would clip, all are turned down.

    Args:
        track (Track): Files.
        seconds (float): Longest excerpt.

    Returns:
        tuple: Excerpt (None if no file can be read), list of notes about unreadable files.
    """
    groups = {
        **({(_MIXTURE, ""): track.mixture} if track.mixture else {}),
        **{("references", name): [path] for name, path in track.references.items()},
        **{("estimates", name): [path] for name, path in track.estimates.items() if path},
    }
    notes, infos = [], {}
    for where, paths in groups.items():
        try:
            infos[where] = [audio_info(path) for path in paths]
        except (ValueError, OSError) as error:
            notes.append(f"{track.name}: {one_line(error)}")
    groups = {where: groups[where] for where in infos}
    if not groups:
        return None, notes
    first = next(iter(infos.values()))[0]
    total = min(info.seconds for found in infos.values() for info in found)
    start = _find_start(groups, total, seconds) if total > seconds else 0.0
    # The nearest rate below the file's that the codec takes.
    rate = max((r for r in _RATES if r <= first.sample_rate), default=_RATES[0])
    wavs = {}
    for where, paths in groups.items():
        try:
            wavs[where] = _load(paths, rate, start, min(seconds, total))
        except (ValueError, OSError) as error:
            notes.append(f"{track.name}: {one_line(error)}")
    if not wavs:
        return None, notes
    top = min(MAX_FREQUENCY, rate / 2)
    spectrograms = {where: mel_spectrogram(wav, rate, top) for where, wav in wavs.items()}
    loudest = max(float(power.max()) for power in spectrograms.values())
    gain = 1 / max(1.0, *(float(np.abs(wav).max()) for wav in wavs.values()))
    clips: dict[str, dict[str, Clip]] = {_MIXTURE: {}, "references": {}, "estimates": {}}
    for where, wav in wavs.items():
        audio, mime = _encode(gain * wav, rate)
        image = draw_spectrogram(spectrograms[where], loudest)
        clips[where[0]][where[1]] = Clip(audio, mime, image, wav.shape[1] / rate, not wav.any())
    return Excerpt(
        mixture=clips[_MIXTURE].get(""),
        references=clips["references"],
        estimates=clips["estimates"],
        start=start,
        seconds=min(seconds, total),
        total=total,
        sample_rate=first.sample_rate,
        channels=first.channels,
        ticks=frequency_ticks(top),
    ), notes


def mel_spectrogram(wav: NDArray, sample_rate: int, top: float) -> NDArray[np.floating]:
    """Computes the power of a signal on the mel scale, averaged over channels.

    Args:
        wav (ndarray): (channels, time).
        sample_rate (int): Sample rate, Hz.
        top (float): Highest frequency in Hz.

    Returns:
        ndarray: (n_mels, n_frames).
    """
    n_fft = 2 ** round(math.log2(0.09 * sample_rate))
    power = librosa.feature.melspectrogram(
        y=np.asarray(wav, dtype=np.float32),
        sr=sample_rate,
        n_fft=n_fft,
        hop_length=max(1, min(n_fft // 2, wav.shape[1] // _COLUMNS)),
        n_mels=_ROWS,
        fmax=top,
    )
    return power.mean(0)


def frequency_ticks(top: float) -> list[tuple[str, float]]:
    """Returns label and height (0 to 1) of each tick on a mel axis from 0 Hz to ``top``.

    Examples:
        >>> [label for label, _ in frequency_ticks(8000.0)]
        ['200 Hz', '1 kHz', '4 kHz']
    """
    heights = librosa.hz_to_mel(np.array(_TICKS)) / librosa.hz_to_mel(top)
    labels = [f"{tick // 1000} kHz" if tick >= 1000 else f"{tick} Hz" for tick in _TICKS]
    return [(label, float(height)) for label, height in zip(labels, heights) if height < 0.93]


def _find_start(groups: dict, total: float, seconds: float) -> float:
    """Returns the time at which the quietest source is loudest, in seconds."""
    kinds = {kind for kind, _ in groups}
    kind = next(k for k in ("references", "estimates", _MIXTURE) if k in kinds)
    n_blocks, length = int(total / _BLOCK), round(seconds / _BLOCK)
    levels = []
    for where, paths in groups.items():
        if where[0] != kind:
            continue
        try:
            wav, _ = load_audio(paths[0])
        except (ValueError, OSError):  # reported where the excerpt is read
            continue
        edges = np.linspace(0, wav.shape[1], n_blocks + 1).astype(int)
        power = np.square(wav.numpy().astype(np.float64)).mean(0)
        energy = np.concatenate([[0], np.add.reduceat(power, edges[:-1]).cumsum()])
        window = energy[length:] - energy[:-length]
        if window.size and window.max() > 0:
            levels.append(np.log(window / window.max() + 1e-6))
    if not levels:
        return 0.0
    return float(min(_BLOCK * np.min(levels, axis=0).argmax(), total - seconds))


def _load(paths: list[Path], rate: int, start: float, seconds: float) -> NDArray[np.float32]:
    """Loads the sum of some files, (channels, time); more than two channels are averaged."""
    parts = []
    for path in paths:
        info = audio_info(path)
        length = -(-info.frames * rate // info.sample_rate)
        first = min(round(start * rate), length - 1)
        frames = min(max(1, round(seconds * rate)), length - first)
        parts.append(load_audio(path, rate, first, frames)[0].numpy())
    if {part.shape[0] for part in parts} not in ({1}, {2}):
        parts = [part.mean(0, keepdims=True) for part in parts]
    shortest = min(part.shape[1] for part in parts)
    return np.sum([part[:, :shortest] for part in parts], axis=0)


def _encode(wav: NDArray, rate: int) -> tuple[bytes, str]:
    kind = next(name for name in _CODECS if name in sf.available_formats())
    subtype, mime = _CODECS[kind]
    content = io.BytesIO()
    with sf.SoundFile(content, "w", rate, len(wav), subtype, None, kind) as file:
        # In blocks, because libvorbis overflows the stack on minutes of audio at once.
        for begin in range(0, wav.shape[1], 2**16):
            file.write(wav.T[begin : begin + 2**16])
    return content.getvalue(), mime


def draw_spectrogram(power: NDArray, loudest: float) -> bytes:
    """Draws a spectrogram as a WebP image.

    Args:
        power (ndarray): (n_mels, n_frames), from :func:`mel_spectrogram`.
        loudest (float): Power that is drawn brightest.
    """
    level = librosa.power_to_db(power, ref=max(loudest, 1e-12), amin=1e-12, top_db=None)
    shade = np.clip(1 - level / FLOOR_DB, 0, 1)
    pixels = matplotlib.colormaps["magma"](shade[::-1], bytes=True)[..., :3]
    content = io.BytesIO()
    imsave(content, pixels, format="webp", pil_kwargs={"quality": 75, "method": 4})
    return content.getvalue()
