"""Writes parts for strings, winds, brass and synthesizers, and plays subtractive synthesizers."""

import numpy as np
from piano_parts import bass_of, chord, excerpt, humanize, pad, voice, write_song
from sampler import Note
from scipy import signal

RATE = 44100


def melody(midi, seconds, rng, low, high):
    """Plays a POP909 melody moved into a range of pitches, one note at a time."""
    notes = excerpt(midi, (str(rng.choice(["MELODY", "BRIDGE"])),), seconds, rng)
    if not notes:
        return []
    shift = 12 * round(((low + high) / 2 - np.mean([n.pitch for n in notes])) / 12)
    line = []
    for note in notes:
        note.pitch += shift
        if line and note.start < line[-1].start + line[-1].length:
            line[-1].length = max(0.05, note.start - line[-1].start)
        if low <= note.pitch <= high:
            line.append(note)
    return humanize(line, rng)


def section(midi, seconds, rng, centre):
    """Holds chords with a slow counter-melody on top."""
    song = write_song(midi, seconds, rng)
    notes = pad(song, rng, centre, low=rng.random() < 0.5)
    for beat in range(0, len(song.roots), int(rng.choice([1, 2]))):
        if rng.random() < 0.6:
            pitch = rng.choice(voice(song.roots[beat], song.qualities[beat], centre + 12))
            notes.append(
                Note(song.times[beat], song.times[1] * rng.uniform(0.8, 2), int(pitch), 0.7)
            )
    return humanize(notes, rng, 0.012)


def riffs(midi, seconds, rng, centre):
    """Plays syncopated stabs and short runs, as a horn section does."""
    song = write_song(midi, seconds, rng)
    slots = [i for i in range(16) if rng.random() < 0.25] or [0, 6]
    notes = []
    for bar in range(0, len(song.roots) - song.beats + 1, song.beats):
        if rng.random() < 0.2:
            notes += chord(song, bar, song.times[1] * song.beats * 0.9, 0.8, centre, rng)
            continue
        for slot in slots:
            if slot / 4 < song.beats:
                length = rng.choice([0.1, 0.2, 0.4])
                notes += chord(song, bar + slot / 4, length, rng.uniform(0.7, 1), centre, rng)
    return humanize(notes, rng)


def arpeggiator(midi, seconds, rng, centre):
    """Plays a sequencer's pattern over chords, in strict time."""
    song = write_song(midi, seconds, rng)
    pattern = [int(rng.integers(0, 7)) for _ in range(int(rng.choice([4, 6, 8, 16])))]
    rests = [rng.random() < 0.15 for _ in pattern]
    step, notes = rng.choice([0.25, 0.25, 0.5]), []
    for index, beat in enumerate(np.arange(0, len(song.roots), step)):
        at = int(beat)
        pitches = voice(song.roots[at], song.qualities[at], centre)
        pitches = pitches + [p + 12 for p in pitches] + [bass_of(song, at) + 12]
        k = index % len(pattern)
        if not rests[k]:
            length = step * song.times[1] * 0.8
            notes.append(Note(song.at(beat), length, pitches[pattern[k] % len(pitches)], 0.8))
    return notes


class Synth:
    """A subtractive synthesizer: detuned oscillators, a filter with an envelope, vibrato.

    Args:
        rng (numpy.random.Generator): Draws the patch.
        kind (str): "pad", "lead" or "pluck".
    """

    def __init__(self, rng, kind):
        self.kind = kind
        self.wave = str(rng.choice(["saw", "square", "pulse", "triangle", "organ"]))
        self.voices = int(rng.choice([1, 2, 3, 5])) if kind != "lead" else int(rng.choice([1, 2]))
        self.detune = rng.uniform(0.02, 0.18)
        self.attack = rng.uniform(0.15, 0.9) if kind == "pad" else rng.uniform(0.003, 0.04)
        self.release = rng.uniform(0.3, 1.2) if kind == "pad" else rng.uniform(0.05, 0.3)
        self.decay = rng.uniform(0.08, 0.5) if kind == "pluck" else np.inf
        self.cutoff = rng.uniform(500, 4000)
        self.sweep = rng.uniform(0, 2.5)
        self.vibrato = rng.uniform(0, 0.25) if kind == "lead" else rng.uniform(0, 0.05)
        self.rate = rng.uniform(4, 6.5)
        self.glide = rng.uniform(0, 0.08) if kind == "lead" else 0.0

    def oscillator(self, phase, step):
        """Returns the waveform at a phase in turns, its steps smoothed (PolyBLEP)."""
        turn = phase % 1
        if self.wave == "triangle":
            return 4 * np.abs(turn - 0.5) - 1
        if self.wave == "organ":
            return sum(
                a * np.sin(2 * np.pi * k * phase)
                for k, a in ((1, 1), (2, 0.7), (3, 0.4), (4, 0.3), (8, 0.15))
            )

        def blep(t):
            rise = np.where(t < step, 2 * t / step - (t / step) ** 2 - 1, 0)
            fall = (t - 1) / step
            return np.where(t > 1 - step, fall**2 + 2 * fall + 1, rise)

        saw = 2 * turn - 1 - blep(turn)
        if self.wave == "saw":
            return saw
        width = 0.5 if self.wave == "square" else 0.22
        other = (phase + width) % 1
        return 0.6 * (saw - (2 * other - 1 - blep(other)))

    def play(self, notes, seconds, rng):
        """Renders notes to a mono signal of `seconds` at `RATE`."""
        out = np.zeros(int(seconds * RATE))
        before = None
        for note in notes:
            n = min(int((note.length + self.release) * RATE), len(out) - int(note.start * RATE))
            if n < 100:
                continue
            time = np.arange(n) / RATE
            pitch = note.pitch + self.vibrato * np.sin(2 * np.pi * self.rate * time) * np.minimum(
                time / 0.4, 1
            )
            if self.glide and before is not None:
                pitch = pitch + (before - note.pitch) * np.exp(-time / self.glide)
            before = note.pitch
            wav = np.zeros(n)
            for _ in range(self.voices):
                freq = 440 * 2 ** ((pitch + rng.normal(0, self.detune) - 69) / 12)
                wav += self.oscillator(np.cumsum(freq) / RATE + rng.random(), freq / RATE)
            envelope = np.minimum(time / self.attack, 1) * np.exp(-time / self.decay)
            envelope *= np.exp(-5 * np.maximum(0, time - note.length) / self.release)
            bright = self.cutoff * 2 ** (self.sweep * note.velocity)
            dark = signal.sosfilt(
                signal.butter(2, min(self.cutoff, 16000), fs=RATE, output="sos"), wav
            )
            light = signal.sosfilt(signal.butter(2, min(bright, 16000), fs=RATE, output="sos"), wav)
            blend = np.exp(-time / 0.3) if self.kind != "pad" else np.minimum(time / 1.5, 1)
            start = int(note.start * RATE)
            wav = (dark + (light - dark) * blend) * envelope * note.velocity
            out[start : start + n] += wav / self.voices**0.5
        return out.astype(np.float32)
