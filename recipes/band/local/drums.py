"""Renders drum solos: grooves on sampled kits, mixed and compressed as on records.

    python local/drums.py --data DATA --pool POOL --group drums_muldjord --minutes 25 --seed 1

DATA holds what `run.sh` fetched: muldjord/ gogodze/ frankensnare/ discord/ rumpf/ (folders of
samples) and *.sf2. Groups: drums_muldjord, drums_gogodze, drums_discord, drums_rumpf,
drums_fonts.
"""

import logging
import pickle
from functools import partial
from pathlib import Path

import drums_kits
import numpy as np
from drums_groove import STYLES, play
from drums_mix import mix, record
from pool import begin, write
from pool_licences import write_licences

FONT_PROGRAMS = (0, 8, 16, 32, 40)  # standard, room, power, jazz, brushes
USUAL = ("basic", "muted", "tight", "rimshot")  # snares, the others are prepared with objects
STYLES_OF = {
    "drums_muldjord": ("rock", "rock", "pop", "punk", "metal", "metal", "grunge", "grunge", "funk",
                       "country", "ballad", "sixties", "halftime", "tribal", "shuffle"),
    "drums_gogodze": ("rock", "pop", "sixties", "sixties", "funk", "country", "country", "ballad",
                      "shuffle", "slowblues", "swing", "tribal", "grunge"),
}  # fmt: skip


def cached(path: Path, load):
    """Returns `load()`, kept in a file between calls."""
    if path.exists():
        return pickle.loads(path.read_bytes())
    kit = load()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(kit))
    return kit


def load_kits(data: Path, group: str) -> list[dict]:
    """Loads the kits of a group."""
    cache = data / "cache"
    if group == "drums_fonts":
        fonts = sorted(data.glob("*.sf2"))
        if not fonts:
            raise FileNotFoundError(f"{data} must hold *.sf2, got none")
        return [
            cached(
                cache / f"{font.stem}-{program}.kit",
                partial(drums_kits.load_font, font, program, np.random.default_rng(program)),
            )
            for font in fonts
            for program in FONT_PROGRAMS
        ]
    rng = np.random.default_rng(0)
    if group == "drums_rumpf":
        return [drums_kits.load_rumpf(data / "rumpf", rng) for _ in range(8)]
    if group == "drums_discord":
        load = partial(drums_kits.load_discord, data / "discord", rng)
        return [cached(cache / "discord.kit", load)]
    muldjord = cached(cache / "muldjord.kit", lambda: drums_kits.load_muldjord(data / "muldjord"))
    if group == "drums_muldjord":
        return [muldjord]
    if group == "drums_gogodze":
        kit = cached(cache / "gogodze.kit", lambda: drums_kits.load_gogodze(data / "gogodze"))
        return [{**{n: muldjord[n] for n in ("ride", "bell", "crash", "china")}, **kit}]
    raise ValueError(f"group must be one of drums_*, got {group!r}")


def main():
    """Renders one group."""
    args, rng = begin(__doc__)
    kits = load_kits(args.data, args.group)
    snares = {}
    if args.group != "drums_rumpf" and (args.data / "frankensnare").is_dir():
        snares = cached(args.data / "cache" / "frankensnare.kit", lambda: drums_kits.load_snares(
            args.data / "frankensnare", np.random.default_rng(0)))  # fmt: skip
    styles = STYLES_OF.get(args.group, tuple(STYLES))
    seconds, index = 0.0, 0
    while seconds < 60 * args.minutes:
        kit = dict(kits[rng.integers(len(kits))])
        drum = "own"
        if snares and rng.random() < 0.6:
            usual = [s for s in sorted(snares) if s.split("_")[1] in USUAL]
            drum = str(rng.choice(usual if rng.random() < 0.9 else sorted(snares)))
            kit.update(snares[drum])
        elif "rim" not in kit and snares:
            kit["rim"] = snares[str(rng.choice([s for s in sorted(snares) if "rim" in snares[s]]))][
                "rim"
            ]
        style = styles[index % len(styles)]
        hits = play(style, rng.uniform(25, 50), rng)
        wav = mix(record(hits, kit, rng), rng)
        name = f"{style}-{args.seed}-{index:03d}"
        seconds += write(args.pool / args.group / "drums", name, wav, quality=0.45)
        logging.info("%s %s, snare %s, %.1f min", args.group, name, drum, seconds / 60)
        index += 1
    write_licences(args.pool, args.group)


if __name__ == "__main__":
    main()
