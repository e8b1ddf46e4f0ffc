"""Writes recordings that are not like the songs, for ``uncertainty.py --odd``.

    odd_sounds.py DIR

Speech in five languages (espeak-ng), noise (white to brown, surf, crackle, a siren) and orchestral
sounds (FluidSynth): six each, of 10 s or more.
"""

import argparse
import random
import subprocess
from pathlib import Path

import numpy as np
import soundfile as sf

from asteroid_instglow.data.band.compose import Note
from asteroid_instglow.data.band.soundfont import render_soundfont

RATE, SECONDS = 22050, 10
VOICES = ("en-us", "en-gb", "de", "fr", "es", "en-us+f3")
TEXT = (
    "The committee met on Tuesday to discuss the budget for the coming year, and several members "
    "raised concerns about the costs. Rain will spread from the west in the night, followed by "
    "clear spells and a light breeze, as the old man walks down the long empty street."
)
# Programs of General MIDI: strings, winds, choirs and an organ.
ENSEMBLES = (
    *((48, 48, 48, 42), (40, 40, 41, 42), (60, 56, 57, 58)),
    *((73, 68, 71, 70), (48, 60, 73, 47), (52, 52, 48, 19)),
)
LOWEST = (48, 55, 60, 67)  # note of each voice


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for i, voice in enumerate(VOICES):
        path = args.folder / f"speech{i}.wav"
        speak = ["espeak-ng", "-v", voice, "-s", str(140 + 10 * i), "-w", path, TEXT]
        subprocess.run(speak, check=True)
    for i, wav in enumerate(noises(np.random.default_rng(0))):
        sf.write(args.folder / f"noise{i}.wav", 0.25 * wav / np.abs(wav).max(), RATE)
    for i, programs in enumerate(ENSEMBLES):
        rng = random.Random(i)
        voices = [play(program, low, rng) for program, low in zip(programs, LOWEST)]
        sf.write(args.folder / f"orchestra{i}.wav", sum(voices), RATE)


def noises(rng):
    """Yields white, pink and brown noise, surf, crackle and a siren."""
    n = RATE * SECONDS
    time = np.arange(n) / RATE
    colours = [coloured(rng, n, slope) for slope in (0, 0.5, 1)]
    yield from colours
    yield coloured(rng, n, 0.5) * (0.55 + 0.45 * np.sin(2 * np.pi * 0.2 * time))
    crackle = np.zeros(n)
    for at in rng.integers(0, n - 2000, 400):
        burst = rng.standard_normal(300) * np.exp(-np.arange(300) / 40)
        crackle[at : at + 300] += burst * rng.uniform(0.1, 1)
    yield crackle
    yield np.sin(2 * np.pi * (400 * time + 300 * np.sin(2 * np.pi * 0.7 * time))) + 0.1 * colours[0]


def coloured(rng, n, slope):
    """Returns noise whose magnitudes fall as frequency to the power of ``slope``, peak 1."""
    frequency = np.fft.rfftfreq(n, 1 / RATE).clip(20)
    wav = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * frequency**-slope, n)
    return wav / np.abs(wav).max()


def play(program, lowest, rng):
    """Plays random notes of the major scale."""
    notes, start = [], 0.0
    while start < SECONDS:
        length = rng.choice((0.25, 0.5, 0.5, 1.0))
        pitch = lowest + rng.choice((0, 2, 4, 5, 7, 9, 11, 12))
        notes.append(Note(start, length, pitch, rng.randint(60, 105)))
        start += length
    return render_soundfont(notes, "voice", SECONDS, RATE, program)


if __name__ == "__main__":
    main()
