"""Random pieces of solo recordings, to train priors and encoders on.

An item is a function of (seed, epoch, index) alone: a run that stops and resumes, or that has other
workers, sees the same data.
"""

import numpy as np
import torch
from torch.utils.data import Dataset

from .augment import change_speed, equalise
from .recordings import Recordings, find_solos, list_sources

DITHER_STEP = 1 / 32768


class _EpochDataset(Dataset):
    def __init__(self, segment, sample_rate, seed):
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
        # Shared memory, so that workers that outlive an epoch hear of the next.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def epoch(self):
        """Number of the epoch that items are drawn for."""
        return int(self._epoch)

    def set_epoch(self, epoch):
        """Chooses the epoch that items are drawn for.

        Args:
            epoch (int): From 0; the same number gives the same items.
        """
        if epoch < 0:
            raise ValueError(f"epoch must not be negative, got {epoch}")
        self._epoch[0] = epoch

    def _rng(self, index, epoch):
        if not 0 <= index < len(self):
            raise IndexError(f"index must be 0 to {len(self) - 1}, got {index}")
        return np.random.default_rng([self.seed, epoch, index])


class SoloDataset(_EpochDataset):
    """Pieces of the solo recordings of one source.

    Args:
        root (str, Path or list of them, optional): Folders searched with ``find_solos``.
        source (str, optional): Name of the source in them.
        segment (float): Length of a piece in seconds.
        sample_rate (int): In Hz; recordings are mixed to mono and resampled.
        n_items (int, optional): Pieces in an epoch; as many as the recordings are long by default.
        silence_db (float): Pieces of a lower RMS (dB of full scale) are not taken.
        dither (bool): Whether to add uniform noise of [0, 1) 16-bit steps, as the paper does.
        gain_db (tuple): Range of a random gain in dB.
        seed (int): Seed of the pieces, gains and dither.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes; the rest is read from disk.
        short (str): What fills recordings shorter than a piece: ``"zero"`` or ``"loop"``.
        min_seconds (float): Shorter recordings are left out.
        random (bool): False walks through consecutive pieces instead, the same in every epoch.
        files (list, optional): Paths or ``Solo`` tuples to take, instead of root and source.
        progress (bool): Whether a bar shows the decoding.

    Shape:
        - Item: (time,), float32.

    Raises:
        FileNotFoundError: If a root does not exist.
        ValueError: If there are no recordings, only silence, or an option is out of range.

    Examples
        >>> dataset = SoloDataset("musdb18hq/train", "bass", segment=7.0)  # doctest: +SKIP
    """

    def __init__(
        self,
        root=None,
        source=None,
        segment=2.0,
        sample_rate=22050,
        n_items=None,
        silence_db=-50.0,
        dither=True,
        gain_db=(0.0, 0.0),
        seed=0,
        cache_gb=2.0,
        short="zero",
        min_seconds=0.1,
        random=True,
        files=None,
        progress=True,
    ):
        super().__init__(segment, sample_rate, seed)
        if (files is None) == (root is None or source is None):
            raise ValueError("either root and source or files must be given, got neither or both")
        if files is None:
            files = [path for one in _as_list(root) for path in find_solos(one, source)]
        self.silence_db = silence_db
        self.dither = dither
        self.gain_db = _check_range("gain_db", gain_db)
        self.random = random
        self.recordings = Recordings(
            files, sample_rate, cache_gb, min_seconds, short, progress=progress
        )
        if random:
            self._segments = None
            available = max(1, int(self.recordings.seconds / segment))
        else:
            self._segments = self.recordings.segments(self.length, silence_db)
            available = len(self._segments)
        self._n_items = available if n_items is None else n_items
        if self._n_items < 1 or (not random and self._n_items > available):
            raise ValueError(
                f"n_items must be positive and, without random, at most {available}, got {n_items}"
            )

    def __len__(self):
        return self._n_items

    def __getitem__(self, index):
        rng = self._rng(index, self.epoch if self.random else 0)
        if self.random:
            wav = self.recordings.draw(rng, self.length, self.silence_db)
        else:
            wav = self.recordings.read(*self._segments[index], self.length)
        wav = wav * _gain(rng, self.gain_db)
        if self.dither:
            wav = wav + rng.random(self.length, dtype=np.float32) * np.float32(DITHER_STEP)
        return torch.from_numpy(wav)


class MixDataset(_EpochDataset):
    """Pairs of one source and a background of others, to train an encoder on.

    The target is a piece of the source's own solos; the background is mostly a band (a piece of the
    solos of every other source), else one to ``n_max`` pieces of any others, also several of one.
    All come from different places, songs and keys, each with a gain, polarity, speed and, with
    ``eq_db``, an equaliser of its own.

    Args:
        root (str, Path or list of them): Folders of recordings.
        source (str): Name of the target.
        others (list of str, optional): Names for the background; by default all others there are.
        segment (float): Length of a piece in seconds.
        sample_rate (int): In Hz.
        n_items (int): Pairs in an epoch.
        n_max (int): Most pieces in a background that is no band.
        p_band (float): Chance of a band.
        p_speed (float): Chance that a piece is played faster or slower.
        speed (float): Largest change of speed, as a natural logarithm (0.16: 17 %).
        eq_db (float): Spread of a random equaliser, dB; 0 for none.
        gain_db (tuple): Range of the random gains in dB.
        p_silent (tuple): Chances of an empty target and of an empty background (never both).
        silence_db (float): Pieces of a lower RMS (dB of full scale) are not taken.
        seed (int): Seed of the pieces and gains.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes; the rest is read from disk.
        short (str): What fills recordings shorter than a piece: ``"zero"`` or ``"loop"``.
        min_seconds (float): Shorter recordings are left out.
        files (dict, optional): Recordings by source name (the target's too), instead of root.
        progress (bool): Whether a bar shows the decoding.

    Shape:
        - Item: target (time,), background (time,), both float32.

    Raises:
        FileNotFoundError: If a root does not exist.
        ValueError: If recordings are missing or an option is out of range.

    Examples
        >>> dataset = MixDataset("musdb18hq/train", "bass", n_max=3)  # doctest: +SKIP
    """

    def __init__(
        self,
        root=None,
        source=None,
        others=None,
        segment=2.0,
        sample_rate=22050,
        n_items=1000,
        n_max=4,
        gain_db=(-6.0, 6.0),
        p_band=0.8,
        p_speed=0.5,
        speed=0.16,
        eq_db=0.0,
        p_silent=(0.02, 0.02),
        silence_db=-50.0,
        seed=0,
        cache_gb=2.0,
        short="zero",
        min_seconds=0.1,
        files=None,
        progress=True,
    ):
        super().__init__(segment, sample_rate, seed)
        if source is None or (files is None) == (root is None):
            raise ValueError("source and either root or files must be given")
        if n_items < 1 or n_max < 1:
            raise ValueError(f"n_items and n_max must be positive, got {n_items} and {n_max}")
        if min(p_silent) < 0 or sum(p_silent) > 1:
            raise ValueError(f"p_silent must be two chances of a sum up to 1, got {p_silent}")
        files = _files_by_source(root, source, others) if files is None else files
        if source not in files or len(files) < 2:
            raise ValueError(
                f"files must hold {source!r} and at least one other source, got {sorted(files)}"
            )
        self.source = source
        self.others = sorted(files.keys() - {source})
        self.n_max = n_max
        self.gain_db = _check_range("gain_db", gain_db)
        self.p_silent = tuple(p_silent)
        self.p_band, self.p_speed, self.speed, self.eq_db = p_band, p_speed, speed, eq_db
        self.silence_db = silence_db
        self._n_items = n_items
        self.recordings = {}
        for name in [source, *self.others]:
            found = Recordings(files[name], sample_rate, cache_gb, min_seconds, short, progress)
            self.recordings[name] = found
            cache_gb -= found.cache_bytes / 1e9

    def __len__(self):
        return self._n_items

    def __getitem__(self, index):
        rng = self._rng(index, self.epoch)
        chance = rng.random()
        target, background = np.zeros((2, self.length), np.float32)
        if chance >= self.p_silent[0]:
            target += self._piece(self.source, rng)
        if not self.p_silent[0] <= chance < sum(self.p_silent):
            for name in self._band(rng):
                background += self._piece(name, rng)
        return torch.from_numpy(target), torch.from_numpy(background)

    def _band(self, rng):
        if rng.random() < self.p_band:
            return self.others
        return rng.choice(self.others, rng.integers(1, self.n_max + 1)).tolist()

    def _piece(self, name, rng):
        rate = 1.0
        if rng.random() < self.p_speed:
            rate = float(np.exp(rng.uniform(-self.speed, self.speed)))
        n = self.length if rate == 1.0 else int(self.length * rate) + 2
        wav = self.recordings[name].draw(rng, n, self.silence_db)
        if rate != 1.0:
            wav = change_speed(wav, rate, self.length)
        if self.eq_db > 0:
            wav = equalise(wav, rng, self.sample_rate, self.eq_db)
        return wav * _gain(rng, self.gain_db) * np.float32(rng.choice([-1.0, 1.0]))


def _files_by_source(root, source, others):
    files = {}
    for one in _as_list(root):
        for name in [source, *(list_sources(one) if others is None else others)]:
            found = files.setdefault(name, [])
            found += [path for path in find_solos(one, name) if path not in found]
    return files


def _gain(rng, gain_db):
    return np.float32(10 ** (rng.uniform(*gain_db) / 20))


def _check_range(name, bounds):
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise ValueError(f"{name} must be a range (lowest, highest) in dB, got {bounds}")
    return tuple(bounds)


def _as_list(root):
    return list(root) if isinstance(root, (list, tuple)) else [root]
