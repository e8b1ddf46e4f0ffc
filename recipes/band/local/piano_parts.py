"""Writes parts for keyboards: accompaniment from POP909, chords, arpeggios, rock'n'roll, organ."""

from pathlib import Path

import mido
import numpy as np
from sampler import Note
from sampler_harmony import INTERVALS, draw_song, pop909_song

ROLES = ("pop909", "pop909", "block", "arpeggio", "rocknroll", "ballad", "stabs")


def read_tracks(path: Path) -> dict:
    """Reads a MIDI file as track name to list of (start, end, pitch, velocity)."""
    midi = mido.MidiFile(path)
    tempo = next((m.tempo for m in midi.tracks[0] if m.type == "set_tempo"), 500000)
    tracks = {}
    for track in midi.tracks:
        tick, playing, notes = 0, {}, []
        for message in track:
            tick += message.time
            now = mido.tick2second(tick, midi.ticks_per_beat, tempo)
            if message.type == "note_on" and message.velocity:
                playing[message.note] = now, message.velocity
            elif message.type in ("note_on", "note_off") and message.note in playing:
                start, velocity = playing.pop(message.note)
                notes.append((start, now, message.note, velocity))
        tracks[track.name] = sorted(notes)
    return tracks


def excerpt(midi: Path, names: tuple, seconds: float, rng) -> list[Note]:
    """Returns an excerpt of a random POP909 song's tracks, transposed and at another tempo."""
    songs = sorted(p for p in midi.glob("[0-9]*") if (p / f"{p.name}.mid").exists())
    if not songs:
        raise FileNotFoundError(f"midi must hold POP909's folders NNN/NNN.mid, got {midi}")
    song = songs[rng.integers(len(songs))]
    tracks = read_tracks(song / f"{song.name}.mid")
    notes = sorted(note for name in names for note in tracks.get(name, []))
    if len(notes) < 20:
        return []
    speed, shift = rng.uniform(0.85, 1.2), int(rng.integers(-5, 6))
    begin = notes[rng.integers(max(1, int(0.6 * len(notes))))][0]
    part = []
    for start, end, pitch, velocity in notes:
        at = (start - begin) / speed
        if 0 <= at < seconds:
            part.append(Note(at, max(0.05, (end - start) / speed), pitch + shift, velocity / 127))
    return part


def press_pedal(notes: list[Note], times: list[float]) -> list[Note]:
    """Lengthens notes to the next of `times`, where the pedal is changed."""
    times = np.array(times)
    for note in notes:
        later = times[times > note.start + 0.05]
        if len(later):
            note.length = max(note.length, later[0] - note.start + 0.03)
    return notes


def voice(root: int, quality: str, centre: float) -> list[int]:
    """Returns a chord's pitches in the inversion nearest to `centre`."""
    classes = [(root + step) % 12 for step in INTERVALS[quality]]
    pitches = [int(centre + (c - centre + 6) % 12 - 6) for c in classes]
    return sorted(pitches)


def humanize(notes: list[Note], rng, spread: float = 0.008) -> list[Note]:
    """Moves onsets by some milliseconds and velocities by some percent."""
    for note in notes:
        note.start = max(0.0, note.start + rng.normal(0, spread))
        note.velocity = float(np.clip(note.velocity * (1 + rng.normal(0, 0.1)), 0.1, 1))
    return notes


def chord(song, beat: float, length: float, velocity: float, centre: float, rng) -> list[Note]:
    """Plays the chord of a beat, slightly rolled."""
    index = min(int(beat), len(song.roots) - 1)
    start = song.at(beat)
    roll = abs(rng.normal(0, 0.004))
    pitches = voice(song.roots[index], song.qualities[index], centre)
    return [
        Note(start + i * roll, length, p, velocity * rng.uniform(0.85, 1))
        for i, p in enumerate(pitches)
    ]


def bass_of(song, beat: int) -> int:
    """Returns the left hand's root for a beat."""
    return 36 + (song.roots[beat] - 4) % 12 + 4


def block(song, rng) -> list[Note]:
    """Plays repeated chords over bass octaves."""
    step = rng.choice([0.5, 1.0, 1.0, 2.0])
    centre, level = rng.uniform(58, 68), rng.uniform(0.5, 0.9)
    octaves = rng.random() < 0.6
    notes = []
    n = len(song.roots)
    for beat in np.arange(0, n, step):
        length = step * (song.times[1] - song.times[0]) * rng.uniform(0.5, 0.98)
        accent = 1.0 if beat % song.beats == 0 else 0.82
        if rng.random() < 0.93:
            notes += chord(song, beat, length, level * accent, centre, rng)
    for beat in range(n):
        if song.changes(beat) or beat % song.beats == 0 or (beat % 2 == 0 and rng.random() < 0.5):
            low = bass_of(song, beat)
            for pitch in (low, low + 12) if octaves else (low,):
                notes.append(
                    Note(song.times[beat], song.times[1] * rng.uniform(1, 2), pitch, level * 0.9)
                )
    return notes


def arpeggio(song, rng) -> list[Note]:
    """Plays broken chords in eighths or sixteenths with the pedal."""
    step = rng.choice([0.25, 0.5, 0.5])
    centre, level = rng.uniform(57, 70), rng.uniform(0.35, 0.75)
    order = rng.choice(["up", "updown", "random", "alberti"])
    notes = []
    for index, beat in enumerate(np.arange(0, len(song.roots), step)):
        at = int(beat)
        pitches = voice(song.roots[at], song.qualities[at], centre)
        pitches = pitches + [pitches[0] + 12]
        if order == "up":
            pitch = pitches[index % len(pitches)]
        elif order == "updown":
            cycle = pitches + pitches[-2:0:-1]
            pitch = cycle[index % len(cycle)]
        elif order == "alberti":
            pitch = [pitches[0], pitches[2], pitches[1], pitches[2]][index % 4]
        else:
            pitch = pitches[rng.integers(len(pitches))]
        notes.append(Note(song.at(beat), 0.3, pitch, level * rng.uniform(0.8, 1)))
        if beat == at and song.changes(at):
            notes.append(Note(song.times[at], 0.8, bass_of(song, at), level))
    return press_pedal(notes, [t for i, t in enumerate(song.times[:-1]) if song.changes(i)])


def rocknroll(song, rng) -> list[Note]:
    """Plays a boogie in the left hand and repeated chords or licks in the right."""
    notes, level = [], rng.uniform(0.75, 1.0)
    walk = [0, 4, 7, 9, 10, 9, 7, 4] if rng.random() < 0.5 else [0, 0, 7, 7, 9, 9, 7, 7]
    for beat in range(len(song.roots)):
        for half in (0, 0.5):
            step = walk[int(2 * (beat % 4 + half)) % 8]
            low = bass_of(song, beat) + step
            notes.append(Note(song.at(beat + half), 0.22, low, level * 0.8))
            kind = rng.random()
            if kind < 0.62:
                notes += chord(song, beat + half, 0.18, level, 70, rng)
            elif kind < 0.8:
                scale = [0, 3, 4, 7, 9, 12]
                pitch = 72 + song.roots[beat] + int(rng.choice(scale))
                notes.append(Note(song.at(beat + half), 0.2, pitch, level))
                if rng.random() < 0.4:
                    notes.append(Note(song.at(beat + half) - 0.04, 0.06, pitch - 1, level * 0.7))
    return notes


def ballad(song, rng) -> list[Note]:
    """Plays long chords, a moving left hand and a little melody."""
    notes, level = [], rng.uniform(0.3, 0.65)
    for beat in range(len(song.roots)):
        low = bass_of(song, beat)
        if song.changes(beat) or beat % song.beats == 0:
            notes.append(Note(song.times[beat], 1.0, low, level))
            notes += chord(song, beat, 1.2, level * 0.9, 63, rng)
        else:
            if rng.random() < 0.7:
                notes.append(
                    Note(song.times[beat], 0.6, low + int(rng.choice([7, 12, 16])), level * 0.7)
                )
            if rng.random() < 0.5:
                notes += chord(song, beat, 0.6, level * 0.7, 64, rng)
        for half in (0.0, 0.5):
            if rng.random() < 0.3:
                pitch = rng.choice(voice(song.roots[beat], song.qualities[beat], 76))
                notes.append(Note(song.at(beat + half), 0.5, int(pitch), level))
    return press_pedal(
        notes, [t for i, t in enumerate(song.times[:-1]) if song.changes(i) or i % 4 == 0]
    )


def stabs(song, rng) -> list[Note]:
    """Plays short syncopated chords."""
    slots = [i for i in range(4 * song.beats) if rng.random() < 0.35] or [0, 6]
    centre, level, notes = rng.uniform(56, 68), rng.uniform(0.55, 0.95), []
    for bar in range(0, len(song.roots) - song.beats + 1, song.beats):
        for slot in slots:
            if rng.random() < 0.92:
                notes += chord(song, bar + slot / 4, rng.uniform(0.08, 0.3), level, centre, rng)
    return notes


def pad(song, rng, centre: float = 64.0, low: bool = True) -> list[Note]:
    """Holds each chord until the next."""
    notes, level, begin = [], rng.uniform(0.4, 0.9), 0
    for beat in range(1, len(song.roots) + 1):
        if beat == len(song.roots) or song.changes(beat) or beat - begin >= 8:
            length = song.times[beat] - song.times[begin]
            notes += chord(song, begin, length, level, centre, rng)
            if low:
                notes.append(
                    Note(song.times[begin], length, bass_of(song, begin) + 12, level * 0.8)
                )
            begin = beat
    return notes


def write_song(midi: Path, seconds: float, rng, style=None):
    """Draws a chord progression, or takes POP909's."""
    if style is None and rng.random() < 0.4:
        return pop909_song(midi, rng, seconds)
    return draw_song(rng, seconds, style or rng.choice(["major", "minor", "blues"]))


def write_part(role: str, midi: Path, seconds: float, rng) -> list[Note]:
    """Writes a part of one of `ROLES`, or "pad"."""
    if role == "pop909":
        notes = excerpt(midi, ("PIANO",), seconds, rng)
        if rng.random() < 0.6:
            press_pedal(notes, list(np.arange(0, seconds + 2, rng.uniform(0.8, 2.4))))
        return humanize(notes, rng, 0.004)
    style = {"rocknroll": "blues"}.get(role)
    song = write_song(midi, seconds, rng, style)
    writer = dict(
        block=block, arpeggio=arpeggio, rocknroll=rocknroll, ballad=ballad, stabs=stabs, pad=pad
    )[role]
    return humanize(writer(song, rng), rng)
