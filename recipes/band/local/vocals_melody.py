"""Turns POP909 melodies into what a singer does: phrases, ranges, glides, vibrato, harmonies.

Needs numpy, scipy and mido.
"""

import mido
import numpy as np
from scipy import ndimage
from vocals_world import FRAMES_PER_SECOND

# Singers: median pitch in Hz and vocal tract scale of the voice bank; chance of each.
SINGERS = {
    "baritone": ((120, 170), (0.74, 0.84), 0.17),
    "tenor": ((170, 270), (0.78, 0.9), 0.6),
    "alto": ((210, 300), (0.88, 0.98), 0.13),
    "soprano": ((300, 460), (0.95, 1.08), 0.08),
    "child": ((320, 480), (1.1, 1.2), 0.02),
}
MAJOR = (0, 2, 4, 5, 7, 9, 11)


def read_melody(path):
    """Returns the notes of a song's MELODY track: rows of (start, end, pitch), in seconds."""
    midi = mido.MidiFile(path)
    tempo = next((m.tempo for m in midi.tracks[0] if m.type == "set_tempo"), 500000)
    track = next((t for t in midi.tracks if t.name.strip().upper() == "MELODY"), None)
    notes, ticks, started = [], 0, {}
    for message in track or []:
        ticks += message.time
        seconds = mido.tick2second(ticks, midi.ticks_per_beat, tempo)
        if message.type == "note_on" and message.velocity > 0:
            started[message.note] = seconds
        elif message.type in ("note_on", "note_off") and message.note in started:
            notes.append((started.pop(message.note), seconds, message.note))
    return np.array(sorted(notes))


def sung_phrases(notes, breath=0.35, longest=9.0):
    """Cuts a melody at rests (or when it is time to breathe): a list of arrays of notes."""
    phrases, current = [], []
    for note in notes:
        if current and (
            note[0] - current[-1][1] > breath or current[-1][1] - current[0][0] > longest
        ):
            phrases.append(np.array(current))
            current = []
        if current and note[0] < current[-1][1] + 0.03:
            current[-1][1] = note[0]  # legato, and never two notes at once
        if note[1] - note[0] > 0.06:
            current.append(np.array(note))
    return phrases + ([np.array(current)] if current else [])


def scale_of(notes):
    """Returns the pitch classes of the major scale that holds most of a melody."""
    held = np.bincount(notes[:, 2].astype(int) % 12, notes[:, 1] - notes[:, 0], 12)
    best = max(range(12), key=lambda root: sum(held[(root + step) % 12] for step in MAJOR))
    return sorted((best + step) % 12 for step in MAJOR)


def in_thirds(pitches, scale, degrees):
    """Moves pitches by steps of a scale: 2 is a third above, -3 a fourth below."""
    ladder = [p for p in range(128) if p % 12 in scale]
    index = np.searchsorted(ladder, pitches)
    return np.array(ladder)[np.clip(index + degrees, 0, len(ladder) - 1)]


def draw_style(rng):
    """Draws how a singer sings: vibrato, glides, scoops, accuracy (semitones) and dynamics (dB)."""
    return {
        "rate": rng.uniform(4.8, 6.8),
        "depth": rng.choice([0.08, rng.uniform(0.15, 0.5), rng.uniform(0.4, 1.1)]),
        "onset": rng.uniform(0.12, 0.5),
        "glide": rng.uniform(0.03, 0.14),
        "scoop": rng.uniform(0.0, 0.6),
        "drift": rng.uniform(0.05, 0.25),
        "mistune": rng.uniform(0.02, 0.18),
        "fall": rng.uniform(0.0, 0.4),
        "arc": rng.uniform(0.0, 5.0),
        "detached": rng.uniform(0.0, 10.0),
        "swell": rng.uniform(0.0, 4.0),
    }


def note_bounds(notes, n_frames):
    """Returns the first frame of each note of a phrase, and the phrase's end."""
    starts = (notes[1:, 0] * FRAMES_PER_SECOND).astype(int)
    return np.concatenate([[0], starts, [n_frames]])


def loudness_curve(notes, pitch, style, rng):
    """Returns the dynamics of a phrase in dB for each frame.

    Args:
        notes (numpy.ndarray): Rows of (start, end, pitch), in seconds from the phrase's start.
        pitch (numpy.ndarray): Pitch of each frame, as from `pitch_curve`.
        style (dict): As from `draw_style`.
        rng (numpy.random.Generator): Random generator.
    """
    n_frames = len(pitch)
    bounds = note_bounds(notes, n_frames)
    phrase = np.linspace(0, 1, n_frames)
    curve = style["arc"] * np.sin(np.pi * phrase ** rng.uniform(0.6, 1.6))
    curve += 0.3 * (pitch - np.median(pitch))  # high notes are sung louder
    curve += 1.2 * ndimage.gaussian_filter1d(rng.standard_normal(n_frames), 30) * 10
    for a, b in zip(bounds, bounds[1:]):
        place = np.linspace(0, 1, b - a)
        curve[a:b] += rng.normal(0, 1.5) - style["detached"] * place**3
        curve[a:b] -= style["swell"] * np.exp(-np.arange(b - a) / 12.0)
    curve -= 10.0 * np.clip((np.arange(n_frames) - n_frames + 20) / 20, 0, 1)
    return ndimage.gaussian_filter1d(curve, 2)


def pitch_curve(notes, n_frames, style, rng):
    """Returns a pitch in MIDI numbers for each frame of a phrase.

    Args:
        notes (numpy.ndarray): Rows of (start, end, pitch), in seconds from the phrase's start.
        n_frames (int): Length of the result.
        style (dict): As from `draw_style`.
        rng (numpy.random.Generator): Random generator.
    """
    curve = np.empty(n_frames)
    ornament = np.zeros(n_frames)
    bounds = note_bounds(notes, n_frames)
    for (start, end, pitch), a, b in zip(notes, bounds, bounds[1:]):
        n = b - a
        curve[a:b] = pitch + rng.normal(0, style["mistune"])
        seconds = np.arange(n) / FRAMES_PER_SECOND
        onset = style["onset"] * rng.uniform(0.6, 1.5)
        if end - start > onset + 0.15:
            rate = style["rate"] * rng.uniform(0.93, 1.07)
            phase = 2 * np.pi * rate * np.cumsum(1 + 0.05 * np.sin(3 * seconds)) / FRAMES_PER_SECOND
            grown = np.clip((seconds - onset) / 0.35, 0, 1)
            ornament[a:b] += style["depth"] * rng.uniform(0.6, 1.2) * grown * np.sin(phase)
        if rng.random() < style["scoop"]:
            ornament[a:b] -= rng.uniform(0.3, 2.0) * np.exp(-seconds / rng.uniform(0.03, 0.08))
    if rng.random() < style["fall"]:
        n = min(n_frames, int(rng.uniform(0.1, 0.3) * FRAMES_PER_SECOND))
        ornament[-n:] -= rng.uniform(0.5, 3.0) * np.linspace(0, 1, n) ** 2
    glided = ndimage.gaussian_filter1d(curve, style["glide"] * FRAMES_PER_SECOND / 2.5)
    # A singer passes the new note a little before settling on it.
    glided += 0.12 * (curve - ndimage.gaussian_filter1d(curve, 0.09 * FRAMES_PER_SECOND))
    slow = ndimage.gaussian_filter1d(rng.standard_normal(n_frames + 400), 40)[200:-200]
    fast = ndimage.gaussian_filter1d(rng.standard_normal(n_frames), 2)
    drift = style["drift"] * slow / slow.std() if n_frames > 40 else 0.0
    return glided + ornament + drift + 0.04 * fast / (fast.std() + 1e-9)
