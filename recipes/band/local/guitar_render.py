"""Renders guitar solos: `guitar_render.py GROUP --samples DIR --pop909 DIR --out POOL`.

Each piece draws a song, a role, an instrument and an effect chain; many are double-tracked or
carry a second guitar. Seeded: the same seed gives the same pieces.
"""

import guitar
import guitar_lead
import numpy as np
from effects import random_chain, rms
from sampler import RATE, Sampler, SoundFont
from sampler_harmony import draw_song, pop909_song
from sampler_pool import fill, read_arguments

# Instruments of each group, by how they may be used.
GROUPS = {
    "guitar_emily": ["emily"],
    "guitar_shiny": ["shiny_pickup", "shiny_mic"],
    "guitar_blackgreen": ["gretsch", "hofner"],
    "guitar_tone": ["tone_electric", "tone_acoustic"],
    "guitar_nylon": ["nylon"],
    "guitar_fonts": ["font_clean", "font_jazz", "font_steel", "font_nylon", "font_drive"],
}
# Several guitars of different makes at once, as on most records.
GROUPS["guitar_band"] = sum(
    (GROUPS[f"guitar_{g}"] for g in ("emily", "shiny", "blackgreen", "tone", "nylon")), []
)
ACOUSTIC = {"shiny_mic", "nylon", "tone_acoustic", "font_steel", "font_nylon"}
# General MIDI programs: (open, muted).
PROGRAMS = {
    "font_clean": (27, 28), "font_jazz": (26, 28), "font_steel": (25, None),
    "font_nylon": (24, None), "font_drive": (27, 28),
}  # fmt: skip

# Role: (chance for electric, chance for acoustic, effect chains with chances).
ROLES = {
    "power": (0.27, 0.0, {"guitar_high": 0.65, "guitar_crunch": 0.35}),
    "riff": (0.13, 0.04, {"guitar_high": 0.45, "guitar_crunch": 0.45, "guitar_clean": 0.1}),
    "strum_open": (0.16, 0.55, {"guitar_crunch": 0.55, "guitar_clean": 0.3, "guitar_high": 0.15}),
    "strum_barre": (0.10, 0.10, {"guitar_crunch": 0.6, "guitar_clean": 0.3, "guitar_high": 0.1}),
    "pick": (0.12, 0.28, {"guitar_clean": 0.6, "guitar_crunch": 0.4}),
    "lead": (0.13, 0.03, {"guitar_high": 0.4, "guitar_crunch": 0.4, "guitar_clean": 0.2}),
    "stabs": (0.08, 0.02, {"guitar_clean": 0.7, "guitar_crunch": 0.3}),
    "boogie": (0.07, 0.04, {"guitar_crunch": 0.6, "guitar_clean": 0.25, "guitar_high": 0.15}),
}
LOW = ("power", "riff", "boogie")
STYLES = {
    "boogie": ["blues", "blues", "major"], "power": ["heavy", "punk", "punk", "minor", "major"],
    "riff": ["heavy", "blues", "minor"], "lead": ["heavy", "blues", "minor", "major"],
}  # fmt: skip


def draw_role(rng, acoustic):
    """Draws a role's name."""
    chances = np.array([role[1 if acoustic else 0] for role in ROLES.values()])
    return str(rng.choice(list(ROLES), p=chances / chances.sum()))


def draw_chain(rng, role, acoustic):
    """Draws the kind of the effect chain for a role."""
    if acoustic and rng.random() < 0.95:
        return "acoustic"
    kinds = ROLES[role][2]
    return str(rng.choice(list(kinds), p=list(kinds.values())))


def write_part(song, role, rng, down, capo):
    """Writes the notes of a role."""
    if role == "strum_open":
        return guitar.strum(song, rng, barre=False, capo=capo)
    if role == "strum_barre":
        return guitar.strum(song, rng, barre=True)
    if role == "pick":
        return guitar.pick(song, rng, capo)
    if role in LOW:
        return getattr(guitar, role)(song, rng, down)
    module = guitar_lead if role == "lead" else guitar
    return getattr(module, role)(song, rng)


def tuned(notes, down):
    """Lowers all notes, as a guitar tuned down sounds with the same grips."""
    for note in notes:
        note.pitch -= down
    return notes


class Band:
    """Opens instruments on demand.

    Args:
        samples (Path): Folder with the sample libraries.
        fonts (list of Path): Sound fonts.
    """

    def __init__(self, samples, fonts):
        self.samples, self.fonts, self.open = samples, fonts, {}

    def get(self, name, rng):
        """Returns an instrument by name."""
        if name.startswith("font_"):
            return SoundFont(self.fonts[int(rng.integers(len(self.fonts)))], *PROGRAMS[name])
        if name not in self.open:
            self.open[name] = Sampler(self.samples, name)
        return self.open[name]


def render_piece(band, names, pop909, rng, seconds, together=0.3):
    """Renders one piece.

    Args:
        band (Band): Instruments.
        names (list of str): Names of the instruments to draw from.
        pop909 (Path): Folder of POP909.
        rng (numpy.random.Generator): Random generator.
        seconds (float): Length.
        together (float): Chance of a second guitar with a part of its own.

    Returns:
        tuple: Samples at `RATE` and a description.
    """
    name = str(rng.choice(names))
    acoustic = name in ACOUSTIC
    role = draw_role(rng, acoustic)
    popular = role in ("strum_open", "strum_barre", "pick", "stabs") and rng.random() < 0.5
    style = str(rng.choice(STYLES[role])) if role in STYLES else None
    song = pop909_song(pop909, rng, seconds) if popular else draw_song(rng, seconds, style)
    down = int(rng.choice([0, 0, 0, 1, 2, 4])) if role in LOW else 0
    capo = int(rng.choice([0, 0, 0, 2, 3, 4, 5, 7])) if role in ("strum_open", "pick") else 0
    whole = int(rng.choice([0, 0, 0, 1, 2])) if role not in LOW else 0
    tracks, about = [], [name, role]

    def take(instrument, role, kind, state):
        part = np.random.default_rng(state)
        notes = tuned(write_part(song, role, part, down, capo), whole)
        notes = guitar.humanise(notes, rng, 0.005)
        dry = band.get(instrument, rng).play(notes, song.seconds, rng)
        return random_chain(kind, rng, codec=0.15)(dry, RATE)

    kind, state = draw_chain(rng, role, acoustic), int(rng.integers(2**31))
    tracks.append(take(name, role, kind, state))
    about.append(kind)
    if role != "lead" and rng.random() < (
        0.5 if kind in ("guitar_high", "guitar_crunch") else 0.25
    ):
        # The same part once more, by another take: doubled, as on most records.
        other = str(rng.choice([n for n in names if (n in ACOUSTIC) == acoustic]))
        again = kind if rng.random() < 0.6 else draw_chain(rng, role, acoustic)
        tracks.append(take(other, role, again, state) * rng.uniform(0.5, 1.0))
        about.append("doubled")
    if rng.random() < max(together, 0.6 if role == "lead" else 0.0):
        other = str(rng.choice(names))
        second = (
            draw_role(rng, other in ACOUSTIC) if role == "lead" or rng.random() < 0.5 else "lead"
        )
        kind = draw_chain(rng, second, other in ACOUSTIC)
        tracks.append(take(other, second, kind, int(rng.integers(2**31))) * rng.uniform(0.4, 1.1))
        about += ["with", other, second, kind]
    n_samples = min(len(t) for t in tracks)
    mix = np.sum([t[:n_samples] for t in tracks], axis=0)
    return mix / (10 * rms(mix)), " ".join(about)


def main():
    """Runs the command line."""
    args = read_arguments(__doc__, GROUPS)
    band, names = Band(args.samples, args.fonts), GROUPS[args.group]
    together = 1.0 if args.group == "guitar_band" else 0.3

    def render(rng):
        wav, about = render_piece(band, names, args.pop909, rng, args.seconds, together)
        return wav, about.split()[1], about

    fill(args, "guitar", RATE, render)


if __name__ == "__main__":
    main()
