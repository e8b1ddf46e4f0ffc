"""Writes drum parts: grooves, fills and sections with a drummer's timing and dynamics."""

from dataclasses import dataclass

import numpy as np

LEVELS = {"X": 1.0, "x": 0.82, "o": 0.55, "g": 0.25}


@dataclass
class Hit:
    """One stroke: time in seconds, drum or cymbal, velocity in (0, 1]."""

    time: float
    name: str
    velocity: float


# A bar is sixteen slots, or twelve where the style is in triplets ("swing").
STYLES = {
    "rock": dict(
        bpm=(90, 150),
        kick=[
            "x.......x.......",
            "x.....x.x.......",
            "x.x.....x.x.....",
            "x......xx.x.....",
            "x.....x...x.....",
            "x..x....x.x.....",
        ],
        snare=["....X.......X...", "....X..g.g..X...", "....X.......X..g"],
        time=["hat8", "hat8", "open8", "ride8", "crash4"],
    ),
    "pop": dict(
        bpm=(85, 130),
        kick=["x...x...x...x...", "x.......x.x.....", "x..x..x...x.....", "x.....x..x......"],
        snare=["....X.......X...", "....X.......X.x."],
        time=["hat16", "hat8", "hat4", "offopen", "ride8"],
    ),
    "punk": dict(
        bpm=(150, 205),
        kick=["x.....x.x.....x.", "x...x...x...x...", "x..x..x.x.x...x.", "x.x...x.x.x...x."],
        snare=["....X.......X...", "..X...X...X...X."],
        time=["open8", "hat8", "ride8", "crash4", "open4"],
    ),
    "metal": dict(
        bpm=(110, 200),
        kick=[
            "xxxxxxxxxxxxxxxx",
            "x.xxx.xxx.xxx.xx",
            "xx.xxx.xxx.xxx.x",
            "x.x.x.x.x.x.x.x.",
            "xxx.xxx.xxx.xxx.",
            "x..x..x..x..x.x.",
        ],
        snare=["....X.......X...", "........X.......", "..X...X...X...X.", "x.x.x.x.x.x.x.x."],
        time=["open8", "ride8", "bell4", "china4", "crash4", "hat8"],
    ),
    "grunge": dict(
        bpm=(75, 135),
        kick=["x.x.....x.x.....", "x......xx.......", "x.xx....x.x.....", "x..x..x...x....."],
        snare=["....X.......X...", "....X.......X.X.", "........X......."],
        time=["open8", "crash4", "open4", "ride8", "hat8"],
    ),
    "funk": dict(
        bpm=(88, 120),
        kick=["x.x....x..x.....", "x..x..x...xx....", "x.....xx..x..x..", "xx.....x.xx....."],
        snare=["....X.g.g.g.X..g", "....X..g.g.gX.g.", ".g..X..g.gg.X..g"],
        time=["hat16", "hat8", "hat16", "offopen"],
    ),
    "country": dict(
        bpm=(95, 170),
        kick=["x.......x.......", "x...x...x...x...", "x.....x.x.....x."],
        snare=["g.g.X.g.g.g.X.g.", "....X.......X...", "gogoXogogogoXogo"],
        time=["hat8", "none", "ride8", "hat8", "hat4"],
    ),
    "ballad": dict(
        bpm=(58, 88),
        kick=["x.......x.......", "x......xx.......", "x.....x.x.....x."],
        snare=["....x.......x...", "....r.......r...", "....r.......r.r."],
        time=["hat8", "ride8", "hat16", "hat4"],
    ),
    "disco": dict(
        bpm=(108, 128),
        kick=["x...x...x...x..."],
        snare=["....X.......X...", "....X.......X..g"],
        time=["offopen", "hat16", "offopen"],
    ),
    "sixties": dict(
        bpm=(100, 160),
        kick=["x.......x.x.....", "x.....x.x.......", "x..x....x..x...."],
        snare=["....X.......X...", "....X.X.....X...", "x...X...x...X..."],
        time=["open8", "hat8", "ride8", "hat4", "tom8"],
    ),
    "halftime": dict(
        bpm=(120, 170),
        kick=["x.....x.......x.", "x.x...........x.", "x..x..x.........", "x.........x....."],
        snare=["........X.......", "........X....g.g"],
        time=["hat8", "open4", "ride4", "crash4", "hat16"],
    ),
    "tribal": dict(
        bpm=(85, 140),
        kick=["x...x...x...x...", "x.......x.......", "x..x..x.x..x..x."],
        snare=["............X...", "....X.......X...", "................"],
        time=["tom8", "tom16", "tom8"],
    ),
    "shuffle": dict(
        bpm=(85, 145),
        swing=True,
        kick=["x.....x.....", "x....xx.....", "x..x..x..x..", "x....xx.x..."],
        snare=["...X.....X..", "...X.g.g.X.g", "..gX.g..gX.g"],
        time=["shuffle", "shuffleride", "shuffleopen", "hat4"],
    ),
    "slowblues": dict(
        bpm=(52, 72),
        swing=True,
        kick=["x.....x.....", "x....xx....x", "x..x..x....."],
        snare=["...X.....X..", "...r.....r..", "...X....gX.g"],
        time=["triplet", "tripletride", "shuffle"],
    ),
    "swing": dict(
        bpm=(100, 180),
        swing=True,
        kick=["o..o..o..o..", "o...........", "o.....o..o.."],
        snare=["............", "...g.....x..", ".....g.....g", "..x......x.."],
        time=["jazzride", "jazzride", "jazzhat"],
    ),
}

# Timekeeping: the instrument and its slots, for a bar of sixteen or of twelve.
TIMES = {
    "hat8": [("hat", "X.x.X.x.X.x.X.x.")],
    "hat16": [("hat", "XoxoXoxoXoxoXoxo")],
    "hat4": [("hat", "x...x...x...x...")],
    "open8": [("loose", "X.x.X.x.X.x.X.x.")],
    "open4": [("open", "X...X...X...X...")],
    "ride8": [("ride", "X.x.X.x.X.x.X.x.")],
    "ride4": [("ride", "X...x...X...x...")],
    "bell4": [("bell", "X...x...X...x...")],
    "china4": [("china", "X...x...X...x...")],
    "crash4": [("crash", "X...x...X...x...")],
    "offopen": [("hat", "x...x...x...x..."), ("open", "..x...x...x...x.")],
    "tom8": [("tom4", "X.x.x.x.X.x.x.x.")],
    "tom16": [("tom4", "X.xoX.xoX.xoX.x."), ("tom3", "...........x..xx")],
    "none": [],
    "shuffle": [("hat", "X.xX.xX.xX.x")],
    "shuffleride": [("ride", "X.xX.xX.xX.x")],
    "shuffleopen": [("loose", "X.xX.xX.xX.x")],
    "triplet": [("hat", "XooXooXooXoo")],
    "tripletride": [("ride", "XooXooXooXoo")],
    "jazzride": [("ride", "x..X.ox..X.o"), ("pedal", "...x.....x..")],
    "jazzhat": [("open", "x.....x....."), ("hat", "...x.o...x.o")],
}
SWING_TIMES = {"hat4": [("hat", "x..x..x..x..")]}
TIME_LEVELS = {"hat": 0.85, "ride": 0.85, "loose": 0.65, "open": 0.65, "crash": 0.6, "china": 0.7}
TOMS = ("tom1", "tom2", "tom3", "tom4")


def write_fill(slots: int, start: int, loudness: float, rng) -> list[tuple[int, str, float]]:
    """Writes a fill from slot `start` to the end of a bar as (slot, name, velocity)."""
    kind = rng.choice(["snare", "toms", "mixed", "sparse", "linear", "build"])
    fill = []
    length = slots - start
    for slot in range(start, slots):
        place = (slot - start) / max(length, 1)
        velocity = loudness * rng.uniform(0.65, 1.0)
        if kind == "snare":
            name = "snare"
        elif kind == "toms":
            name = TOMS[min(int(4 * place), 3)]
        elif kind == "mixed":
            name = rng.choice(["snare", "snare", "tom1", "tom2", "tom4"])
        elif kind == "linear":
            name = ["snare", "tom3", "kick", "tom4"][slot % 4]
        elif kind == "build":
            name, velocity = "snare", loudness * (0.35 + 0.65 * place)
        else:
            name = rng.choice(["snare", "tom2", "tom4"])
            if rng.random() < 0.5:
                continue
        if kind in ("toms", "mixed") and rng.random() < 0.15:
            continue
        fill.append((slot, str(name), velocity))
        if rng.random() < 0.06:
            fill.append((slot, "flam", velocity))
    return fill


def draw_section(style: dict, rng) -> dict:
    """Draws what one section repeats: kick, snare, timekeeping, loudness."""
    section = {key: str(rng.choice(style[key])) for key in ("kick", "snare", "time")}
    if section["time"].startswith(("open", "crash", "china")) and rng.random() < 0.5:
        section["time"] = str(rng.choice(["hat8", "hat8", "ride8", "hat4"]))
    section["loudness"] = rng.uniform(0.7, 1.0)
    section["fill"] = rng.choice([0, 1, 1, 2])  # how much of the last bar: none, half, all
    section["drop"] = "time" if rng.random() < 0.04 else "kick" if rng.random() < 0.05 else ""
    return section


def write_bar(style: dict, section: dict, first: bool, last: bool, rng):
    """Writes one bar of a section as (slot, name, velocity), and its number of slots."""
    swing = style.get("swing", False)
    slots = 12 if swing else 16
    loud = section["loudness"]
    end = slots
    fill = []
    if last and section["fill"]:
        end = slots // 2 if section["fill"] == 1 else slots // 4
        if rng.random() < 0.4:
            end = 3 * slots // 4
        fill = write_fill(slots, end, loud, rng)
    bar = []
    times = (SWING_TIMES if swing else {}).get(section["time"]) or TIMES[section["time"]]
    lines = [] if section["drop"] == "time" else list(times)
    if section["drop"] != "kick":
        lines.append(("kick", section["kick"]))
    lines.append(("snare", section["snare"]))
    for name, line in lines:
        for slot, char in enumerate(line[:slots]):
            if char == "." or slot >= end:
                continue
            velocity = LEVELS.get(char, 0.75) * loud
            velocity *= TIME_LEVELS.get(name, 1.0)
            if name == "kick" and rng.random() < 0.03:
                continue
            if char == "g" and rng.random() < 0.3:
                continue
            bar.append((slot, "rim" if char == "r" else name, velocity))
    if rng.random() < 0.25:  # a further kick where the drummer feels like it
        bar.append((int(rng.integers(slots)), "kick", 0.7 * loud))
    if rng.random() < 0.12 and section["time"].startswith("hat") and slots == 16 and end == slots:
        bar.append((14, "open", 0.8 * loud))
    if first and rng.random() < 0.85:
        cymbal = "china" if style is STYLES["metal"] and rng.random() < 0.2 else "crash"
        bar = [hit for hit in bar if not (hit[0] == 0 and hit[1] in ("hat", "loose", "ride"))]
        bar.append((0, cymbal, min(1.0, loud * 1.05)))
        bar.append((0, "kick", loud))
    return bar + fill, slots


def play(style_name: str, duration: float, rng) -> list[Hit]:
    """Plays a drum part.

    Args:
        style_name (str): A key of `STYLES`.
        duration (float): Least length in seconds; the part ends with a bar.
        rng (numpy.random.Generator): Random generator.

    Returns:
        list of Hit: The strokes in order of time.
    """
    style = STYLES[style_name]
    bpm = rng.uniform(*style["bpm"])
    tightness = rng.uniform(0.6, 1.6)  # of the player: scales every deviation
    feel = {
        "snare": rng.normal(0.002, 0.004),
        "kick": rng.normal(0, 0.003),
        "time": rng.normal(-0.001, 0.004),
    }
    swing16 = rng.uniform(0.0, 0.18) if style_name in ("funk", "pop", "country") else 0.0
    sections = [draw_section(style, rng) for _ in range(rng.integers(2, 5))]
    hits, clock, drift = [], 0.05, 0.0
    while clock < duration:
        section = sections[rng.integers(len(sections))]
        n_bars = int(rng.choice([4, 4, 8]) if bpm > 90 else rng.choice([2, 4, 4]))
        for index in range(n_bars):
            if clock >= duration:
                break
            last = index == n_bars - 1 or (index == 3 and rng.random() < 0.4)
            bar, slots = write_bar(style, section, index == 0, last, rng)
            drift = 0.85 * drift + rng.normal(0, 0.004)
            beat = 60 / bpm * (1 + drift)
            for slot, name, velocity in bar:
                late = swing16 * (slot % 2) if slots == 16 else 0.0
                when = clock + (slot + late) * beat * 4 / slots
                part = name if name in feel else "snare" if name in TOMS else "time"
                when += feel[part] + rng.normal(0, 0.004 * tightness)
                velocity = np.clip(velocity * (1 + rng.normal(0, 0.08 * tightness)), 0.05, 1.0)
                if name == "flam":
                    name, when, velocity = "snare", when - rng.uniform(0.018, 0.03), velocity * 0.5
                hits.append(Hit(max(when, 0.0), name, float(velocity)))
            clock += 4 * beat
    return sorted(hits, key=lambda hit: hit.time)
