"""Renders solos of pianos, electric pianos and organs.

    python local/piano.py --data DATA --midi POP909 --pool POOL --group piano_sampled --minutes 20

DATA holds what `run.sh` fetched: headroom/ upright/ oldpiano/ salamander/ cp80/ pianet/
wurlitzer/ (folders of samples) and *.sf2. Groups: piano_sampled, piano_electric, piano_fonts.
"""

import logging
from pathlib import Path

from effects import random_chain
from piano_parts import ROLES, write_part
from piano_sampler import RATE, NoteSampler, SoundFont
from pool import begin, write
from pool_licences import write_licences
from scipy import signal

# Programs of General MIDI: pianos, electric pianos, clavinet, organs.
PROGRAMS = (0, 0, 1, 1, 2, 3, 4, 4, 5, 7, 16, 17, 18, 18, 19)
ORGANS = (16, 17, 18, 19)
ROLES_OF = {
    "organ": ("pad", "pad", "pad", "stabs", "block", "pop909"),
    "electric": ("pop909", "block", "arpeggio", "ballad", "stabs", "stabs"),
    "piano": ROLES,
}


def load(data: Path, name: str):
    """Loads a sampled keyboard."""
    named = {
        "close": ("headroom", r".*LEVEL(?P<layer>\d) CLOSE (?P<pitch>\d+)", tuple("12345")),
        "decca": ("headroom", r".*LEVEL(?P<layer>\d) DECCA (?P<pitch>\d+)", tuple("12345")),
        "upright": ("upright", r"(?P<pitch>[A-G]#?\d)v(?P<layer>[LH])", ("L", "H")),
        "oldpiano": ("oldpiano", r"(?P<pitch>[A-G]#?\d)\.flac", ("",)),
        "salamander": ("salamander", r"(?P<pitch>[A-G]s?#?\d)v10", ("",)),
        "cp80": ("cp80", r"(?P<pitch>\d{3})-.*-(?P<layer>PP|MP|FF)", ("PP", "MP", "FF")),
        "pianet": ("pianet", r"(?P<pitch>\d+)_.*_(?P<layer>P|FF)\.", ("P", "FF")),
        "wurlitzer": (
            "wurlitzer",
            r"(?P<pitch>[a-g]b?\d)(?P<layer>pp|mp|ff|f)\.",
            ("pp", "mp", "f", "ff"),
        ),
    }
    folder, pattern, layers = named[name]
    return NoteSampler(data / folder, pattern, layers)


def main():
    """Renders one group."""
    args, rng = begin(__doc__, midi=True)
    names = {
        "piano_sampled": "close decca close upright upright oldpiano salamander".split(),
        "piano_electric": ("cp80", "pianet", "wurlitzer"),
        "piano_fonts": (None,),
    }[args.group]
    loaded, seconds, index = {}, 0.0, 0
    while seconds < 60 * args.minutes:
        name, kind = names[index % len(names)], "piano"
        if name is None:
            fonts = sorted(args.data.glob("*.sf2"))
            font, program = fonts[rng.integers(len(fonts))], int(rng.choice(PROGRAMS))
            instrument, name = SoundFont(font, program), f"{font.stem}-{program}"
            kind = "organ" if program in ORGANS else "piano" if program < 4 else "electric"
        else:
            if name not in loaded:
                loaded[name] = load(args.data, name)
            instrument = loaded[name]
            kind = "electric" if args.group == "piano_electric" else "piano"
        roles = ROLES_OF[kind]
        role = roles[rng.integers(len(roles))]
        length = rng.uniform(25, 45)
        notes = write_part(role, args.midi, length, rng)
        if len(notes) < 10:
            continue
        wav = instrument.play(notes, length + 1, rng)
        if rng.random() < 0.8:
            wav = random_chain("piano", rng)(wav, RATE)
        wav = signal.resample_poly(wav, 1, 2)
        title = f"{name}-{role}-{args.seed}-{index:03d}"
        seconds += write(args.pool / args.group / "piano", title, wav)
        logging.info("%s %s, %.1f min", args.group, title, seconds / 60)
        index += 1
    write_licences(args.pool, args.group)


if __name__ == "__main__":
    main()
