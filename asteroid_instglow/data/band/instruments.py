"""Synthesises instruments: sums of decaying partials, and noise for drums.

A plucked or struck string is the sum of its partials, each decaying in its own time; what a
Karplus-Strong loop does in the time domain, with tuning and damping free to choose.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import signal

from .compose import CRASH, HAT, KICK, OPEN_HAT, RIDE, SNARE, Note

_BLOCK = 256


def render_instrument(
    notes: Sequence[Note], source: str, seconds: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Renders the notes of one source with a timbre drawn at random.

    Args:
        notes (list): ``Note`` tuples.
        source (str): ``"bass"``, ``"drums"``, ``"guitar"`` or ``"piano"``.
        seconds (float): Length of the result.
        sample_rate (int): Sample rate in Hz.
        rng (numpy.random.Generator): Where the timbre comes from.

    Returns:
        numpy.ndarray: float32 (time,), mono, at whatever level comes out.
    """
    voices = {"bass": _Bass, "drums": _Drums, "guitar": _Guitar, "piano": _Piano}
    voice: Any = voices[source](sample_rate, rng)
    out = np.zeros(round(seconds * sample_rate), np.float32)
    # Each pitch is made once for each of eight degrees of loudness, as long as it is ever held.
    longest: dict[tuple, float] = {}
    sounds: dict[tuple, np.ndarray] = {}
    for note in notes:
        key = (note.pitch, note.velocity // 16)
        longest[key] = max(longest.get(key, 0.0), voice.sounding(note))
    for note in notes:
        key = (note.pitch, note.velocity // 16)
        if key not in sounds:
            sounds[key] = voice.play(note.pitch, (16 * key[1] + 8) / 127, longest[key])
        sound = sounds[key][: round(voice.sounding(note) * sample_rate)]
        sound = (note.velocity / 127) ** 1.5 * sound
        n_fade = min(len(sound), round(voice.release * sample_rate))
        # A cosine, so that a damped string ends without a click.
        sound[len(sound) - n_fade :] *= 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, n_fade))
        place = out[round(note.start * sample_rate) :][: len(sound)]
        place += sound[: len(place)]
    return voice.finish(out)


def partials(
    frequencies: np.ndarray,
    amplitudes: np.ndarray,
    decays: np.ndarray,
    phases: np.ndarray,
    length: int,
    sample_rate: int,
) -> np.ndarray:
    """Sums exponentially decaying sines.

    The exponentials are products of a coarse and a fine part in time, so that the sum over the
    partials is one matrix product.

    Args:
        frequencies (numpy.ndarray): (n,), in Hz.
        amplitudes (numpy.ndarray): (n,).
        decays (numpy.ndarray): (n,), in nepers a second.
        phases (numpy.ndarray): (n,), in radians.
        length (int): Number of samples.
        sample_rate (int): Sample rate, Hz; partials above half of it are left out.

    Returns:
        numpy.ndarray: float32 (length,).
    """
    kept = frequencies < 0.49 * sample_rate
    rate = (-decays[kept] + 2j * np.pi * frequencies[kept])[:, None] / sample_rate
    first = (amplitudes[kept] * np.exp(1j * phases[kept]))[:, None]
    coarse = first * np.exp(rate * _BLOCK * np.arange(-(-length // _BLOCK)))
    fine = np.exp(rate * np.arange(_BLOCK))
    # Im(c f) = Re c Im f + Im c Re f, in one real product; denormal numbers would be slow.
    coarse[np.abs(coarse) < 1e-12] = 0
    left = np.concatenate([coarse.real, coarse.imag]).astype(np.float32)
    right = np.concatenate([fine.imag, fine.real]).astype(np.float32)
    return (left.T @ right).reshape(-1)[:length]


def _resonances(
    wav: np.ndarray,
    rng: np.random.Generator,
    sample_rate: int,
    centres: Sequence[float],
    gain_db: float = 6.0,
) -> np.ndarray:
    # A body or loudspeaker: a few broad peaks whose places differ from one to another.
    for centre in centres:
        frequency = min(centre * rng.uniform(0.75, 1.3), 0.45 * sample_rate)
        b, a = signal.iirpeak(frequency, rng.uniform(1.0, 3.0), sample_rate)
        gain = 10 ** (rng.uniform(-gain_db, gain_db) / 20) - 1
        wav = wav + np.float32(gain) * signal.lfilter(b, a, wav).astype(np.float32)
    return wav


def _room(wav: np.ndarray, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    # Exponentially decaying noise, a quarter of a second or so.
    seconds = rng.uniform(0.15, 0.4)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    response = rng.standard_normal(len(time)) * np.exp(-6.9 * time / seconds)
    response *= rng.uniform(0.05, 0.25) / np.sqrt(np.sum(response**2))
    response[0] = 1
    wet = signal.oaconvolve(wav, response.astype(np.float32))[: len(wav)]
    b, a = signal.butter(2, 25, "highpass", fs=sample_rate)
    return signal.lfilter(b, a, wet).astype(np.float32)


class _String:
    """Voice of decaying partials; its timbre is drawn when it is made."""

    release = 0.06
    max_seconds = 4.0
    inharmonicity = 5e-5
    n_partials = 40
    centres = (110, 400, 2500)

    def __init__(self, sample_rate: int, rng: np.random.Generator):
        self.sample_rate = sample_rate
        self.rng = rng
        self.pluck = rng.uniform(0.08, 0.3)
        self.slope = rng.uniform(0.7, 1.5)
        self.damping = rng.uniform(0.6, 1.5)
        self.drive = 0.0

    def sounding(self, note: Note) -> float:
        return min(note.duration + self.release, self.max_seconds)

    def play(self, pitch: float, loudness: float, seconds: float) -> np.ndarray:
        order = np.arange(1, self.n_partials + 1)
        f0 = 440 * 2 ** ((pitch - 69) / 12)
        frequencies = order * f0 * np.sqrt(1 + self.inharmonicity * order**2)
        # Softer notes have fewer overtones; the place of plucking takes some out.
        slope = self.slope + 0.8 * (1 - loudness)
        amplitudes = np.abs(np.sin(np.pi * order * self.pluck)) / order**slope
        decays = self.damping * self.decay(f0, order, frequencies)
        phases = self.rng.uniform(0, 2 * np.pi, len(order))
        length = round(seconds * self.sample_rate)
        sound = partials(frequencies, amplitudes, decays, phases, length, self.sample_rate)
        n_attack = round(0.002 * self.sample_rate)
        sound[:n_attack] *= np.linspace(0, 1, n_attack)[: len(sound)]
        return sound

    def decay(self, f0: float, order: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
        return 0.8 + f0 / 250 + (frequencies / 1500) ** 1.5

    def finish(self, wav: np.ndarray) -> np.ndarray:
        if self.drive:
            peak = float(np.abs(wav).max()) or 1.0
            wav = np.tanh(self.drive * wav / peak).astype(np.float32)
        wav = _resonances(wav, self.rng, self.sample_rate, self.centres)
        return _room(wav, self.rng, self.sample_rate)


class _Guitar(_String):
    def __init__(self, sample_rate: int, rng: np.random.Generator):
        super().__init__(sample_rate, rng)
        self.drive = float(rng.choice([0.0, 0.0, 1.5, 6.0]))


class _Bass(_String):
    release = 0.08
    n_partials = 30
    centres = (70, 250, 900)

    def __init__(self, sample_rate: int, rng: np.random.Generator):
        super().__init__(sample_rate, rng)
        self.slope = rng.uniform(1.2, 2.2)
        self.drive = float(rng.choice([0.0, 0.0, 1.5]))

    def decay(self, f0: float, order: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
        return 0.6 + (frequencies / 500) ** 1.5


class _Piano(_String):
    release = 0.12
    max_seconds = 5.0
    n_partials = 24
    centres = (180, 900, 3000)

    def __init__(self, sample_rate: int, rng: np.random.Generator):
        super().__init__(sample_rate, rng)
        self.pluck = rng.uniform(0.11, 0.14)
        self.slope = rng.uniform(1.0, 1.7)
        self.detune = rng.uniform(1e-4, 8e-4)
        self.tine = float(rng.choice([0.0, 0.0, 0.25]))  # electric

    def play(self, pitch: float, loudness: float, seconds: float) -> np.ndarray:
        self.inharmonicity = 2e-4 * 2 ** ((pitch - 60) / 10)
        one = super().play(pitch, loudness, seconds)
        # Two strings a key, a hair apart, beat and decay twice.
        two = super().play(pitch + 17.3 * self.detune, 0.8 * loudness, seconds)
        sound = one + 0.7 * two
        if self.tine:
            f0 = 440 * 2 ** ((pitch - 69) / 12)
            bell = partials(
                f0 * np.array([1.0, 7.1, 14.2]),
                self.tine * np.array([2.0, 0.4, 0.3]) * loudness,
                np.array([1.0, 8.0, 14.0]),
                np.zeros(3),
                len(sound),
                self.sample_rate,
            )
            return 0.3 * sound + bell
        knock = np.exp(-np.arange(len(sound)) / (0.004 * self.sample_rate))
        return sound + (0.08 * loudness * knock * self.rng.standard_normal(len(sound))).astype("f4")

    def decay(self, f0: float, order: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
        return 0.3 + f0 / 500 + (frequencies / 3000) ** 1.5


class _Drums:
    """Voice of drums: swept sines and filtered noise."""

    release = 0.02

    def __init__(self, sample_rate: int, rng: np.random.Generator):
        self.sample_rate = sample_rate
        self.rng = rng
        self.tune = rng.uniform(0.85, 1.2)
        self.tight = rng.uniform(0.7, 1.5)

    def sounding(self, note: Note) -> float:
        lengths = {KICK: 0.5, SNARE: 0.4, HAT: 0.15, OPEN_HAT: 0.6, RIDE: 1.2, CRASH: 2.0}
        return lengths.get(note.pitch, 0.6)

    def play(self, pitch: float, loudness: float, seconds: float) -> np.ndarray:
        time = np.arange(round(seconds * self.sample_rate)) / self.sample_rate
        if pitch == KICK:
            body = self._sweep(time, 48, 110, 0.03, 9) + 0.15 * self._noise(time, 1500, 200)
        elif pitch == SNARE:
            body = 0.5 * self._sweep(time, 180, 120, 0.02, 22)
            body += (0.3 + 0.4 * loudness) * self._noise(time, 1200, 17)
        elif pitch in (HAT, OPEN_HAT):
            body = 0.35 * self._noise(time, 6000, 55 if pitch == HAT else 9)
        elif pitch == RIDE:
            body = 0.25 * self._noise(time, 5000, 25) + 0.04 * self._noise(time, 4000, 5)
            body += 0.06 * self._metal(time)
        elif pitch == CRASH:
            body = 0.3 * self._noise(time, 3000, 2.5)
        else:
            low = 440 * 2 ** ((pitch - 69) / 12)
            body = self._sweep(time, low, 0.4 * low, 0.05, 9) + 0.1 * self._noise(time, 800, 40)
        return body.astype(np.float32)

    def finish(self, wav: np.ndarray) -> np.ndarray:
        wav = _resonances(wav, self.rng, self.sample_rate, (90, 350, 5000), 4.0)
        return _room(wav, self.rng, self.sample_rate)

    def _sweep(
        self, time: np.ndarray, frequency: float, above: float, fall: float, decay: float
    ) -> np.ndarray:
        # The pitch of a struck skin falls as its tension does.
        phase = frequency * time + above * fall * (1 - np.exp(-time / fall))
        return np.sin(2 * np.pi * self.tune * phase) * np.exp(-self.tight * decay * time)

    def _noise(self, time: np.ndarray, above: float, decay: float) -> np.ndarray:
        frequency = min(above * self.tune, 0.4 * self.sample_rate)
        b, a = signal.butter(2, frequency, "highpass", fs=self.sample_rate)
        noise = signal.lfilter(b, a, self.rng.standard_normal(len(time)))
        return noise * np.exp(-self.tight * decay * time)

    def _metal(self, time: np.ndarray) -> np.ndarray:
        frequencies = self.tune * np.array([2513.0, 3371.0, 4129.0, 5237.0, 6473.0])
        decays, ones = 4 + frequencies / 500, np.ones(len(frequencies))
        return partials(frequencies, ones, decays, 0 * ones, len(time), self.sample_rate)
