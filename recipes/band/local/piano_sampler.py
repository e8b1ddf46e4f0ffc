"""Plays keyboards and other instruments of which single notes were recorded."""

import re
from pathlib import Path

import numpy as np
import sampler
import soundfile as sf
from scipy import signal

RATE = 44100
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


def read(path: Path) -> np.ndarray:
    """Reads a file as mono at `RATE`, from its first sound on."""
    wav, rate = sf.read(path, dtype="float32", always_2d=True)
    wav = wav.mean(1)
    if rate != RATE:
        common = np.gcd(rate, RATE)
        wav = signal.resample_poly(wav, RATE // common, rate // common)
    start = max(0, int(np.argmax(np.abs(wav) > 0.02 * np.abs(wav).max())) - RATE // 200)
    return wav[start:].astype(np.float32)


def parse_pitch(text: str, octave: int = 1) -> int:
    """Returns the MIDI pitch of "60", "C#4", "Cs4" or "db4" (C4 = 60 for `octave` 1)."""
    if text.isdigit():
        return int(text)
    match = re.fullmatch(r"([a-g])([#sb]?)(-?\d)", text.lower())
    if not match:
        raise ValueError(f"a pitch must be like 60 or C#4, got {text!r}")
    name, accidental, number = match.groups()
    return 12 * (int(number) + octave) + STEPS[name] + {"": 0, "b": -1}.get(accidental, 1)


class SoundFont(sampler.SoundFont):
    """Plays a program of a sound font; see `sampler.SoundFont`."""

    def play(self, notes, seconds, rng):
        """Renders notes to a dry mono signal of `seconds` at `RATE`."""
        wav = super().play(notes, seconds, rng)
        if sampler.RATE != RATE:
            common = np.gcd(sampler.RATE, RATE)
            wav = signal.resample_poly(wav, RATE // common, sampler.RATE // common)
        return wav


class NoteSampler:
    """Plays recorded notes, moved to the pitch wanted.

    Args:
        folder (pathlib.Path): Folder of samples.
        pattern (str): Regular expression of a file name with a group `pitch`, and where there are
            several velocities a group `layer`.
        layers (tuple of str): The groups `layer` from soft to loud.
        octave (int): Octave of MIDI pitch 0 in the names; 1 where C4 = 60.
        release (float): Seconds that a released note takes to fade by 60 dB.
        sustained (bool): True if the sound lasts (strings, winds): repeats its middle.
    """

    def __init__(self, folder, pattern, layers=("",), octave=1, release=0.35, sustained=False):
        self.release, self.sustained = release, sustained
        self.notes = {}
        for path in sorted(Path(folder).iterdir()):
            match = re.match(pattern, path.name)
            if match:
                layer = match.groupdict().get("layer") or ""
                if layer in layers:
                    pitch = parse_pitch(match["pitch"], octave)
                    self.notes.setdefault(layers.index(layer), {}).setdefault(pitch, []).append(
                        path
                    )
        if not self.notes:
            raise FileNotFoundError(
                f"folder must hold samples like {pattern}, got none in {folder}"
            )
        self.cache = {}

    def sample(self, path: Path) -> np.ndarray:
        """Reads a sample once, normalised by its loudest 50 ms."""
        if path not in self.cache:
            wav = read(path)
            n = RATE // 20
            power = np.convolve(wav[: 2 * RATE] ** 2, np.ones(n) / n)
            self.cache[path] = wav / np.sqrt(power.max() + 1e-9)
        return self.cache[path]

    def lengthen(self, wav: np.ndarray, n: int) -> np.ndarray:
        """Repeats the middle third with crossfades until the note has `n` samples."""
        low, high = len(wav) // 3, 2 * len(wav) // 3
        fade = min(RATE // 8, (high - low) // 3)
        if fade < 10:
            return wav
        while len(wav) < n:
            head, tail = wav[:high].copy(), wav[low:].copy()
            ramp = np.sin(np.linspace(0, np.pi / 2, fade)) ** 2
            head[-fade:] = head[-fade:] * (1 - ramp) + tail[:fade] * ramp
            wav = np.concatenate([head, tail[fade:]])
        return wav

    def play(self, notes, seconds, rng):
        """Renders notes to a dry mono signal of `seconds` at `RATE`."""
        out = np.zeros(int(seconds * RATE), np.float32)
        top = max(self.notes)
        for note in notes:
            place = np.clip(note.velocity * (top + 1) + rng.normal(0, 0.2), 0, top)
            layer = min(self.notes, key=lambda key: abs(key - int(place)))
            pitches = self.notes[layer]
            nearest = min(pitches, key=lambda pitch: abs(pitch - note.pitch))
            if abs(nearest - note.pitch) > 9:
                continue
            paths = pitches[nearest]
            wav = self.sample(paths[rng.integers(len(paths))])
            speed = 2 ** ((note.pitch - nearest + rng.normal(0, 0.01)) / 12)
            start = int(note.start * RATE)
            room = len(out) - start
            if room <= 0:
                continue
            n = min(int((note.length + self.release) * RATE), room)
            if self.sustained:
                wav = self.lengthen(wav, int(n * speed) + 2)
            n = min(n, int((len(wav) - 2) / speed))
            wav = np.interp(np.arange(n) * speed, np.arange(len(wav)), wav).astype(np.float32)
            time = np.arange(n) / RATE
            wav *= 10 ** (-3 * np.maximum(0, time - note.length) / self.release)
            if self.sustained:
                wav *= np.minimum(1, time / rng.uniform(0.01, 0.06))
            out[start : start + n] += wav * (0.12 + 0.88 * note.velocity**1.5)
        return out
