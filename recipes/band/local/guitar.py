"""Writes guitar parts over a song's chords: strumming, picking, power chords, riffs, leads."""

import numpy as np
from guitar_tables import BARRE_A, BARRE_E, OPEN_SHAPES, PICKS, POWERS, SCALES, STRINGS, STRUMS
from sampler import Note
from sampler_harmony import INTERVALS


def frets_of(shape, fret=0):
    """Returns the pitch of each string, None for a string not played."""
    return [
        None if f == "x" else int(p) + int(f) + fret for f, p in zip(shape, STRINGS, strict=True)
    ]


def voicing(root, quality, rng, capo=0, barre=False):
    """Returns six pitches (None: not played) that a guitarist would grip."""
    quality = quality if quality in INTERVALS else "maj"
    open_key = ((root - capo) % 12, quality)
    if not barre and open_key in OPEN_SHAPES:
        return frets_of(OPEN_SHAPES[open_key], capo)
    on_e, on_a = (root - 4) % 12, (root - 9) % 12
    if on_e <= on_a if rng is None else rng.random() < (0.8 if on_e < on_a else 0.25):
        return frets_of(BARRE_E[quality], on_e)
    return frets_of(BARRE_A[quality], on_a)


def humanise(notes, rng, spread=0.006):
    """Moves onsets by a slow drift and a jitter, and varies velocities."""
    if not notes:
        return notes
    phase, rate = rng.uniform(0, 6), rng.uniform(0.1, 0.5)
    push = rng.normal(0, 0.006)
    for note in notes:
        note.start += (
            push + 0.5 * spread * np.sin(rate * note.start + phase) + rng.normal(0, spread) * 0.6
        )
        note.start = max(0.0, note.start)
        note.velocity = float(np.clip(note.velocity * np.exp(rng.normal(0, 0.12)), 0.05, 1))
    return notes


def grips(song, rng, capo, barre):
    """Returns one voicing per beat; a chord keeps its voicing through the song."""
    known = {}
    for chord in zip(song.roots, song.qualities, strict=True):
        if chord not in known:
            known[chord] = voicing(*chord, rng, capo, barre)
    return [known[c] for c in zip(song.roots, song.qualities, strict=True)]


def slots(song, patterns, rng, per_section=8):
    """Yields (beat position, symbol, next position) of sixteenth patterns, section by section."""
    step = 4
    n_beats = len(song.roots)
    pattern = patterns[int(rng.integers(len(patterns)))]
    events = []
    for bar in range(0, n_beats, song.beats):
        if bar and bar % (per_section * song.beats) == 0 and rng.random() < 0.5:
            pattern = patterns[int(rng.integers(len(patterns)))]
        for i in range(song.beats * step):
            symbol = pattern[i % len(pattern)]
            if bar + i / step < n_beats:
                events.append((bar + i / step, symbol))
    return events


def strum(song, rng, barre=False, capo=0):
    """Strums chords with a delay between strings and lighter, partial up-strokes."""
    patterns = [STRUMS[i] for i in rng.choice(len(STRUMS), 2)]
    grip, notes = grips(song, rng, capo, barre), []
    events = [e for e in slots(song, patterns, rng) if e[1] != "."]
    gap, force = rng.uniform(0.003, 0.014), rng.uniform(0.55, 0.95)
    for i, (beat, symbol) in enumerate(events):
        pitches = grip[int(beat)]
        after = song.at(events[i + 1][0]) if i + 1 < len(events) else song.seconds
        start, low = song.at(beat), symbol.lower()
        strings = [s for s in range(6) if pitches[s] is not None]
        if low == "u":
            strings = strings[::-1][: int(rng.integers(3, 5))]
        elif low == "d" and symbol == "d" and rng.random() < 0.5:
            strings = strings[: int(rng.integers(2, 5))]
        weight = force * {"D": 1.0, "U": 0.8, "d": 0.7, "u": 0.6, "x": 0.7}[symbol]
        speed = gap * rng.uniform(0.7, 1.4)
        let_ring = i + 1 < len(events) and events[i + 1][1].lower() == "u"
        for order, s in enumerate(strings):
            at = start + order * speed
            length = after - at + order * 0.004
            if let_ring and s < 3:
                length += 0.3 * rng.random()
            how = "dead" if symbol == "x" else "open"
            notes.append(Note(at, max(0.05, length), pitches[s], weight * (1 - 0.05 * order), how))
    return humanise(notes, rng, 0.005)


def pick(song, rng, capo=0):
    """Picks chord notes one by one and lets them ring; sometimes with a bass note on the beat."""
    grip, notes = grips(song, rng, capo, rng.random() < 0.2), []
    pattern = [int(i) for i in PICKS[int(rng.integers(len(PICKS)))].split()]
    travis = rng.random() < 0.3
    step = 0.5 if song.times[1] > 0.42 or rng.random() < 0.5 else 1.0
    force = rng.uniform(0.4, 0.85)
    position = 0.0
    while position < len(song.roots):
        beat = int(position)
        strings = [p for p in grip[beat] if p is not None]
        index = pattern[int(position / step) % len(pattern)]
        start = song.at(position)
        end = song.at(min(beat + song.beats - beat % song.beats, len(song.roots)))
        if travis and position == beat:
            bass = strings[0] if beat % 2 == 0 else strings[1]
            notes.append(Note(start, end - start, bass, force))
        if rng.random() < 0.96:
            pitch = strings[min(index, len(strings) - 1)]
            accent = 1.15 if position == beat else 0.9
            notes.append(Note(start, max(0.2, end - start), pitch, force * accent))
        position += step
    return humanise(cut_same_string(notes), rng)


def cut_same_string(notes):
    """Ends a note where the same pitch is played again."""
    after = {}
    for note in sorted(notes, key=lambda n: -n.start):
        if note.pitch in after:
            note.length = min(note.length, after[note.pitch] - note.start)
        after[note.pitch] = note.start
    return notes


def power(song, rng, down=0):
    """Plays power chords and palm mutes.

    Args:
        song (Song): Beat grid and chords.
        rng (numpy.random.Generator): Random generator.
        down (int): Semitones the guitar is tuned down.
    """
    patterns = [POWERS[i] for i in rng.choice(len(POWERS), 2)]
    events, notes = slots(song, patterns, rng), []
    octave, force = rng.random() < 0.6, rng.uniform(0.75, 1.0)
    gap = rng.uniform(0.001, 0.005)
    for i, (beat, symbol) in enumerate(events):
        if symbol in "-.":
            continue
        end = i + 1
        while end < len(events) and events[end][1] == "-":
            end += 1
        start = song.at(beat)
        stop = song.at(events[end][0]) if end < len(events) else song.seconds
        low = 40 - down
        root = low + (song.roots[int(beat)] - low) % 12
        # The palm mutes of metal stay on the low string; punk moves with the chord.
        if symbol == "m" and song.style == "heavy":
            root = low + (song.key - low) % 12 if (song.key - low) % 12 < 4 else root
        pitches = [root] if symbol == "m" and rng.random() < 0.5 else [root, root + 7]
        if symbol == "O" and octave:
            pitches.append(root + 12)
        how = "open" if symbol == "O" else "mute"
        weight = force * (1.0 if symbol == "O" else rng.uniform(0.7, 0.95))
        for order, pitch in enumerate(pitches):
            notes.append(
                Note(start + order * gap, max(0.04, stop - start - 0.01), pitch, weight, how)
            )
    return humanise(notes, rng, 0.005)


def riff(song, rng, down=0):
    """Plays a riff of one or two bars on the low strings, its pedal notes palm-muted."""
    low = 40 - down
    scale = SCALES[str(rng.choice(["minor", "blues", "aeolian"]))]
    length = int(rng.choice([1, 2])) * song.beats
    grid = rng.choice([0.25, 0.5, 0.5])
    shape, position, degree = [], 0.0, 0
    while position < length:
        duration = float(rng.choice([grid, grid, 2 * grid, 3 * grid]))
        if rng.random() < 0.15 and shape:
            position += duration
            continue
        degree = (
            0
            if rng.random() < 0.4
            else int(np.clip(degree + rng.integers(-2, 3), 0, len(scale) + 2))
        )
        interval = scale[degree % len(scale)] + 12 * (degree // len(scale))
        mute = degree == 0 and duration <= 0.5 and rng.random() < 0.6
        shape.append((position, duration, interval, mute, rng.random() < 0.3))
        position += duration
    notes, force, moves = [], rng.uniform(0.7, 1.0), rng.random() < 0.6
    for bar in range(0, len(song.roots), length):
        root = song.roots[bar] if moves else song.key
        base = low + (root - low) % 12
        for position, duration, interval, mute, fifth in shape:
            if bar + position >= len(song.roots):
                break
            start = song.at(bar + position)
            stop = song.at(min(bar + position + duration, len(song.roots)))
            for pitch in [base + interval] + ([base + interval + 7] if fifth and not mute else []):
                how = "mute" if mute else "open"
                notes.append(Note(start, max(0.05, (stop - start) * 0.95), pitch, force, how))
    return humanise(notes, rng, 0.006)


def stabs(song, rng):
    """Plays short chords on the upper strings, off the beat or in sixteenths (funk, reggae)."""
    pattern = str(
        rng.choice(
            [
                "..x...x...x...x.",
                "..D...D...D...D.",
                "D.xxD.x.xxD.x.D.",
                "x.xD.xD.x.xDx.D.",
                "....D.......D...",
            ]
        )
    )
    grip, notes, force = grips(song, rng, 0, True), [], rng.uniform(0.5, 0.9)
    for beat, symbol in slots(song, [pattern], rng):
        if symbol == ".":
            continue
        pitches = [p for p in grip[int(beat)] if p is not None][-4:]
        pitches = [p + 12 if max(pitches) < 62 else p for p in pitches]
        start, length = song.at(beat), rng.uniform(0.06, 0.16) if symbol == "D" else 0.04
        for order, pitch in enumerate(pitches):
            how = "dead" if symbol == "x" else "open"
            notes.append(Note(start + 0.004 * order, length, pitch, force, how))
    return humanise(notes, rng, 0.005)


def boogie(song, rng, down=0):
    """Shuffles between the fifth and the sixth over the root, as in rock and roll."""
    notes, force, mute = [], rng.uniform(0.65, 1.0), rng.random() < 0.4
    tops = [(7, 7, 9, 9), (7, 9, 10, 9), (7, 7, 9, 7), (7, 9, 7, 9)][int(rng.integers(4))]
    low = 40 - down
    for beat, root in enumerate(song.roots):
        base = low + (root - low) % 12
        for half in (0, 0.5):
            start, stop = song.at(beat + half), song.at(beat + half + 0.5)
            top = base + tops[int(beat % 2 * 2 + half * 2)]
            weight = force * (1.0 if half == 0 else 0.75)
            how = "mute" if mute and half else "open"
            for order, pitch in enumerate((base, top)):
                notes.append(Note(start + 0.003 * order, 0.93 * (stop - start), pitch, weight, how))
    return humanise(notes, rng, 0.006)
