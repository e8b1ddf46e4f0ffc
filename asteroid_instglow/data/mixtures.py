"""Pieces of all sources at once, to train supervised separators on their sum."""

import numpy as np
import torch

from .augment import change_speed
from .base import _check_range, _EpochDataset, _gain
from .recordings import Recordings, rms_db

_MAX_TRIES = 20


class RandomMixtureDataset(_EpochDataset):
    """Random mixtures of solos, and real ones of songs whose stems are there.

    A random mixture has a piece of each source from another place, song and key, each with a gain,
    polarity and speed of its own. A real one has the stems of one song as they sound together: of
    the songs that have a recording of every source, of one length, in one folder
    (``<track>/<source>.flac``).

    Args:
        files (dict): Recordings (paths or ``Solo`` tuples) by source, in the order of the output.
        segment (float): Length of a piece in seconds.
        sample_rate (int): In Hz.
        n_items (int): Mixtures in an epoch.
        p_real (float): Chance of a real mixture; where there are no such songs, none is.
        p_silent (float): Chance of each source to be left out of a random mixture (not of all).
        p_speed (float): Chance that a piece of a random mixture is played faster or slower.
        speed (float): Largest change of speed, as a natural logarithm.
        gain_db (tuple): Range of the gains of the pieces of random mixtures, dB.
        silence_db (float): Pieces (real: sums) of a lower RMS, in dB of full scale, are not taken.
        seed (int): Seed of all that is random.
        cache_gb (float): Memory for decoded audio, in 1e9 bytes; the rest is read from disk.
        progress (bool): Whether a bar shows the decoding.

    Shape:
        - Item: (n_src, time), float32.

    Raises:
        ValueError: If there are no sources, or an option is out of range.

    Examples
        >>> files = {"bass": ["a/bass.wav"], "drums": ["a/drums.wav"]}
        >>> dataset = RandomMixtureDataset(files, segment=4.0)  # doctest: +SKIP
    """

    def __init__(
        self,
        files,
        segment=2.0,
        sample_rate=22050,
        n_items=1000,
        p_real=0.5,
        p_silent=0.05,
        p_speed=0.5,
        speed=0.16,
        gain_db=(-6.0, 6.0),
        silence_db=-50.0,
        seed=0,
        cache_gb=4.0,
        progress=True,
    ):
        super().__init__(segment, sample_rate, seed)
        if not files or n_items < 1:
            raise ValueError(
                f"files must name a source and n_items be positive, got {list(files)} and {n_items}"
            )
        for name, chance in {"p_real": p_real, "p_silent": p_silent, "p_speed": p_speed}.items():
            if not 0 <= chance <= 1:
                raise ValueError(f"{name} must be a chance in [0, 1], got {chance}")
        self.sources = list(files)
        self.p_real, self.p_silent, self.p_speed, self.speed = p_real, p_silent, p_speed, speed
        self.gain_db = _check_range("gain_db", gain_db)
        self.silence_db = silence_db
        self._n_items = n_items
        self.recordings = {}
        for name, found in files.items():
            self.recordings[name] = Recordings(found, sample_rate, cache_gb, progress=progress)
            cache_gb -= self.recordings[name].cache_bytes / 1e9
        self.songs = _songs(self.recordings.values())

    def __len__(self):
        return self._n_items

    def __getitem__(self, index):
        rng = self._rng(index, self.epoch)
        is_real = rng.random() < self.p_real and self.songs
        return torch.from_numpy(self._real(rng) if is_real else self._random(rng))

    def _real(self, rng):
        for _ in range(_MAX_TRIES):
            song = self.songs[int(rng.integers(len(self.songs)))]
            readers = list(zip(self.recordings.values(), song))
            last = readers[0][0].lengths[song[0]] - self.length
            start = int(rng.integers(max(1, last + 1)))
            stems = np.stack([r.read(i, start, self.length) for r, i in readers])
            if rms_db(stems.sum(0)) >= self.silence_db:
                break
        return stems

    def _random(self, rng):
        out = np.zeros((len(self.sources), self.length), np.float32)
        heard = rng.random(len(self.sources)) >= self.p_silent
        heard[int(rng.integers(len(heard)))] = True
        for k in np.flatnonzero(heard):
            out[k] = self._piece(self.recordings[self.sources[k]], rng)
        return out

    def _piece(self, recordings, rng):
        rate = 1.0
        if rng.random() < self.p_speed:
            rate = float(np.exp(rng.uniform(-self.speed, self.speed)))
        n = self.length if rate == 1.0 else int(self.length * rate) + 2
        wav = recordings.draw(rng, n, self.silence_db)
        if rate != 1.0:
            wav = change_speed(wav, rate, self.length)
        return wav * _gain(rng, self.gain_db) * np.float32(rng.choice([-1.0, 1.0]))


def _songs(recordings):
    """Which recording of each source belongs to a song, for the songs that have all."""
    places = [
        {
            (solo.path.parent, solo.start, n): i
            for i, (solo, n) in enumerate(zip(r.solos, r.lengths))
        }
        for r in recordings
    ]
    whole = [song for song in places[0] if all(song in place for place in places)]
    return [tuple(place[song] for place in places) for song in whole]
