"""Solo recordings on disk: finding them, splitting them, and reading pieces of them.

Two layouts are understood, and may stand side by side:

- ``<root>/<source>/**/*.wav``: a folder for each source;
- ``<root>/<track>/<source>.flac``: a folder for each track, as in MUSDB18-HQ.
"""

import math
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ..audio.io import audio_info, load_audio
from ..utils.checks import check_one_of

SOLO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
# Tells the layouts apart where folders and files could each be the sources.
KNOWN_SOURCES = frozenset(
    "accompaniment bass drums guitar mixture other percussion piano strings vocals".split()
)
SHORT_MODES = ("zero", "loop")
_MAX_TRIES = 100


class Solo(NamedTuple):
    """A recording, or the part of it from ``start`` to ``stop`` seconds (None: to its end)."""

    path: Path
    start: float = 0.0
    stop: float | None = None


def as_list(root):
    """One folder or many, as a list."""
    return list(root) if isinstance(root, (list, tuple)) else [root]


def find_solos(root, source):
    """Finds the solo recordings of one source, in both layouts.

    Args:
        root (str, Path or list of them): Folders of recordings; not every one need have the source.
        source (str): Name of the source, such as ``"bass"``.

    Returns:
        list: Paths, sorted in each folder.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no recording of this source; the error names those there are.

    Examples
        >>> find_solos("musdb18hq/train", "vocals")  # doctest: +SKIP
    """
    roots, found = [_check_root(one) for one in as_list(root)], []
    for one in roots:
        inside = [path for path in (one / source).rglob("*") if _is_audio(path)]
        inside += [path for path in one.glob("*/*") if path.stem == source and _is_audio(path)]
        found += sorted(inside)
    if not found:
        there = sorted({name for one in roots for name in list_sources(one)})
        raise ValueError(
            f"source must be one that {', '.join(map(str, roots))} holds as <source>/*.wav or "
            f"<track>/<source>.wav ({', '.join(there) or 'no recordings at all'}), got {source!r}"
        )
    return list(dict.fromkeys(found))


def list_sources(root):
    """Names the sources in a folder of recordings; a ``mixture`` is none.

    Where the names leave open which layout it is, it is that with fewer: few sources, many tracks.

    Args:
        root (str or Path): Folder of recordings.

    Returns:
        list: Names, sorted.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    root = _check_root(root)
    folders, stems = set(), set()
    for folder in root.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            inside = {path.stem for path in folder.glob("*") if _is_audio(path)}
            stems.update(inside)
            if inside or any(_is_audio(path) for path in folder.rglob("*")):
                folders.add(folder.name)
    known_folders, known_stems = folders & KNOWN_SOURCES, stems & KNOWN_SOURCES
    if known_folders and known_stems:
        found = known_folders | known_stems
    elif known_folders or known_stems:
        found = folders if known_folders else stems
    else:
        found = stems if len(stems) < len(folders) else folders
    return sorted(found - {"mixture"})


def validation_split(files, fraction=0.1, seed=0):
    """Sets recordings aside for validation: whole ones, or the end of the only one.

    Sources recorded on the same tracks (``<track>/<source>.flac``) lose the same tracks.

    Args:
        files (list): Paths or ``Solo`` tuples.
        fraction (float): Share for validation, in [0, 1); at least one recording unless 0.
        seed (int): Which of them.

    Returns:
        tuple: Training and validation recordings, two lists of ``Solo``.

    Raises:
        ValueError: If there are no files, or the fraction is out of range.

    Examples
        >>> train, validation = validation_split(["a.wav", "b.wav"], 0.5)
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction must lie in [0, 1), got {fraction}")
    solos = sorted(_as_solo(file) for file in files)
    if not solos:
        raise ValueError("files must hold at least one recording, got none")
    if fraction == 0:
        return solos, []
    if len(solos) == 1:
        path, start, stop = solos[0]
        stop = audio_info(path).seconds if stop is None else stop
        middle = stop - fraction * (stop - start)
        return [Solo(path, start, middle)], [Solo(path, middle, stop)]
    n_validation = min(max(1, round(fraction * len(solos))), len(solos) - 1)
    chosen = set(np.random.default_rng(seed).permutation(len(solos))[:n_validation].tolist())
    train = [solo for i, solo in enumerate(solos) if i not in chosen]
    return train, [solo for i, solo in enumerate(solos) if i in chosen]


class Recordings:
    """Recordings of one source as mono audio at one rate, in memory as far as they fit.

    What fits is decoded once, to 16 bits and a power-of-two scale (lossless for 16-bit files at
    their own rate); the rest is read from disk piece by piece.

    Args:
        files (list): Paths or ``Solo`` tuples.
        sample_rate (int): In Hz.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes.
        min_seconds (float): Shorter recordings are left out.
        short (str): What fills a piece longer than its recording: ``"zero"`` or ``"loop"``.
        progress (bool): Whether a bar shows the decoding.

    Raises:
        ValueError: If no recording is long enough, or a file cannot be read.
    """

    def __init__(
        self, files, sample_rate, cache_gb=2.0, min_seconds=0.1, short="zero", progress=True
    ):
        check_one_of("short", short, SHORT_MODES)
        self.sample_rate, self.short, self.cache_bytes = sample_rate, short, 0
        self.solos, self.lengths, self._offsets, self._cache, self._audible = [], [], [], [], {}
        files = [_as_solo(file) for file in files]
        for solo in tqdm(files, "reading recordings", unit="file", disable=not progress):
            self._add(solo, min_seconds, cache_gb * 1e9)
        if not self.solos:
            raise ValueError(
                f"files must hold a recording of at least {min_seconds} s, got {len(files)} shorter"
            )
        self._ends = list(accumulate(self.lengths))

    def _add(self, solo, min_seconds, limit):
        info = audio_info(solo.path)
        total = -(-info.frames * self.sample_rate // info.sample_rate)
        start = round(solo.start * self.sample_rate)
        stop = total if solo.stop is None else min(total, round(solo.stop * self.sample_rate))
        length = stop - start
        if length < max(1, min_seconds * self.sample_rate):
            return
        fits = self.cache_bytes + 2 * length <= limit
        self._cache.append(_to_int16(self._decode(solo.path, start, length)) if fits else None)
        self.cache_bytes += 2 * length * fits
        self.solos.append(solo)
        self.lengths.append(length)
        self._offsets.append(start)

    def _decode(self, path, start, length):
        return load_audio(path, self.sample_rate, start, length)[0].mean(0).numpy()

    def __len__(self):
        return len(self.solos)

    @property
    def seconds(self):
        """Length of all recordings together, in seconds."""
        return self._ends[-1] / self.sample_rate

    def read(self, index, start, length):
        """Reads a piece, filled up where the recording ends.

        Args:
            index (int): Which recording.
            start (int): First frame.
            length (int): Frames.

        Returns:
            numpy.ndarray: float32 (length,).
        """
        n_read = min(length, self.lengths[index] - start)
        if self._cache[index] is None:
            solo = self.solos[index]
            piece = self._decode(solo.path, self._offsets[index] + start, n_read)
        else:
            samples, scale = self._cache[index]
            piece = samples[start : start + n_read].astype(np.float32) * np.float32(scale)
        if n_read == length:
            return piece
        mode = "wrap" if self.short == "loop" else "constant"
        return np.pad(piece, (0, length - n_read), mode)

    def draw(self, rng, length, silence_db):
        """Draws a piece that is not silent, any moment being as likely as another.

        Args:
            rng (numpy.random.Generator): Where chance comes from.
            length (int): Frames.
            silence_db (float): Pieces of a lower RMS, in dB of full scale, are drawn again.

        Returns:
            numpy.ndarray: float32 (length,).

        Raises:
            ValueError: If no piece is that loud.
        """
        for _ in range(_MAX_TRIES):
            index = bisect_right(self._ends, int(rng.integers(self._ends[-1])))
            start = int(rng.integers(max(1, self.lengths[index] - length + 1)))
            piece = self.read(index, start, length)
            if rms_db(piece) >= silence_db:
                return piece
        # Almost all is silence: search through the whole, once.
        audible = self.segments(length, silence_db)
        return self.read(*audible[int(rng.integers(len(audible)))], length)

    def segments(self, length, silence_db):
        """Walks through the recordings in consecutive pieces, leaving out silent ones.

        The rest at the end of a recording that fills no piece is left out, unless it is all.

        Args:
            length (int): Frames of a piece.
            silence_db (float): Pieces of a lower RMS, in dB of full scale, are left out.

        Returns:
            list: (recording, first frame) of each piece.

        Raises:
            ValueError: If no piece is that loud.
        """
        key = (length, silence_db)
        if key not in self._audible:
            self._audible[key] = [
                (index, start)
                for index, total in enumerate(self.lengths)
                for start in range(0, max(1, total - length + 1), length)
                if rms_db(self.read(index, start, length)) >= silence_db
            ]
        if not self._audible[key]:
            raise ValueError(
                f"the recordings must hold {length / self.sample_rate:g} s of {silence_db} dB RMS "
                f"somewhere, got only silence in {len(self)} files ({self.solos[0].path}, ...)"
            )
        return self._audible[key]


def rms_db(wav):
    """Root mean square of a (time,) array in dB of full scale, -inf for digital silence."""
    power = float(np.mean(np.square(wav, dtype=np.float64)))
    return 10 * math.log10(power) if power else -math.inf


def _to_int16(wav):
    # A power of two keeps 16-bit files exact, and spends no bits on what is quiet.
    peak = max(float(wav.max()) * 32768 / 32767, -float(wav.min()), 1e-30)
    scale = 2.0 ** math.ceil(math.log2(peak)) / 32768
    return np.clip(np.round(wav / scale), -32768, 32767).astype(np.int16), scale


def _as_solo(file):
    return file if isinstance(file, Solo) else Solo(Path(file))


def _check_root(root):
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"root must be a folder of recordings, there is none at {root}")
    return root


def _is_audio(path):
    return path.suffix.lower() in SOLO_SUFFIXES and not path.name.startswith(".") and path.is_file()
