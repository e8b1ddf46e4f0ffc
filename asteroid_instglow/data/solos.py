"""Random pieces of solo recordings, to train priors on.

An item depends only on (seed, index), so that a resumed run, or one with other workers, sees the
same data.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..utils.checks import check_whole
from .folders import Solo
from .recordings import SILENCE_DB, Recordings

DITHER_STEP = 1 / 32768


class SeededDataset(Dataset):
    """Base class: item i is drawn from a random generator of its own.

    Args:
        segment (float): Length of an item in seconds.
        sample_rate (int): Sample rate in Hz.
        seed (int): Random seed.
    """

    def __init__(self, segment: float, sample_rate: int, seed: int):
        if round(segment * sample_rate) < 1:
            raise ValueError(
                f"segment must be at least one frame, got {segment} s at {sample_rate} Hz"
            )
        check_whole("seed", seed, 0)
        self.seed = seed
        self.length = round(segment * sample_rate)

    def _rng(self, index: int) -> np.random.Generator:
        n_items = len(self)  # type: ignore[arg-type]
        if not 0 <= index < n_items:
            raise IndexError(f"index must be 0 to {n_items - 1}, got {index}")
        # The zero was the number of the epoch: the items of earlier versions stay what they were.
        return np.random.default_rng([self.seed, 0, index])


class SoloDataset(SeededDataset):
    """Pieces of the solo recordings of one source.

    Args:
        files (list): Recordings, paths or ``Solo`` tuples.
        segment (float): Length of a piece in seconds.
        sample_rate (int): Sample rate in Hz; recordings are mixed to mono and resampled.
        n_items (int, optional): Number of pieces; by default as many as the recordings are long.
        silence_db (float): Pieces of a lower RMS (dB of full scale) are drawn again.
        dither (bool): Whether to add uniform noise of [0, 1) 16-bit steps, as the paper does.
        gain_db (tuple): Range of a random gain in dB.
        seed (int): Random seed of the pieces, gains and dither.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes; the rest is read from disk.
        random (bool): False gives consecutive pieces instead.
        progress (bool): Whether a bar shows the decoding.

    Shape:
        - Item: (time,), float32.

    Raises:
        ValueError: If there are no recordings, only silence, or an option is out of range.

    Examples:
        >>> from asteroid_instglow.data import find_solos
        >>> dataset = SoloDataset(find_solos("solos", "bass"), segment=1.0)
        >>> len(dataset) > 0
        True
    """

    def __init__(
        self,
        files: Iterable[str | Path | Solo],
        segment: float = 2.0,
        sample_rate: int = 22050,
        n_items: int | None = None,
        silence_db: float = SILENCE_DB,
        dither: bool = True,
        gain_db: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
        cache_gb: float = 2.0,
        random: bool = True,
        progress: bool = True,
    ):
        super().__init__(segment, sample_rate, seed)
        self.silence_db = silence_db
        self.dither = dither
        self.gain_db = check_range("gain_db", gain_db)
        self.random = random
        self.recordings = Recordings(files, sample_rate, cache_gb, progress)
        if random:
            self._segments: Any = None
            available = max(1, int(self.recordings.seconds / segment))
        else:
            self._segments = self.recordings.segments(self.length, silence_db)
            available = len(self._segments)
        self._n_items = available if n_items is None else n_items
        if self._n_items < 1 or (not random and self._n_items > available):
            raise ValueError(
                f"n_items must be positive and, without random, at most {available}, got {n_items}"
            )

    def __len__(self) -> int:
        return self._n_items

    def __getitem__(self, index: int) -> torch.Tensor:
        rng = self._rng(index)
        if self.random:
            wav = self.recordings.draw(rng, self.length, self.silence_db)
        else:
            number, start = self._segments[index]
            wav = self.recordings.read(number, start, self.length)
        wav = wav * draw_gain(rng, self.gain_db)
        if self.dither:
            wav = wav + rng.random(self.length, dtype=np.float32) * np.float32(DITHER_STEP)
        return torch.from_numpy(wav)


def draw_gain(rng: np.random.Generator, gain_db: tuple[float, float]) -> np.float32:
    """Draws a factor from a range in dB."""
    return np.float32(10 ** (rng.uniform(*gain_db) / 20))


def check_range(name: str, bounds: tuple[float, float]) -> tuple[float, float]:
    """Raises ValueError if two bounds are not a range, else returns them."""
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise ValueError(f"{name} must be a range (lowest, highest) in dB, got {bounds}")
    low, high = bounds
    return low, high
