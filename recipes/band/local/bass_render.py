"""Renders bass solos: `bass_render.py GROUP --samples DIR --pop909 DIR --out POOL --minutes 10`."""

import bass
import numpy as np
from bass_synth import Synth
from effects import random_chain
from guitar import humanise
from sampler import RATE, Sampler, SoundFont
from sampler_harmony import draw_song, pop909_song
from sampler_pool import fill, read_arguments

GROUPS = {
    "bass_growly": ["growly"],
    "bass_fifths": ["fashion", "swag"],
    "bass_six": ["bass6_round", "bass6_flat_pick", "bass6_flat_finger", "bass6_flat_muted"],
    "bass_upright": ["upright"],
    "bass_fonts": [*(f"font_{n}" for n in (33, 34, 34, 33, 35, 36, 32)), "tone_bass"],
    "bass_synth": ["synth"],
}
# Share of pieces without any effect.
DRY = 0.04


def instrument(name, samples, fonts, cache, rng):
    """Returns an instrument by name; samplers are kept in `cache`."""
    if name == "synth":
        return Synth(rng)
    if name.startswith("font_"):
        return SoundFont(fonts[int(rng.integers(len(fonts)))], int(name[5:]))
    if name not in cache:
        cache[name] = Sampler(samples, name)
    return cache[name]


def render_piece(name, player, pop909, rng, seconds):
    """Renders one piece: returns (samples at `RATE`, role)."""
    role = None
    if name == "upright":
        role = str(rng.choice(["walk", "walk", "country", "boogie", "roots"]))
    elif name == "synth":
        role = str(rng.choice(["eighths", "octave", "sixteenths", "roots", "pop", "riff"]))
    song = pop909_song(pop909, rng, seconds) if rng.random() < 0.35 else draw_song(rng, seconds)
    # Open strings, other tunings, and places up the neck.
    lowest = int(rng.choice([28, 28, 28, 27, 26, 24, 23, 33, 35, 38, 40]))
    if name == "synth":
        lowest = int(rng.choice([24, 28, 31, 36]))
    notes, role = bass.line(song, rng, role, lowest)
    if name != "synth":
        notes = humanise(notes, rng, 0.006)
        # Each player's touch: soft fingers to a hard pick.
        touch = rng.uniform(0.7, 1.2)
        for note in notes:
            note.velocity = float(np.clip(note.velocity * touch, 0.05, 1))
    if role in ("eighths", "sixteenths") and name != "synth" and rng.random() < 0.15:
        for note in notes:
            note.how = "mute"
    dry = player.play(notes, song.seconds, rng)
    if rng.random() < DRY:
        return dry, role
    return random_chain("bass", rng, codec=0.15)(dry, RATE), role


def main():
    """Runs the command line."""
    args, cache = read_arguments(__doc__, GROUPS), {}

    def render(rng):
        name = str(rng.choice(GROUPS[args.group]))
        player = instrument(name, args.samples, args.fonts, cache, rng)
        wav, role = render_piece(name, player, args.pop909, rng, args.seconds)
        return wav, role, name

    fill(args, "bass", RATE, render)


if __name__ == "__main__":
    main()
