"""Reads random and consecutive pieces of the solo recordings of one source."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..audio.io import audio_info, load_audio
from .folders import Solo, as_solo

MIN_SECONDS = 0.1  # recordings shorter than this are left out
SILENCE_DB = -50.0
_MAX_TRIES = 100


class Recordings:
    """Recordings of one source as mono audio at one rate, in memory as far as they fit.

    What fits is decoded once, to 16 bits and a power-of-two scale (lossless for 16-bit files at
    their own rate); the rest is read from disk piece by piece.

    Args:
        files (list): Paths or ``Solo`` tuples.
        sample_rate (int): Sample rate in Hz.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes.
        progress (bool): Whether a bar shows the decoding.

    Raises:
        ValueError: If no recording is long enough, or a file cannot be read.
    """

    def __init__(
        self,
        files: Iterable[str | Path | Solo],
        sample_rate: int,
        cache_gb: float = 2.0,
        progress: bool = True,
    ):
        self.sample_rate, self.cache_bytes = sample_rate, 0
        self.solos: list[Solo] = []
        self.lengths: list[int] = []
        self._offsets: list[int] = []
        self._cache: list = []
        self._audible: dict = {}
        files = [as_solo(file) for file in files]
        for solo in tqdm(files, "reading recordings", unit="file", disable=not progress):
            self._add(solo, cache_gb * 1e9)
        if not self.solos:
            raise ValueError(
                f"files must hold a recording of at least {MIN_SECONDS} s, got {len(files)} shorter"
            )
        self._pools = _pools(self.solos, self.lengths)

    def _add(self, solo: Solo, limit: float) -> None:
        info = audio_info(solo.path)
        total = -(-info.frames * self.sample_rate // info.sample_rate)
        start = round(solo.start * self.sample_rate)
        stop = total if solo.stop is None else min(total, round(solo.stop * self.sample_rate))
        length = stop - start
        if length < max(1, MIN_SECONDS * self.sample_rate):
            return
        fits = self.cache_bytes + 2 * length <= limit
        self._cache.append(_to_int16(self._decode(solo.path, start, length)) if fits else None)
        self.cache_bytes += 2 * length * fits
        self.solos.append(solo)
        self.lengths.append(length)
        self._offsets.append(start)

    def _decode(self, path: Path, start: int, length: int) -> np.ndarray:
        return load_audio(path, self.sample_rate, start, length)[0].mean(0).numpy()

    def __len__(self) -> int:
        return len(self.solos)

    @property
    def seconds(self) -> float:
        """Length of all recordings together, in seconds."""
        return sum(self.lengths) / self.sample_rate

    def read(self, index: int, start: int, length: int) -> np.ndarray:
        """Reads a piece, filled with zeros where the recording ends.

        Args:
            index (int): Number of the recording.
            start (int): First frame.
            length (int): Number of frames.

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
        return piece if n_read == length else np.pad(piece, (0, length - n_read))

    def draw(self, rng: np.random.Generator, length: int, silence_db: float) -> np.ndarray:
        """Draws a piece that is not silent.

        A folder is drawn by its weight, then a moment in it, each as likely as any other.

        Args:
            rng (numpy.random.Generator): Source of randomness.
            length (int): Number of frames.
            silence_db (float): Pieces of a lower RMS, in dB of full scale, are drawn again.

        Returns:
            numpy.ndarray: float32 (length,).

        Raises:
            ValueError: If no piece is that loud.
        """
        for _ in range(_MAX_TRIES):
            pool = 0
            if len(self._pools) > 1:
                pool = bisect_right([weight for weight, *_ in self._pools], rng.random())
            _, indices, ends = self._pools[min(pool, len(self._pools) - 1)]
            index = indices[bisect_right(ends, int(rng.integers(ends[-1])))]
            start = int(rng.integers(max(1, self.lengths[index] - length + 1)))
            piece = self.read(index, start, length)
            if rms_db(piece) >= silence_db:
                return piece
        # Almost all is silence: search through the whole, once.
        audible = self.segments(length, silence_db)
        return self.read(*audible[int(rng.integers(len(audible)))], length)

    def segments(self, length: int, silence_db: float) -> list[tuple[int, int]]:
        """Lists consecutive pieces of all recordings, without the silent ones.

        The rest of a recording, too short for a piece, is left out, unless there is nothing else.

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


def can_be_heard(solo: Solo, sample_rate: int, segment: float) -> bool:
    """Tells whether a recording holds a piece that is not silent.

    Args:
        solo (Solo): The recording.
        sample_rate (int): Sample rate in Hz.
        segment (float): Length of a piece in seconds.

    Returns:
        bool: False if it is shorter than ``MIN_SECONDS``, or all below ``SILENCE_DB``.
    """
    try:
        recordings = Recordings([solo], sample_rate, progress=False)
        return bool(recordings.segments(round(segment * sample_rate), SILENCE_DB))
    except ValueError:
        return False


def rms_db(wav: np.ndarray) -> float:
    """Computes the root mean square of a (time,) array in dB of full scale, -inf for silence."""
    power = float(np.mean(np.square(wav, dtype=np.float64)))
    return 10 * math.log10(power) if power else -math.inf


def _pools(solos: list[Solo], lengths: list[int]) -> list[tuple[float, list[int], list[int]]]:
    # For each weighted folder, and for all others together: (the sum of the weights up to here,
    # numbers of the recordings, sums of their lengths).
    pools: dict[Any, list[int]] = {}
    for index, solo in enumerate(solos):
        folder = solo.folder if solo.folder and solo.folder.weight is not None else None
        pools.setdefault(folder, []).append(index)
    weights = [1.0 if folder is None else folder.weight for folder in pools]
    shares = accumulate(weight / sum(weights) for weight in weights)
    return [
        (share, indices, list(accumulate(lengths[index] for index in indices)))
        for share, indices in zip(shares, pools.values())
    ]


def _to_int16(wav: np.ndarray) -> tuple[np.ndarray, float]:
    # A power of two keeps 16-bit files exact, and spends no bits on what is quiet.
    peak = max(float(wav.max()) * 32768 / 32767, -float(wav.min()), 1e-30)
    scale = 2.0 ** math.ceil(math.log2(peak)) / 32768
    return np.clip(np.round(wav / scale), -32768, 32767).astype(np.int16), scale
