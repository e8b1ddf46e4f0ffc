"""Random pieces of solo recordings, to train priors on.

An item depends only on (seed, epoch, index), so that a resumed run, or one with other workers, sees
the same data.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .folders import Data, Solo, find_by_source
from .recordings import MIN_SECONDS, SILENCE_DB, Recordings

DITHER_STEP = 1 / 32768


class EpochDataset(Dataset):
    """Base class: items are drawn anew in every epoch.

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
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        self.segment = segment
        self.sample_rate = sample_rate
        self.seed = seed
        self.length = round(segment * sample_rate)
        # In shared memory: workers that live for several epochs read it.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """Number of the epoch that items are drawn for."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that items are drawn for.

        Args:
            epoch (int): From 0; the same number gives the same items.
        """
        if epoch < 0:
            raise ValueError(f"epoch must not be negative, got {epoch}")
        self._epoch[0] = epoch

    def _rng(self, index: int, epoch: int) -> np.random.Generator:
        n_items = len(self)  # type: ignore[arg-type]
        if not 0 <= index < n_items:
            raise IndexError(f"index must be 0 to {n_items - 1}, got {index}")
        return np.random.default_rng([self.seed, epoch, index])


class SoloDataset(EpochDataset):
    """Pieces of the solo recordings of one source.

    Args:
        root (str, Path, list or dict): Folders of recordings, see :func:`as_folders`.
        source (str): Name of the source in them.
        segment (float): Length of a piece in seconds.
        sample_rate (int): Sample rate in Hz; recordings are mixed to mono and resampled.
        n_items (int, optional): Number of pieces in an epoch; by default as many as the recordings
            are long.
        silence_db (float): Pieces of a lower RMS (dB of full scale) are drawn again.
        dither (bool): Whether to add uniform noise of [0, 1) 16-bit steps, as the paper does.
        gain_db (tuple): Range of a random gain in dB.
        seed (int): Random seed of the pieces, gains and dither.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes; the rest is read from disk.
        short (str): Filling of recordings shorter than a piece: ``"zero"`` or ``"loop"``.
        min_seconds (float): Recordings shorter than this are left out.
        random (bool): False gives consecutive pieces instead, the same in every epoch.
        files (list): Paths or ``Solo`` tuples, in place of root and source.
        progress (bool): Whether a bar shows the decoding.

    Shape:
        - Item: (time,), float32.

    Raises:
        FileNotFoundError: If a root does not exist.
        ValueError: If there are no recordings, only silence, or an option is out of range.

    Examples:
        >>> dataset = SoloDataset("solos", "bass", segment=1.0)
        >>> len(dataset) > 0
        True
    """

    def __init__(
        self,
        root: Data | None = None,
        source: str | None = None,
        segment: float = 2.0,
        sample_rate: int = 22050,
        n_items: int | None = None,
        silence_db: float = SILENCE_DB,
        dither: bool = True,
        gain_db: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
        cache_gb: float = 2.0,
        short: str = "zero",
        min_seconds: float = MIN_SECONDS,
        random: bool = True,
        files: Iterable[str | Path | Solo] | None = None,
        progress: bool = True,
    ):
        super().__init__(segment, sample_rate, seed)
        if (files is None) == (root is None or source is None):
            raise ValueError("either root and source or files must be given, got neither or both")
        if files is None:
            named: Any = source
            files = find_by_source([named], root or ())[named]
        self.silence_db = silence_db
        self.dither = dither
        self.gain_db = check_range("gain_db", gain_db)
        self.random = random
        self.recordings = Recordings(
            files, sample_rate, cache_gb, min_seconds, short, progress=progress
        )
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
        rng = self._rng(index, self.epoch if self.random else 0)
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
