"""Renders solos of strings, winds, brass and synthesizers: the background of other sources.

    python local/other.py --data DATA --midi POP909 --pool POOL --group other_fonts --minutes 15

DATA holds what `run.sh` fetched: weresax/ violin/ cello/ trumpet/ saxophone/ flute/ (folders of
samples) and *.sf2. Groups: other_sampled, other_synth, other_fonts.
"""

import logging

import numpy as np
from effects import random_chain
from other_parts import RATE, Synth, arpeggiator, melody, riffs, section
from piano_sampler import NoteSampler, SoundFont
from pool import begin, write
from pool_licences import write_licences
from scipy import signal

# General MIDI programs, how they are used, and their range of pitches.
FONT_ROLES = [
    ((48, 49, 50, 51, 44), ("section", "section", "melody"), 48, 88),  # string ensembles
    ((40, 41, 42, 110), ("melody",), 52, 88),  # solo strings
    (
        (45, 46, 11, 12, 13, 9, 10, 108),
        ("arpeggiator", "melody", "riffs"),
        52,
        90,
    ),  # plucked, mallets
    ((56, 57, 60, 61, 62, 63), ("riffs", "riffs", "melody", "section"), 48, 80),  # brass
    ((64, 65, 66, 67), ("melody", "riffs"), 48, 80),  # saxophones
    ((68, 70, 71, 73, 74, 75), ("melody",), 55, 90),  # woodwinds
    ((21, 22, 23), ("melody", "section"), 55, 84),  # accordion, harmonica
    ((80, 81, 82, 83, 84, 87), ("melody", "arpeggiator"), 50, 86),  # leads
    ((88, 89, 90, 92, 93, 94, 95, 99, 100), ("section",), 50, 80),  # pads
    ((19, 20, 16), ("section",), 48, 80),  # organs as pads
]
PITCH = r"(?P<pitch>[A-G]s?\d)( v\d)?\.wav"
SAMPLED = {
    "violin": (PITCH, ("",), 1, 55, 93, True), "cello": (PITCH, ("",), 1, 36, 74, True),
    "trumpet": (PITCH, ("",), 1, 52, 84, True), "saxophone": (PITCH, ("",), 1, 49, 81, True),
    "flute": (PITCH, ("",), 1, 60, 94, True),
    "weresax": (r"(?P<pitch>[a-g]b?\d)_(?P<layer>[pf])_rr\d_dnm", ("p", "f"), 2, 49, 80, True),
}  # fmt: skip


def write_part(role, midi, seconds, rng, low, high):
    """Writes a part of a role within a range of pitches."""
    centre = (low + high) / 2 - 2
    if role == "melody":
        return melody(midi, seconds, rng, low, high)
    return {"section": section, "riffs": riffs, "arpeggiator": arpeggiator}[role](
        midi, seconds, rng, centre
    )


def draw(args, rng, loaded):
    """Draws an instrument: returns its name, a player, a role and its range."""
    if args.group == "other_fonts":
        fonts = sorted(args.data.glob("*.sf2"))
        if not fonts:
            raise FileNotFoundError(f"{args.data} must hold *.sf2, got none")
        font = fonts[rng.integers(len(fonts))]
        programs, roles, low, high = FONT_ROLES[rng.integers(len(FONT_ROLES))]
        program = int(rng.choice(programs))
        return f"{font.stem}-{program}", SoundFont(font, program), str(rng.choice(roles)), low, high
    if args.group == "other_synth":
        kind = str(rng.choice(["pad", "lead", "pluck"], p=[0.4, 0.3, 0.3]))
        role = {"pad": "section", "lead": "melody"}.get(kind) or str(
            rng.choice(["arpeggiator", "riffs"])
        )
        return kind, Synth(rng, kind), role, 48, 84
    name = str(rng.choice(sorted(SAMPLED)))
    pattern, layers, octave, low, high, sustained = SAMPLED[name]
    if name not in loaded:
        loaded[name] = NoteSampler(args.data / name, pattern, layers, octave, 0.25, sustained)
    roles = (
        ("melody", "melody", "section")
        if name in ("violin", "cello")
        else ("melody", "melody", "riffs")
    )
    return name, loaded[name], str(rng.choice(roles)), low, high


def main():
    """Renders one group."""
    args, rng = begin(__doc__, ["other_sampled", "other_synth", "other_fonts"], midi=True)
    loaded, seconds, index = {}, 0.0, 0
    while seconds < 60 * args.minutes:
        name, instrument, role, low, high = draw(args, rng, loaded)
        length = rng.uniform(22, 40)
        notes = write_part(role, args.midi, length, rng, low, high)
        if len(notes) < 8:
            continue
        wav = instrument.play(notes, length + 1, rng)
        if np.abs(wav).max() < 1e-4:
            continue
        if rng.random() < 0.85:
            wav = random_chain("other", rng)(wav, RATE)
        title = f"{name}-{role}-{args.seed}-{index:03d}"
        seconds += write(args.pool / args.group / "other", title, signal.resample_poly(wav, 1, 2))
        logging.info("%s %s, %.1f min", args.group, title, seconds / 60)
        index += 1
    write_licences(args.pool, args.group)


if __name__ == "__main__":
    main()
