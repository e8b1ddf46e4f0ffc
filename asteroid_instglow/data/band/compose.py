"""Composes songs of a small band by rule: chords first, then a part for each player.

Nothing is learnt and nothing is read: a seed gives a song in a key, a tempo and 4/4 time.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

SOURCES = ("bass", "drums", "guitar", "piano")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS = {  # scale degrees, a bar each
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (1, 4, 0, 5), (0, 2, 3, 4), (3, 0, 4, 5)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 3, 6, 2), (0, 5, 3, 4), (5, 6, 0, 0)),
}
STRINGS = (40, 45, 50, 55, 59, 64)  # guitar, standard tuning
KICK, SNARE, HAT, OPEN_HAT, RIDE, CRASH, TOMS = 36, 38, 42, 46, 51, 49, (48, 45, 41)


# Start and duration in sixteenths, pitch and velocity of each note.
Played = Iterator[tuple[float, float, int, int]]


class Note(NamedTuple):
    """Start and duration in seconds, MIDI pitch (or General MIDI drum), velocity 1 to 127."""

    start: float
    duration: float
    pitch: int
    velocity: int


class Plan(NamedTuple):
    """Key, tempo and chords of a song: for each bar a tuple of pitch classes, root first."""

    tempo: float
    tonic: int
    mode: str
    swing: float
    chords: tuple


def compose(seed: int, seconds: float) -> dict[str, list[Note]]:
    """Composes a song.

    Args:
        seed (int): Random seed; each gives another song.
        seconds (float): Length of the song.

    Returns:
        dict: For each of ``SOURCES`` its list of ``Note``, sorted by start.

    Examples:
        >>> sorted(compose(seed=1, seconds=10.0))
        ['bass', 'drums', 'guitar', 'piano']
    """
    plan = make_plan(seed, seconds)
    players = {"bass": _bass, "drums": _drums, "guitar": _guitar, "piano": _piano}
    return {
        source: _perform(players[source], plan, np.random.default_rng([seed, 1, number]), seconds)
        for number, source in enumerate(SOURCES)
    }


def make_plan(seed: int, seconds: float) -> Plan:
    """Chooses key, tempo and chords: phrases of four bars, verse and chorus in turn.

    Args:
        seed (int): Random seed; each gives another song.
        seconds (float): Length of the song.

    Returns:
        Plan: As many bars as it takes.
    """
    if seconds <= 0:
        raise ValueError(f"seconds must be positive, got {seconds}")
    rng = np.random.default_rng([seed, 0])
    tempo = float(rng.uniform(76, 138))
    tonic, mode = int(rng.integers(12)), str(rng.choice(["major", "minor"]))
    n_bars = math.ceil(seconds * tempo / 240)
    options = PROGRESSIONS[mode]
    verse, chorus = rng.choice(len(options), 2, replace=False)
    sevenths = rng.random() < 0.3
    chords = []
    for bar in range(n_bars):
        phrase = (bar // 4) % 4
        degree = options[verse if phrase < 2 else chorus][bar % 4]
        steps = (0, 2, 4, 6) if sevenths else (0, 2, 4)
        chords.append(tuple((tonic + SCALES[mode][(degree + step) % 7]) % 12 for step in steps))
    swing = float(rng.choice([0.0, 0.0, 0.0, 0.16]))
    return Plan(tempo, tonic, mode, swing, tuple(chords))


def _perform(
    player: Callable[..., Iterator[tuple]], plan: Plan, rng: np.random.Generator, seconds: float
) -> list[Note]:
    # Players count in sixteenths of a bar; here these become seconds, swung and humanly late.
    step = 15 / plan.tempo
    notes = []
    for place, length, pitch, velocity in player(plan, rng):
        late = plan.swing * (place % 4 >= 2) if place % 2 == 0 else 0.0
        start = max(0.0, (place + late) * step + float(rng.normal(0, 0.005)))
        duration = min(max(0.05, length * step), seconds - start)
        if duration >= 0.05:
            velocity = int(np.clip(velocity + rng.normal(0, 5), 20, 127))
            notes.append(Note(start, duration, int(pitch), velocity))
    return sorted(notes)


def _bars(
    plan: Plan, rng: np.random.Generator, loudness: int
) -> Iterator[tuple[int, tuple, tuple, int]]:
    # Number, chord, next chord and velocity of each bar: the chorus is louder.
    for bar, chord in enumerate(plan.chords):
        following = plan.chords[(bar + 1) % len(plan.chords)]
        yield bar, chord, following, loudness + 10 * ((bar // 4) % 4 >= 2)


def _bass(plan: Plan, rng: np.random.Generator) -> Played:
    lowest = int(rng.integers(28, 32))
    style = rng.choice(["whole", "quarter", "eighth", "fifth", "walk", "syncopated", "octave"])

    def at(pitch_class: int) -> int:
        return lowest + (pitch_class - lowest) % 12

    for bar, chord, following, velocity in _bars(plan, rng, int(rng.integers(80, 100))):
        root, fifth, place = at(chord[0]), at(chord[2]), 16 * bar
        last = bar % 4 == 3 and style != "walk"
        if style == "whole":
            line = [(0, 10, root), (10, 5.5, root)]
        elif style == "quarter":
            line = [(4 * beat, 3.4, root) for beat in range(4)]
        elif style == "eighth":
            line = [(2 * step, 1.7, root) for step in range(8)]
        elif style == "fifth":
            line = [(0, 7, root), (8, 5, fifth), (14, 1.8, fifth)]
        elif style == "walk":
            goal = at(following[0])
            approach = goal + (1 if goal < fifth else -1)
            walk = (root, at(chord[1]), fifth, approach)
            line = [(4 * beat, 3.6, pitch) for beat, pitch in enumerate(walk)]
        elif style == "syncopated":
            line = [(0, 2.6, root), (3, 2.6, root), (6, 3.6, fifth), (10, 1.8, root), (12, 3, root)]
        else:
            line = [(2 * step, 1.6, root + 12 * (step % 2)) for step in range(8)]
        for offset, length, pitch in line:
            if last and offset >= 12:
                continue
            yield place + offset, length, pitch, velocity + 8 * (offset == 0)
        if last:
            goal = at(following[0])
            yield place + 12, 1.8, goal + 2 if goal < root else goal - 2, velocity
            yield place + 14, 1.8, goal + 1 if goal < root else goal - 1, velocity


def _drums(plan: Plan, rng: np.random.Generator) -> Played:
    kicks = {0, *(int(k) for k in rng.choice([3, 6, 7, 8, 10, 11, 14], rng.integers(1, 4), False))}
    snares = {8} if rng.random() < 0.15 else {4, 12}
    ghosts = {int(g) for g in rng.choice([5, 7, 9, 14, 15], rng.integers(0, 3), False)} - snares
    every = int(rng.choice([1, 2, 2, 2, 4]))
    cymbals = rng.choice([HAT, RIDE], 2, p=[0.75, 0.25])  # verse and chorus
    opened = int(rng.choice([2, 10, 14, 99]))
    fill_every = int(rng.choice([4, 8]))
    for bar, _, _, velocity in _bars(plan, rng, int(rng.integers(80, 100))):
        fill_from = 16
        if bar % fill_every == fill_every - 1:
            fill_from = int(rng.choice([8, 12]))
        chorus = (bar // 4) % 4 >= 2
        for step in range(16):
            place = 16 * bar + step
            if step == 0 and bar % 8 == 0:
                yield place, 1, CRASH, velocity
            if step >= fill_from:
                if rng.random() < 0.8:
                    drum = (SNARE, *TOMS)[min(3, (step - fill_from) * 4 // (16 - fill_from))]
                    yield place, 1, drum, velocity + 2 * (step - fill_from)
                continue
            if step in kicks:
                yield place, 1, KICK, velocity + 10
            if step in snares:
                yield place, 1, SNARE, velocity + 8
            elif step in ghosts:
                yield place, 1, SNARE, velocity - 45
            if step % every == 0:
                cymbal = OPEN_HAT if step == opened else int(cymbals[int(chorus)])
                yield place, 1, cymbal, velocity - (10 if step % 4 == 0 else 24)


def _shape(chord: tuple, position: int) -> list[int]:
    # What a hand at this fret finds of the chord on each string; the lowest must be its root.
    frets = [position + (np.array(chord) - string - position) % 12 for string in STRINGS]
    pitches = [
        string + int(options.min())
        for string, options in zip(STRINGS, frets, strict=True)
        if options.min() <= position + 4
    ]
    while len(pitches) > 3 and pitches[0] % 12 != chord[0]:
        pitches.pop(0)
    return pitches


def _melody(plan: Plan, rng: np.random.Generator, low: int, velocity: int, density: int) -> Played:
    # A walk on the scale that comes to rest on chord tones; one rhythm a phrase, repeated.
    scale = [p for p in range(low, low + 20) if (p - plan.tonic) % 12 in SCALES[plan.mode]]
    rhythms = [sorted(rng.choice(8, density, False) * 2) for _ in range(2)]
    where = len(scale) // 2
    for bar, chord in enumerate(plan.chords):
        rhythm = [*rhythms[bar % 2], 16]
        for onset, following in zip(rhythm, rhythm[1:], strict=False):
            where = int(np.clip(where + rng.choice([-2, -1, -1, 1, 1, 2]), 0, len(scale) - 1))
            if onset % 8 == 0:
                tones = [i for i, p in enumerate(scale) if p % 12 in chord]
                where = min(tones, key=lambda i: abs(i - where))
            yield 16 * bar + int(onset), 0.9 * int(following - onset), scale[where], velocity


def _guitar(plan: Plan, rng: np.random.Generator) -> Played:
    position = int(rng.integers(0, 6))
    styles = rng.choice(["strum", "arpeggio", "power", "lead"], 2, p=[0.4, 0.25, 0.15, 0.2])
    pattern = [0, *sorted(int(i) for i in rng.choice(np.arange(1, 8), rng.integers(3, 7), False))]
    order = rng.permutation(6)
    lead = list(_melody(plan, rng, 57, 90, int(rng.integers(3, 6))))
    for bar, chord, _, velocity in _bars(plan, rng, int(rng.integers(75, 92))):
        style = styles[int((bar // 4) % 4 >= 2)]
        shape = _shape(chord, position)
        if style == "strum":
            for eighth, following in zip(pattern, [*pattern[1:], 8], strict=True):
                down = eighth % 2 == 0
                played = shape if down else shape[-4:][::-1]
                for number, pitch in enumerate(played):
                    place = 16 * bar + 2 * eighth + 0.12 * number
                    accent = 10 * (eighth % 4 == 0) - 8 * (not down)
                    yield place, 1.9 * (following - eighth), pitch, velocity + accent
        elif style == "arpeggio":
            for eighth in range(8):
                pitch = shape[0] if eighth == 0 else shape[order[eighth % 6] % len(shape)]
                yield 16 * bar + 2 * eighth, 3.8, pitch, velocity
        elif style == "power":
            root = 40 + (chord[0] - 40) % 12
            for eighth in range(8):
                accent = 12 * (eighth in pattern)
                for pitch in (root, root + 7, root + 12):
                    yield 16 * bar + 2 * eighth, 1.2 + 0.05 * accent, pitch, velocity + accent
        else:
            yield from (note for note in lead if 16 * bar <= note[0] < 16 * bar + 16)


def _piano(plan: Plan, rng: np.random.Generator) -> Played:
    styles = rng.choice(["block", "pulse", "comp", "broken", "tune"], 2)
    offbeats = sorted(int(i) for i in rng.choice([3, 6, 10, 11, 14], 2, False))
    tune = list(_melody(plan, rng, 69, 86, int(rng.integers(3, 6))))
    hand = np.array([60, 64, 67])
    for bar, chord, _, velocity in _bars(plan, rng, int(rng.integers(70, 90))):
        style = styles[int((bar // 4) % 4 >= 2)]
        # Each voice goes to the nearest place of a chord tone: smooth part writing.
        hand = np.array([60 + (c - 54) % 12 - 6 for c in chord])
        low, place = 36 + (chord[0] - 36) % 12, 16 * bar
        yield place, 7.5, low, velocity
        yield place + 8, 7.5, low + (7 if style == "broken" else 12), velocity - 6
        if style == "broken":
            ladder = sorted([*hand, *(hand[:2] + 12)])
            for eighth in range(8):
                rung = eighth if eighth < len(ladder) else 2 * len(ladder) - 2 - eighth
                yield place + 2 * eighth, 2.5, ladder[rung % len(ladder)], velocity - 4
            continue
        onsets = {"block": [0, 8], "pulse": [0, 4, 8, 12], "comp": [0, *offbeats], "tune": [0]}
        beats = onsets[style]
        for onset, following in zip(beats, [*beats[1:], 16], strict=True):
            for pitch in hand:
                yield place + onset, 0.85 * (following - onset), pitch, velocity - 6
        if style == "tune":
            yield from (note for note in tune if place <= note[0] < place + 16)
