"""An excerpt of a track as what a page can hold: compressed audio and pictures of spectra."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile as sf
import torch

from ..audio.io import audio_info, load_audio

# MP3 plays in every browser; libsndfile may have been built without it.
_CODECS = {"MP3": ("MPEG_LAYER_III", "audio/mpeg"), "OGG": ("VORBIS", "audio/ogg")}
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # of MP3, Hz
_BLOCK = 0.5  # seconds
_COLUMNS, _ROWS = 560, 112  # pixels
_FLOOR = -80.0  # dB
_MAX_FREQUENCY = 16000.0
_TICKS = (200, 1000, 4000, 10000)


@dataclass
class Clip:
    """One player: a mixture, a reference or an estimate.

    Attributes:
        audio (bytes): MP3 or OGG.
        mime (str): Which of them.
        image (bytes): WebP.
        seconds (float): Length.
        silent (bool): Whether there is nothing to hear.
    """

    audio: bytes
    mime: str
    image: bytes
    seconds: float
    silent: bool


@dataclass
class Excerpt:
    """What a page shows of a track.

    Attributes:
        clips (dict): ``["mixture" | "references" | "estimates"][source]`` to Clip; the source of
            the mixture is None.
        start, seconds, total (float): Where it is in the track, seconds.
        sample_rate, channels (int): Of the first file.
        ticks (list): (label, fraction of the height) of the frequency axis of all images.
    """

    clips: dict
    start: float
    seconds: float
    total: float
    sample_rate: int
    channels: int
    ticks: list

    @property
    def n_bytes(self):
        """What it adds to a page, about."""
        clips = [clip for kind in self.clips.values() for clip in kind.values()]
        return sum(4 * (len(c.audio) + len(c.image)) // 3 + 800 for c in clips)


def make_excerpt(track, seconds):
    """Takes the part of a track in which all sources play, and makes its clips.

    Levels stay as they are relative to each other; a track that would clip is turned down.

    Args:
        track (Track): Files.
        seconds (float): Length wanted.

    Returns:
        tuple: Excerpt, or None if no file can be read; list of str: what cannot, and why.
    """
    problems, infos = [], {}
    groups = {
        **({("mixture", None): track.mixture} if track.mixture else {}),
        **{("references", name): [path] for name, path in track.references.items()},
        **{("estimates", name): [path] for name, path in track.estimates.items()},
    }
    for where, paths in list(groups.items()):
        try:
            infos[where] = [audio_info(path) for path in paths]
        except (ValueError, OSError) as error:
            problems.append(f"{track.name}: {' '.join(str(error).split())}")
            del groups[where]
    if not groups:
        return None, problems
    total = min(info.seconds for found in infos.values() for info in found)
    start = _start(track, groups, total, seconds) if total > seconds else 0.0
    wavs = {}
    for where, paths in groups.items():
        try:
            wavs[where] = _load(paths, infos[where], start, min(seconds, total))
        except (ValueError, OSError) as error:
            problems.append(f"{track.name}: {' '.join(str(error).split())}")
    if not wavs:
        return None, problems
    info = next(iter(infos.values()))[0]
    clips = {"mixture": {}, "references": {}, "estimates": {}}
    top = min(_MAX_FREQUENCY, max(rate for _, rate in wavs.values()) / 2)
    spectra = {where: _spectrum(wav, rate, top) for where, (wav, rate) in wavs.items()}
    loudest = max(spectrum.max() for spectrum in spectra.values())
    gain = 1 / max(1.0, *(np.abs(wav).max() for wav, _ in wavs.values()))
    for where, (wav, rate) in wavs.items():
        audio, mime = _encode(gain * wav, rate)
        image = _image(spectra[where], loudest)
        clip = Clip(audio, mime, image, wav.shape[1] / rate, not wav.any())
        clips[where[0]][where[1]] = clip
    shown = min(seconds, total)
    excerpt = Excerpt(clips, start, shown, total, info.sample_rate, info.channels, _ticks(top))
    return excerpt, problems


def _start(track, groups, total, seconds):
    """Where the quietest source is loudest, in seconds: there is most to be heard."""
    kind = next(k for k in ("references", "estimates", "mixture") if any(k in g for g in groups))
    n_blocks, length = int(total / _BLOCK), round(seconds / _BLOCK)
    levels = []
    for where, paths in groups.items():
        if where[0] != kind:
            continue
        try:
            wav, rate = load_audio(paths[0])
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


def _load(paths, infos, start, seconds):
    """The sum of some files at a rate that the codec takes."""
    own = infos[0].sample_rate
    rate = own if own in _RATES else max((r for r in _RATES if r <= own), default=_RATES[0])
    parts = []
    for path, info in zip(paths, infos, strict=True):
        length = -(-info.frames * rate // info.sample_rate)
        first = min(round(start * rate), length - 1)
        frames = min(max(1, round(seconds * rate)), length - first)
        parts.append(load_audio(path, rate, first, frames)[0].numpy())
    n_channels = {part.shape[0] for part in parts}
    if n_channels not in ({1}, {2}):
        parts = [part.mean(0, keepdims=True) for part in parts]
    shortest = min(part.shape[1] for part in parts)
    return sum(part[:, :shortest] for part in parts), rate


def _encode(wav, rate):
    kind = next(name for name in _CODECS if name in sf.available_formats())
    subtype, mime = _CODECS[kind]
    content = io.BytesIO()
    with sf.SoundFile(content, "w", rate, len(wav), subtype, None, kind) as file:
        # In blocks: libvorbis overflows the stack on minutes of audio at once.
        for begin in range(0, wav.shape[1], 2**16):
            file.write(wav.T[begin : begin + 2**16])
    return content.getvalue(), mime


def _spectrum(wav, rate, top):
    """Power (rows, columns), even on the mel scale, from 0 Hz up to ``top``."""
    n_fft = 2 ** round(np.log2(0.09 * rate))
    padded = torch.nn.functional.pad(torch.from_numpy(wav), (n_fft // 2, n_fft // 2))
    spectra = torch.stft(
        *(padded, n_fft, n_fft // 8),
        window=torch.hann_window(n_fft),
        center=False,
        return_complex=True,
    )
    power = spectra.abs().square().double().mean(0).numpy()
    # Boxes of any size and place are differences of the integral: no bin is skipped or empty.
    frequencies = np.linspace(0, _mel(top), _ROWS + 1)
    rows = 700 * (10 ** (frequencies / 2595) - 1) / (rate / n_fft)
    columns = np.linspace(0, power.shape[1], _COLUMNS + 1)
    return _boxes(_boxes(power, rows).T, columns).T


def _boxes(values, edges):
    """Means of (n, ...) between edges on its first axis, which need not be whole numbers."""
    integral = np.concatenate([np.zeros_like(values[:1]), values.cumsum(0)])
    edges = np.clip(edges, 0, len(values))
    low = np.minimum(edges.astype(int), len(values) - 1)
    share = (edges - low)[:, None]
    at_edges = (1 - share) * integral[low] + share * integral[low + 1]
    widths = np.diff(edges)[:, None]
    return np.diff(at_edges, axis=0) / np.maximum(widths, 1e-9)


def _image(spectrum, loudest):
    from matplotlib import colormaps
    from matplotlib.image import imsave

    level = 10 * np.log10(np.maximum(spectrum, 1e-12) / max(loudest, 1e-12))
    shade = np.clip(1 - level / _FLOOR, 0, 1)
    pixels = colormaps["magma"](shade[::-1], bytes=True)[..., :3]
    content = io.BytesIO()
    imsave(content, pixels, format="webp", pil_kwargs={"quality": 75, "method": 4})
    return content.getvalue()


def _mel(frequency):
    return 2595 * np.log10(1 + frequency / 700)


def _ticks(top):
    shown = [tick for tick in _TICKS if _mel(tick) < 0.93 * _mel(top)]
    labels = [f"{tick // 1000} kHz" if tick >= 1000 else f"{tick} Hz" for tick in shown]
    return [(label, float(_mel(t) / _mel(top))) for label, t in zip(labels, shown, strict=True)]
