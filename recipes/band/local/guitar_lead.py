"""Improvises lead guitar: phrases with bends, slides and vibrato."""

import numpy as np
from guitar import humanise
from guitar_tables import SCALES
from sampler import Note


def lead(song, rng):
    """Improvises phrases with bends, slides, vibrato and runs, with rests between."""
    minor = song.style in ("heavy", "minor") or rng.random() < 0.4
    scale = SCALES[str(rng.choice(["minor", "blues", "aeolian"]))] if minor else SCALES["major"]
    base = 52 + (song.key - 52) % 12
    ladder = [base + s + 12 * o for o in range(3) for s in scale]
    ladder = [p for p in ladder if p <= 86]
    notes, place, position = [], int(rng.integers(4, 9)), 0.0
    while position < len(song.roots) - 1:
        end = position + rng.uniform(2, 7)
        unit = float(rng.choice([0.25, 0.5, 0.5, 1 / 3]))
        while position < min(end, len(song.roots) - 1):
            duration = float(rng.choice([unit, unit, unit, 2 * unit, 4 * unit]))
            last = position + duration >= end
            duration = max(duration, 1.0) if last else duration
            place = int(
                np.clip(place + rng.choice([-2, -1, -1, 0, 1, 1, 2, 3]), 0, len(ladder) - 1)
            )
            start = song.at(position)
            stop = song.at(min(position + duration, len(song.roots)))
            bend = curve(stop - start, rng, long=stop - start > 0.35)
            notes.append(
                Note(start, stop - start, ladder[place], rng.uniform(0.65, 1.0), "open", bend)
            )
            position += duration
        position = np.ceil(position) + float(rng.choice([0, 0.5, 1, 2]))
    return humanise(notes, rng, 0.008)


def curve(seconds, rng, long):
    """Returns the pitch curve of one lead note: bend, slide or vibrato, or None."""
    kind = rng.choice(
        ["none", "bend", "slide", "vibrato"],
        p=[0.2, 0.25, 0.1, 0.45] if long else [0.8, 0.08, 0.12, 0],
    )
    time = np.linspace(0, seconds + 0.2, 80)
    if kind == "none":
        return None
    if kind == "slide":
        return time, np.interp(time, [0, rng.uniform(0.03, 0.1)], [-rng.choice([1, 2, 3]), 0])
    rise = rng.uniform(0.08, 0.25)
    value = np.zeros_like(time)
    if kind == "bend":
        height = rng.choice([1, 2, 2])
        value = np.interp(time, [0, 0.04, 0.04 + rise], [-height, -height, rng.normal(0, 0.08)])
    depth, speed = rng.uniform(0.1, 0.4), rng.uniform(4.5, 6.5)
    onset = np.clip((time - rise) / 0.3, 0, 1)
    return time, value + onset * depth * (0.5 - 0.5 * np.cos(2 * np.pi * speed * time))
