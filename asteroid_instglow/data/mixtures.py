"""Random mixtures of solos: of one source against the others, or of all sources at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..utils.checks import check_between, check_whole
from .effects import change_speed
from .folders import Solo
from .recordings import SILENCE_DB, Recordings, rms_db
from .solos import SeededDataset, check_range, draw_gain

MAX_PIECES = 1000  # of one source in a mixture
_MAX_TRIES = 20


class MixtureDataset(SeededDataset):
    """Base class: varied pieces of the solos of several sources; subclasses add them up.

    Args:
        files (dict): Recordings (paths or ``Solo`` tuples) by source.
        segment (float): Length of a piece in seconds.
        sample_rate (int): Sample rate in Hz.
        n_items (int): Number of mixtures.
        p_speed (float): Chance that a piece is played faster or slower.
        semitones (int): Largest change of pitch by that; it is always by whole semitones, for music
            is in tune.
        gain_db (tuple): Range of the random gains in dB.
        silence_db (float): Pieces of a lower RMS (dB of full scale) are drawn again.
        seed (int): Random seed.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes; the rest is read from disk.
        progress (bool): Whether a bar shows the decoding.
    """

    def __init__(
        self,
        files: Mapping[str, Iterable[str | Path | Solo]],
        segment: float = 2.0,
        sample_rate: int = 22050,
        n_items: int = 1000,
        p_speed: float = 0.5,
        semitones: int = 2,
        gain_db: tuple[float, float] = (-3.0, 3.0),
        silence_db: float = SILENCE_DB,
        seed: int = 0,
        cache_gb: float = 4.0,
        progress: bool = True,
    ):
        super().__init__(segment, sample_rate, seed)
        if not files or n_items < 1:
            raise ValueError(
                f"files must name a source and n_items be positive, got {list(files)} and {n_items}"
            )
        check_between("p_speed", p_speed, 0, 1)
        if semitones < 1:
            raise ValueError(f"semitones must be 1 or more (p_speed=0 for none), got {semitones}")
        self.p_speed, self.semitones = p_speed, semitones
        self.gain_db = check_range("gain_db", gain_db)
        self.silence_db = silence_db
        self._n_items = n_items
        self.recordings = {}
        for name, found in files.items():
            self.recordings[name] = Recordings(found, sample_rate, cache_gb, progress=progress)
            cache_gb -= self.recordings[name].cache_bytes / 1e9

    def __len__(self) -> int:
        return self._n_items

    def _piece(self, name: str, rng: np.random.Generator) -> np.ndarray:
        rate = 1.0
        if rng.random() < self.p_speed:
            rate = 2 ** (int(rng.choice([-1, 1]) * rng.integers(1, self.semitones + 1)) / 12)
        n = self.length if rate == 1.0 else int(self.length * rate) + 2
        wav = self.recordings[name].draw(rng, n, self.silence_db)
        if rate != 1.0:
            wav = change_speed(wav, rate, self.length)
        return wav * draw_gain(rng, self.gain_db) * np.float32(rng.choice([-1.0, 1.0]))


class MixDataset(MixtureDataset):
    """Pairs of one source and a background of others, to train an encoder on.

    The target is a piece of the source's own solos; the background is mostly a band (a piece of the
    solos of every other source), else one to ``n_max`` pieces of any others, also several of one.
    All come from different places, songs and keys.

    Args:
        files (dict): Recordings (paths or ``Solo`` tuples) by source, the target's too.
        source (str): Name of the target.
        n_max (int): Largest number of pieces in a background that is no band.
        p_band (float): Chance that the background is a band.
        p_silent (tuple): Chances of an empty target and of an empty background (never both).
        **options: Arguments of :class:`MixtureDataset`.

    Shape:
        - Item: (2, time), target and background, float32.

    Raises:
        ValueError: If recordings are missing or an option is out of range.

    Examples:
        >>> from asteroid_instglow.data import find_by_source
        >>> files = find_by_source(["bass", "drums"], "solos")
        >>> dataset = MixDataset(files, "bass", n_max=3, segment=1.0)
        >>> len(dataset) > 0
        True
    """

    def __init__(
        self,
        files: Mapping[str, Iterable[str | Path | Solo]],
        source: str,
        n_max: int = 4,
        p_band: float = 0.8,
        p_silent: tuple[float, float] = (0.02, 0.02),
        **options: Any,
    ):
        check_whole("n_max", n_max, 1, MAX_PIECES)
        if min(p_silent) < 0 or sum(p_silent) > 1:
            raise ValueError(f"p_silent must be two chances of a sum up to 1, got {p_silent}")
        if source not in files or len(files) < 2:
            raise ValueError(
                f"files must hold {source!r} and at least one other source, got {sorted(files)}"
            )
        self.source = source
        self.others = sorted(files.keys() - {source})
        self.n_max, self.p_band, self.p_silent = n_max, p_band, tuple(p_silent)
        super().__init__({name: files[name] for name in [source, *self.others]}, **options)

    def __getitem__(self, index: int) -> torch.Tensor:
        rng = self._rng(index)
        chance = rng.random()
        out = np.zeros((2, self.length), np.float32)
        if chance >= self.p_silent[0]:
            out[0] += self._piece(self.source, rng)
        if not self.p_silent[0] <= chance < sum(self.p_silent):
            for name in self._band(rng):
                out[1] += self._piece(name, rng)
        return torch.from_numpy(out)

    def _band(self, rng: np.random.Generator) -> list[str]:
        if rng.random() < self.p_band:
            return self.others
        return rng.choice(self.others, rng.integers(1, self.n_max + 1)).tolist()


class RandomMixtureDataset(MixtureDataset):
    """Random mixtures of all sources, and real ones of songs whose stems are all there.

    A random mixture adds a piece of each source, each from another place, song and key. A real one
    takes the stems of one song as they sound together, where a folder has a recording of every
    source, all of one length (``<track>/<source>.flac``).

    Args:
        files (dict): Recordings (paths or ``Solo`` tuples) by source, in the order of the output.
        p_real (float): Chance of a real mixture; without such songs all are random.
        p_silent (float): Chance that a source is silent in a random mixture; one always sounds.
        n_max (int | dict): Largest number of pieces of one source that sound together in a random
            mixture, two guitars say; the number is drawn evenly from 1 up. A dict gives it by
            source, 1 for those that it lacks.
        **options: Arguments of :class:`MixtureDataset`; they vary the pieces of random mixtures
            only.

    Shape:
        - Item: (n_src, time), float32.

    Raises:
        ValueError: If there are no sources, or an option is out of range.

    Examples:
        >>> files = {"bass": ["solos/song/bass.wav"], "drums": ["solos/song/drums.wav"]}
        >>> dataset = RandomMixtureDataset(files, segment=1.0)
    """

    def __init__(
        self,
        files: Mapping[str, Iterable[str | Path | Solo]],
        p_real: float = 0.5,
        p_silent: float = 0.05,
        n_max: int | dict[str, int] = 1,
        **options: Any,
    ):
        check_between("p_real", p_real, 0, 1)
        check_between("p_silent", p_silent, 0, 1)
        super().__init__(files, **options)
        self.sources = list(files)
        given = n_max if isinstance(n_max, dict) else dict.fromkeys(self.sources, n_max)
        self.n_max = {name: given.get(name, 1) for name in self.sources}
        if given.keys() - self.n_max.keys():
            raise ValueError(f"n_max must be for sources that there are, got {n_max}")
        for n in self.n_max.values():
            check_whole("n_max", n, 1, MAX_PIECES)
        self.p_real, self.p_silent = p_real, p_silent
        self.songs = _songs(self.recordings.values())

    def __getitem__(self, index: int) -> torch.Tensor:
        rng = self._rng(index)
        is_real = rng.random() < self.p_real and self.songs
        return torch.from_numpy(self._real(rng) if is_real else self._random(rng))

    def _real(self, rng: np.random.Generator) -> np.ndarray:
        for _ in range(_MAX_TRIES):
            song = self.songs[int(rng.integers(len(self.songs)))]
            readers = list(zip(self.recordings.values(), song))
            last = readers[0][0].lengths[song[0]] - self.length
            start = int(rng.integers(max(1, last + 1)))
            stems = np.stack([r.read(i, start, self.length) for r, i in readers])
            if rms_db(stems.sum(0)) >= self.silence_db:
                break
        return stems

    def _random(self, rng: np.random.Generator) -> np.ndarray:
        out = np.zeros((len(self.sources), self.length), np.float32)
        heard = rng.random(len(self.sources)) >= self.p_silent
        heard[int(rng.integers(len(heard)))] = True
        for k in np.flatnonzero(heard):
            name = self.sources[k]
            n_pieces = int(rng.integers(self.n_max[name])) if self.n_max[name] > 1 else 0
            for _ in range(1 + n_pieces):
                out[k] += self._piece(name, rng)
        return out


def _songs(recordings: Iterable[Recordings]) -> list[tuple[int, ...]]:
    # For each song that has all sources, the number of its recording of each.
    places = [
        {
            (solo.path.parent, solo.start, n): i
            for i, (solo, n) in enumerate(zip(r.solos, r.lengths))
        }
        for r in recordings
    ]
    whole = [song for song in places[0] if all(song in place for place in places)]
    return [tuple(place[song] for place in places) for song in whole]
