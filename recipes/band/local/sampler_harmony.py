"""Chord progressions on a beat grid, from POP909 or drawn in the manner of rock and pop."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
INTERVALS = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "dim": (0, 3, 6),
    "5": (0, 7),
}

# Progressions as (semitones above the key, quality), one chord a bar.
MAJOR = [
    "0 7 9m 5", "0 5 7 5", "0 9m 5 7", "9m 5 0 7", "0 0 5 7", "5 7 0 9m", "0 4m 5 7", "0 7 5 5",
    "2m 5 0 7", "0 2m 9m 5", "0 10 5 0", "0 5 0 7",
]  # fmt: skip
MINOR = [
    "0m 8 3 10", "0m 10 8 10", "0m 5m 8 7", "0m 3 10 5m", "0m 0m 8 10", "0m 10 8 7", "0m 8 10 0m",
]  # fmt: skip
BLUES = ["0x 5x 0x 0x 5x 5x 0x 0x 7x 5x 0x 7x", "0x 0x 0x 0x 5x 5x 0x 0x 7x 5x 0x 0x"]
HEAVY = ["0 0 0 3", "0 0 1 0", "0 3 5 3", "0 0 8 10", "0 6 5 0", "0 0 3 1", "0 10 8 10", "0 3 0 5"]
PUNK = ["0 5 7 5", "0 7 9 5", "0 3 5 8", "0 8 10 0", "0 5 0 7", "0 9 5 7", "0 0 10 5"]

TEMPI = {
    "major": (75, 145),
    "minor": (70, 140),
    "blues": (70, 150),
    "heavy": (90, 190),
    "punk": (150, 205),
}


@dataclass
class Song:
    """A beat grid with chords.

    Attributes:
        times (list of float): Onset of each beat in seconds, and the end.
        roots (list of int): Pitch class of each beat's chord.
        qualities (list of str): Key of `INTERVALS` for each beat.
        beats (int): Beats in a bar.
        key (int): Pitch class of the key.
        style (str): "major", "minor", "blues", "heavy" or "punk".
        swing (float): Place of the off-beat eighth within the beat, 0.5 is straight.
    """

    times: list
    roots: list
    qualities: list
    beats: int
    key: int
    style: str
    swing: float = 0.5

    @property
    def seconds(self):
        return self.times[-1]

    def at(self, beat):
        """Returns the time of a fractional beat, swung."""
        whole = int(beat)
        whole = min(whole, len(self.times) - 2)
        part = beat - whole
        if self.swing != 0.5 and 0 < part < 1:
            part = np.interp(part, [0, 0.5, 1], [0, self.swing, 1])
        return self.times[whole] + part * (self.times[whole + 1] - self.times[whole])

    def changes(self, beat):
        """Returns True if the chord differs from the beat before."""
        if beat == 0:
            return True
        before = self.roots[beat - 1], self.qualities[beat - 1]
        return before != (self.roots[beat], self.qualities[beat])


def draw_song(rng, seconds, style=None):
    """Draws a song of about `seconds`: tempo, key, progression, small tempo drift."""
    if style is None:
        style = rng.choice(
            ["major", "minor", "blues", "heavy", "punk"], p=[0.4, 0.2, 0.12, 0.16, 0.12]
        )
    table = {"major": MAJOR, "minor": MINOR, "blues": BLUES, "heavy": HEAVY, "punk": PUNK}[style]
    tempo = rng.uniform(*TEMPI[style])
    # Guitar keys: E, A, D, G, C more often than the rest.
    key = int(rng.choice(12, p=np.array([3, 1, 3, 1, 4, 1, 1, 3, 1, 4, 1, 2]) / 25))
    swing = 0.5
    if style == "blues" and rng.random() < 0.7:
        swing = rng.uniform(0.6, 0.68)
    elif rng.random() < 0.1:
        swing = rng.uniform(0.54, 0.62)
    beats = 3 if rng.random() < 0.05 else 4
    n_beats = int(np.ceil(seconds * tempo / 60 / beats)) * beats
    drift = np.cumsum(rng.normal(0, 0.002, n_beats))
    times = np.concatenate([[0], np.cumsum(60 / tempo * (1 + drift - drift.mean()))])
    roots, qualities, bar = [], [], 0
    per_chord = rng.choice([beats, beats, beats, beats // 2 if beats == 4 else beats, 2 * beats])
    while len(roots) < n_beats:
        pattern = table[int(rng.integers(len(table)))].split()
        for _ in range(int(rng.choice([2, 4]))):
            for token in pattern:
                quality = {"m": "min", "x": "7"}.get(
                    token[-1], "5" if style in ("heavy", "punk") else "maj"
                )
                step = int(token.rstrip("mx"))
                if quality == "maj" and rng.random() < 0.12:
                    quality = str(rng.choice(["sus4", "sus2", "maj7", "7"]))
                if quality == "min" and rng.random() < 0.2:
                    quality = "min7"
                roots += [(key + step) % 12] * per_chord
                qualities += [quality] * per_chord
        bar += 1
    return Song(list(times), roots[:n_beats], qualities[:n_beats], beats, key, style, swing)


def read_chord(name):
    """Returns (root, quality) of a chord label such as "Bb:min7", or None."""
    if name[0] not in PITCH:
        return None
    root = PITCH[name[0]]
    head, _, kind = name.partition(":")
    root += head.count("#") - head.count("b")
    kind = kind.split("/")[0].split("(")[0]
    table = {
        "min": "min",
        "min7": "min7",
        "7": "7",
        "maj7": "maj7",
        "sus4": "sus4",
        "sus2": "sus2",
        "dim": "dim",
    }
    return root % 12, table.get(kind, "min" if kind.startswith("min") else "maj")


def pop909_song(root, rng, seconds):
    """Reads an excerpt of a random POP909 song, transposed at random."""
    folders = sorted(p for p in Path(root).rglob("chord_midi.txt"))
    folder = folders[int(rng.integers(len(folders)))].parent
    beats = [line.split() for line in (folder / "beat_midi.txt").read_text().splitlines() if line]
    times = [float(row[0]) for row in beats]
    chords = []
    for line in (folder / "chord_midi.txt").read_text().splitlines():
        row = line.split()
        if len(row) >= 3:
            chords.append((float(row[0]), read_chord(row[2])))
    downs = [i for i, row in enumerate(beats) if float(row[-1]) > 0]
    late = [i for i in downs if times[-1] - times[i] > seconds and times[i] > chords[0][0] + 4]
    begin = int(rng.choice(late)) if late else downs[0]
    end = next(
        (i for i in range(begin, len(times)) if times[i] - times[begin] > seconds), len(times) - 1
    )
    shift, roots, qualities = int(rng.integers(12)), [], []
    current = (0, "maj")
    for i in range(begin, end):
        found = [c for t, c in chords if t <= times[i] + 0.1]
        current = (found[-1] if found else None) or current
        roots.append((current[0] + shift) % 12)
        qualities.append(current[1])
    grid = [t - times[begin] for t in times[begin : end + 1]]
    return Song(grid, roots, qualities, 4, roots[0], "major")
