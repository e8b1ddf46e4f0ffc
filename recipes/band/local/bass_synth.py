"""Plays bass notes on a subtractive synthesiser: two oscillators, a swept filter, glide."""

import numpy as np
from sampler import RATE
from scipy import signal


def oscillator(frequency, shape, phase=0.0):
    """Returns a band-limited saw or square, or a sine, of a frequency curve in Hz."""
    increment = frequency / RATE
    phase = (np.cumsum(increment) + phase) % 1.0
    if shape == "sine":
        return np.sin(2 * np.pi * phase)

    def blep(p):
        # Rounds the step of the wave over one sample on either side.
        low, high = p < increment, p > 1 - increment
        out = np.zeros_like(p)
        t = p[low] / increment[low]
        out[low] = 2 * t - t**2 - 1
        t = (p[high] - 1) / increment[high]
        out[high] = t**2 + 2 * t + 1
        return out

    saw = 2 * phase - 1 - blep(phase)
    if shape == "saw":
        return saw
    shifted = (phase + 0.5) % 1.0
    return saw - (2 * shifted - 1 - blep(shifted))


class Synth:
    """Draws a patch once and plays notes with it, one at a time.

    Args:
        rng (numpy.random.Generator): Random generator of the patch.
    """

    def __init__(self, rng):
        self.shapes = [str(s) for s in rng.choice(["saw", "square", "sine"], 2, p=[0.5, 0.3, 0.2])]
        self.detune = rng.uniform(0, 0.15) + rng.choice([0, 0, 0, 12])
        self.second, self.sub = rng.uniform(0, 0.8), rng.uniform(0, 0.8)
        self.cutoff = np.exp(rng.uniform(np.log(120), np.log(1200)))
        self.sweep, self.decay = rng.uniform(0, 3.5), rng.uniform(0.05, 0.6)
        self.resonance = rng.uniform(0.5, 4)
        self.attack, self.hold = rng.uniform(0.001, 0.02), rng.uniform(0.3, 1.0)
        self.glide = rng.choice([0, 0, 0, 0.04, 0.08])

    def play(self, notes, seconds, rng):
        """Renders notes to a dry mono signal of `seconds` at `RATE`."""
        out, last = np.zeros(int((seconds + 2) * RATE)), None
        for note in sorted(notes, key=lambda n: n.start):
            if note.start >= seconds:
                break
            n_out = int((note.length + 0.12) * RATE)
            time = np.arange(n_out) / RATE
            pitch = np.full(n_out, float(note.pitch))
            if self.glide and last is not None:
                pitch += (last - note.pitch) * np.exp(-time / self.glide)
            last = note.pitch
            frequency = 440 * 2 ** ((pitch - 69) / 12)
            wav = oscillator(frequency, self.shapes[0], rng.random())
            wav = wav + self.second * oscillator(
                frequency * 2 ** (self.detune / 12), self.shapes[1], rng.random()
            )
            wav = wav + self.sub * oscillator(frequency, "sine")
            wav = self.filter(wav, time, note.velocity)
            level = np.minimum(time / self.attack, 1) * (
                self.hold + (1 - self.hold) * np.exp(-time / 0.25)
            )
            level *= np.exp(-np.maximum(0, time - note.length) / 0.02) * note.velocity
            at = max(0, int(note.start * RATE))
            end = min(at + n_out, len(out))
            out[at:end] += (wav * level)[: end - at]
        return out[: int(seconds * RATE)]

    def filter(self, wav, time, velocity):
        """Filters in blocks of 5 ms while the cutoff falls, two poles with resonance."""
        block, out, state = RATE // 200, np.empty_like(wav), np.zeros(2)
        for i in range(0, len(wav), block):
            octaves = self.sweep * velocity * np.exp(-time[i] / self.decay)
            cutoff = min(self.cutoff * 2**octaves, 9000)
            w = 2 * np.pi * cutoff / RATE
            alpha = np.sin(w) / (2 * self.resonance)
            b = np.array([1 - np.cos(w), 2 - 2 * np.cos(w), 1 - np.cos(w)]) / 2 / (1 + alpha)
            a = np.array([1 + alpha, -2 * np.cos(w), 1 - alpha]) / (1 + alpha)
            out[i : i + block], state = signal.lfilter(b, a, wav[i : i + block], zi=state)
        return out
