"""Writes bass parts over a song's chords: roots, octaves, walking, riffs, slap, with fills."""

import numpy as np
from sampler import Note
from sampler_harmony import INTERVALS

# Sixteen slots a bar: R root, 5 fifth, 8 octave, 3 third, L approach to the next root, g ghost,
# - keeps sounding, . silence.
PATTERNS = {
    "eighths": ["R.R.R.R.R.R.R.R.", "R-R-R-R-R-R-R-R-", "R-R-R-R-R-R-5-L-", "R-R-R-R-R-R-R-8-"],
    "roots": [
        "R-------R-------", "R---------------", "R-----R-R-------", "R---R---R---R---",
        "R-----R-----R---", "R---.---R-R---L-",
    ],
    "pop": [
        "R-----R-----5---", "R--R--R-5--R--L-", "R-.gR-..5-.gR-L-", "R---..R-R-5-8-5-",
        "R-----R-..R-8-5-", "R-..R-R-.-R-5-L-",
    ],
    "octave": ["R-8-R-8-R-8-R-8-", "R.8.R.8.R.8.R.8.", "R.g8R.g8R.g8R.8.", "R---8-R-R-..8---"],
    "country": ["R-----..5-----..", "R---5---R---5---", "R------.5---L---", "R-----5-R-----5-"],
    "sixteenths": ["RRRRRRRRRRRRRRRR", "R.RRR.RRR.RRR.RR", "R-..RRR-..RRR-RR", "RR.RR.RR.RR.RRRR"],
    "slap": ["R..gR.8g.gR.8.g.", "R.g8..R.g.8R.g8.", "R-..g.8.R.gR..8.", "R..8.gR.R..8g.58"],
    "reggae": ["..R-R-..R---5-3-", "R-----..3-5-R-..", "....R-R-..5-3-R-", "R-R-....5-5-3-R-"],
}  # fmt: skip
BY_STYLE = {
    "major": ["eighths", "roots", "pop", "octave", "country", "slap", "reggae", "walk", "melody"],
    "minor": ["eighths", "roots", "pop", "octave", "slap", "reggae", "riff", "melody"],
    "blues": ["walk", "walk", "boogie", "country", "riff", "roots", "pop", "melody"],
    "heavy": ["eighths", "sixteenths", "riff", "roots", "eighths"],
    "punk": ["eighths", "eighths", "eighths", "sixteenths", "roots"],
}
WALKS = [(0, 4, 7, 9), (0, 7, 5, 4), (0, 4, 7, 4), (0, 2, 4, 7), (0, 12, 10, 7), (0, 4, 5, 6)]
LOWEST, HIGHEST = 28, 60  # MIDI pitches
MAJOR_SCALE, MINOR_SCALE = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


def place(root, lowest, rng, high=0.15):
    """Returns the MIDI pitch of a root on the low strings."""
    pitch = lowest + (root - lowest) % 12
    return pitch + 12 if pitch < lowest + 8 and rng.random() < high else pitch


def next_root(song, beat):
    """Returns the root of the next chord after `beat`."""
    for later in range(beat + 1, len(song.roots)):
        if song.roots[later] != song.roots[beat]:
            return song.roots[later]
    return song.roots[beat]


def third(quality):
    """Returns the third of a chord in semitones; a fourth where it has none."""
    return next((i for i in INTERVALS.get(quality, (0, 4, 7)) if i in (3, 4)), 5)


def pattern_line(song, role, rng, lowest):
    """Plays patterns of `PATTERNS`, a fill now and then."""
    table, notes = PATTERNS[role], []
    pattern = table[int(rng.integers(len(table)))]
    force, octave = rng.uniform(0.6, 0.95), {}
    choke = rng.uniform(0.5, 0.98)
    for bar in range(0, len(song.roots), song.beats):
        if bar and bar % (8 * song.beats) == 0 and rng.random() < 0.4:
            pattern = table[int(rng.integers(len(table)))]
        if bar % (4 * song.beats) == 3 * song.beats and rng.random() < 0.4:
            notes += fill(song, bar, rng, lowest, force)
            continue
        symbols = pattern if song.beats == 4 else pattern[: 4 * song.beats]
        for i, symbol in enumerate(symbols):
            beat = bar + i // 4
            if symbol in "-." or beat >= len(song.roots):
                continue
            end = i + 1
            while end < len(symbols) and symbols[end] == "-":
                end += 1
            start = song.at(bar + i / 4)
            stop = song.at(min(bar + end / 4, len(song.roots)))
            root = song.roots[beat]
            if root not in octave or song.changes(beat):
                octave[root] = place(root, lowest, rng)
            base = octave[root]
            step = {"R": 0, "5": 7, "8": 12, "3": third(song.qualities[beat]), "g": 0, "L": 0}[
                symbol
            ]
            pitch = base + step
            if symbol == "L":
                pitch = place(next_root(song, beat), lowest, rng, 0) + rng.choice([-1, -2, 1, 2])
            if pitch > HIGHEST:
                pitch -= 12
            how = "dead" if symbol == "g" else "open"
            accent = 1.08 if i % 8 == 0 else rng.uniform(0.85, 1.0)
            gap = choke if end - i <= 2 else 0.97
            weight = force * accent * (0.5 if symbol == "g" else 1)
            notes.append(
                Note(start, max(0.05, gap * (stop - start)), max(pitch, lowest), weight, how)
            )
    return notes


def fill(song, bar, rng, lowest, force):
    """Plays a run through the chord and its scale up to the next root."""
    notes, scale = [], (0, 3, 5, 7, 10, 12) if rng.random() < 0.5 else (0, 2, 4, 7, 9, 12)
    base, degree = place(song.roots[bar], lowest, rng), 0
    position, end = float(bar), min(bar + song.beats, len(song.roots))
    while position < end:
        in_run = position >= bar + song.beats / 2
        duration = float(rng.choice([0.25, 0.5, 0.5])) if in_run else float(rng.choice([0.5, 1.0]))
        duration = min(duration, end - position)
        degree = int(np.clip(degree + rng.integers(-1, 3), 0, 5)) if in_run else 0
        start, stop = song.at(position), song.at(min(position + duration, end))
        notes.append(Note(start, max(0.05, 0.95 * (stop - start)), base + scale[degree], force))
        position += duration
    return notes


def walk(song, rng, lowest):
    """Walks in quarters: chord tones, then a step to the next root."""
    notes, force, shape = [], rng.uniform(0.55, 0.9), WALKS[0]
    for beat, root in enumerate(song.roots):
        place_in_bar = beat % song.beats
        if place_in_bar == 0:
            shape = WALKS[int(rng.integers(len(WALKS)))]
        base = lowest + (root - lowest) % 12
        step = shape[place_in_bar % 4]
        step = step - 1 if step == 4 and third(song.qualities[beat]) == 3 else step
        pitch = base + step
        if place_in_bar == song.beats - 1 and rng.random() < 0.6:
            pitch = place(next_root(song, beat), lowest, rng, 0.3) + rng.choice([-1, 1])
        start, stop = song.at(beat), song.at(beat + 1)
        notes.append(Note(start, 0.95 * (stop - start), pitch, force * rng.uniform(0.9, 1.05)))
        if rng.random() < 0.12:
            notes[-1].length = 0.6 * (stop - start)
            notes.append(Note(song.at(beat + 0.5), 0.1, pitch, 0.5 * force, "dead"))
    return notes


def boogie(song, rng, lowest):
    """Plays the eighths of rock and roll: root, third, fifth, sixth, and back."""
    shape = [(0, 4, 7, 9, 10, 9, 7, 4), (0, 0, 4, 4, 7, 7, 9, 7), (0, 12, 7, 9, 10, 9, 7, 4)][
        int(rng.integers(3))
    ]
    notes, force, once = [], rng.uniform(0.6, 0.9), rng.random() < 0.4
    for beat, root in enumerate(song.roots):
        base = lowest + (root - lowest) % 12
        for half in (0,) if once else (0, 0.5):
            index = int((beat % 4) * (1 if once else 2) + 2 * half) % 8
            start, stop = song.at(beat + half), song.at(beat + half + (1 if once else 0.5))
            notes.append(Note(start, 0.92 * (stop - start), base + shape[index], force))
    return notes


def riff(song, rng, lowest):
    """Repeats a figure of one or two bars in the minor or blues scale."""
    scale = (0, 3, 5, 6, 7, 10) if rng.random() < 0.5 else MINOR_SCALE
    length, shape, position, degree = int(rng.choice([1, 2])) * song.beats, [], 0.0, 0
    while position < length:
        duration = float(rng.choice([0.25, 0.5, 0.5, 1.0, 1.5]))
        degree = (
            0 if rng.random() < 0.4 else int(np.clip(degree + rng.integers(-2, 3), 0, len(scale)))
        )
        interval = scale[degree % len(scale)] + 12 * (degree // len(scale))
        if rng.random() > 0.12:
            shape.append((position, duration, interval))
        position += duration
    notes, force, moves = [], rng.uniform(0.65, 1.0), rng.random() < 0.6
    for bar in range(0, len(song.roots), length):
        base = lowest + ((song.roots[bar] if moves else song.key) - lowest) % 12
        for position, duration, interval in shape:
            if bar + position < len(song.roots):
                start = song.at(bar + position)
                stop = song.at(min(bar + position + duration, len(song.roots)))
                notes.append(Note(start, 0.95 * (stop - start), base + interval, force))
    return notes


def melody(song, rng, lowest):
    """Sings a line of its own up and down the neck: chord tones on the beats, steps between."""
    scale = MINOR_SCALE if song.style == "minor" else MAJOR_SCALE
    steps = {(song.key + step) % 12 for step in scale}
    notes, force, busy = [], rng.uniform(0.55, 0.95), rng.uniform(0.2, 0.8)
    pitch, direction, beat = lowest + int(rng.integers(5, 20)), 1, 0.0
    while beat < len(song.roots):
        index = int(beat)
        duration = float(
            rng.choice([0.5, 0.5, 0.75, 0.25] if rng.random() < busy else [1, 1, 1.5, 2])
        )
        chord = {(song.roots[index] + i) % 12 for i in INTERVALS.get(song.qualities[index], (0, 7))}
        wanted = chord if beat == index else steps | chord
        if pitch > min(lowest + 24, HIGHEST - 4) or pitch < lowest + 4 or rng.random() < 0.25:
            direction = -1 if pitch > lowest + rng.integers(6, 24) else 1
        leap = int(rng.choice([0, 1, 1, 2, 3, 5, 7])) * direction
        near = [p for p in range(lowest, HIGHEST + 1) if p % 12 in wanted]
        pitch = min(near, key=lambda p: abs(p - pitch - leap))
        start, stop = song.at(beat), song.at(min(beat + duration, len(song.roots)))
        if rng.random() > 0.08:
            length = rng.uniform(0.8, 0.98) * (stop - start)
            notes.append(Note(start, max(0.05, length), pitch, force * rng.uniform(0.85, 1.05)))
        beat += duration
    return notes


def slide(notes, rng, chance=0.04):
    """Lets some notes slide in from below."""
    for note in notes:
        if note.how == "open" and note.length > 0.25 and rng.random() < chance:
            note.bend = (
                np.array([0.0, rng.uniform(0.04, 0.12)]),
                np.array([-rng.integers(1, 5), 0]),
            )
    return notes


def line(song, rng, role=None, lowest=LOWEST):
    """Writes a bass line.

    Args:
        song (Song): Beat grid and chords.
        rng (numpy.random.Generator): Random generator.
        role (str): A pattern, "walk", "boogie", "riff" or "melody"; drawn for the style if None.
        lowest (int): Lowest pitch; 26 is drop D, 23 a five-string, over 28 a place up the neck.

    Returns:
        tuple: Notes and the role.
    """
    role = role or str(rng.choice(BY_STYLE[song.style]))
    if role in PATTERNS:
        notes = pattern_line(song, role, rng, lowest)
    else:
        notes = {"walk": walk, "boogie": boogie, "riff": riff, "melody": melody}[role](
            song, rng, lowest
        )
    return slide(notes, rng), role
