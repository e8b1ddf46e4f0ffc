"""Plays hits on a kit into buses and mixes the buses as a recording engineer does."""

import numpy as np
import pedalboard as pb
from drums_kits import RATE
from effects import reverberate, rms, room
from scipy import signal

BUSES = ("kick", "snare", "toms", "hat", "cymbals", "over", "room")
BUS_OF = {"kick": "kick", "snare": "snare", "rim": "snare", "hat": "hat", "loose": "hat",
          "open": "hat", "pedal": "hat", "tom1": "toms", "tom2": "toms", "tom3": "toms",
          "tom4": "toms"}  # fmt: skip
SUBSTITUTES = {"loose": "open", "open": "loose", "china": "crash", "bell": "ride", "ride": "hat",
               "rim": "snare", "pedal": "hat", "tom1": "tom2", "tom2": "tom3", "tom3": "tom4",
               "tom4": "tom3", "crash": "open"}  # fmt: skip


def retune(kit: dict, rng) -> dict:
    """Returns a kit with other tunings and damping: the name to (speed, decay in 1/s)."""
    toms = rng.uniform(0.88, 1.14)
    tuning = {}
    for name in kit:
        if name.startswith("tom"):
            tuning[name] = (toms, rng.choice([0.0, 0.0, 4.0, 8.0]))
        elif name == "snare":
            tuning[name] = (rng.uniform(0.86, 1.16), rng.choice([0.0, 0.0, 6.0, 15.0]))
        elif name == "kick":
            tuning[name] = (rng.uniform(0.85, 1.12), rng.choice([0.0, 5.0, 15.0]))
        else:
            tuning[name] = (rng.uniform(0.94, 1.06), rng.choice([0.3, 1.0, 2.0, 4.0]))
    for name in ("open", "loose", "pedal"):
        if name in tuning and "hat" in tuning:
            tuning[name] = tuning["hat"]
    return tuning


def pick(strokes: list, velocity: float, rng):
    """Returns a stroke near the wanted velocity, and the gain that brings it there."""
    n = len(strokes)
    place = velocity**0.8 * (n - 1) + rng.normal(0, 0.06 * n + 0.3)
    stroke = strokes[int(np.clip(round(place), 0, n - 1))]
    wanted = strokes[-1].level + 36 * np.log10(max(velocity, 0.05)) / 1.3
    gain = 0.6 * (wanted - stroke.level) + rng.normal(0, 0.4)
    return stroke, 10 ** (np.clip(gain, -18, 9) / 20)


def strike(wav: np.ndarray, speed: float, decay: float, stop: float) -> np.ndarray:
    """Plays a stroke at another speed, damped, and choked after `stop` seconds."""
    wav = wav.astype(np.float32)
    if abs(speed - 1) > 1e-3:
        n = int(len(wav) / speed)
        wav = np.interp(np.arange(n) * speed, np.arange(len(wav)), wav).astype(np.float32)
    time = np.arange(len(wav)) / RATE
    if decay:
        wav = wav * np.exp(-decay * time)
    if stop < len(wav) / RATE:
        wav = wav[: int((stop + 0.08) * RATE)]
        wav = wav * np.clip(1 - (time[: len(wav)] - stop) / 0.08, 0, 1)
    fade = min(len(wav), RATE // 50)
    if fade:
        wav[-fade:] *= np.linspace(1, 0, fade)
    return wav


def record(hits: list, kit: dict, rng) -> dict:
    """Plays hits on a kit; returns the signal of each bus."""
    tuning = retune(kit, rng)
    length = int((hits[-1].time + 2.0) * RATE)
    buses = {name: np.zeros(length, np.float32) for name in BUSES}
    hats = [h.time for h in hits if h.name in ("hat", "open", "loose", "pedal")]
    for hit in hits:
        name = hit.name
        while name not in kit and name in SUBSTITUTES:
            name = SUBSTITUTES[name]
        if name not in kit:
            continue
        stroke, gain = pick(kit[name], hit.velocity, rng)
        stop = np.inf
        if hit.name in ("open", "loose"):  # the next stroke on the hi-hat ends this one
            later = np.searchsorted(hats, hit.time + 1e-4)
            stop = hats[later] - hit.time if later < len(hats) else np.inf
        start = int(hit.time * RATE)
        speed, decay = tuning[name]
        speed *= 1 + rng.normal(0, 0.002 if len(kit[name]) > 8 else 0.008)
        for view, wav in stroke.views.items():
            wav = gain * strike(wav, speed, decay, stop)
            bus = buses[BUS_OF.get(name, "cymbals") if view == "close" else view]
            n = min(len(wav), length - start)
            bus[start : start + n] += wav[:n]
    return buses


def process(wav: np.ndarray, effects: list) -> np.ndarray:
    """Runs a chain of pedalboard's effects."""
    return pb.Pedalboard(effects)(wav.astype(np.float32), RATE)


def level_compressor(wav, above, ratio, attack, release):
    """Compresses with a threshold in dB relative to the signal's RMS, and makes up the level."""
    before = rms(wav)
    threshold = 20 * np.log10(before) + above
    wav = process(wav, [pb.Compressor(threshold, ratio, attack, release)])
    return wav * before / rms(wav)


def gated_reverb(rng) -> np.ndarray:
    """Returns the impulse response of the 1980s' gated reverberation."""
    n = int(rng.uniform(0.15, 0.32) * RATE)
    noise = rng.standard_normal(n) * np.linspace(1, 0.5, n)
    noise[-(RATE // 100) :] *= np.linspace(1, 0, RATE // 100)
    sos = signal.butter(1, (200, rng.uniform(4000, 9000)), "bandpass", fs=RATE, output="sos")
    noise = signal.sosfilt(sos, noise)
    return noise / np.sqrt((noise**2).sum())


def shape_buses(buses: dict, rng) -> dict:
    """Equalizes, gates and compresses the close microphones; crushes the room."""
    done = dict(buses)
    done["kick"] = process(
        buses["kick"],
        [
            pb.PeakFilter(rng.uniform(50, 90), rng.uniform(0, 6), 1.0),
            pb.PeakFilter(rng.uniform(250, 450), rng.uniform(-10, 0), 1.0),
            pb.PeakFilter(rng.uniform(2500, 5000), rng.uniform(-3, 9), 0.8),
        ],
    )
    done["snare"] = process(
        buses["snare"],
        [
            pb.PeakFilter(rng.uniform(150, 260), rng.uniform(-2, 6), 1.0),
            pb.PeakFilter(rng.uniform(400, 900), rng.uniform(-7, 2), 1.2),
            pb.HighShelfFilter(rng.uniform(3000, 6000), rng.uniform(-4, 7)),
        ],
    )
    done["toms"] = process(
        buses["toms"],
        [
            pb.PeakFilter(rng.uniform(80, 140), rng.uniform(0, 5), 1.0),
            pb.PeakFilter(rng.uniform(300, 600), rng.uniform(-9, 0), 1.0),
        ],
    )
    done["over"] = process(
        buses["over"],
        [
            pb.HighpassFilter(rng.choice([40, 100, 250, 400])),
            pb.HighShelfFilter(rng.uniform(4000, 8000), rng.uniform(-4, 4)),
        ],
    )
    for name in ("kick", "snare", "toms"):
        if np.abs(done[name]).max() > 1e-4 and rng.random() < 0.6:
            done[name] = level_compressor(
                done[name],
                rng.uniform(0, 8),
                rng.uniform(2, 6),
                rng.uniform(5, 30),
                rng.uniform(60, 200),
            )
    if rng.random() < 0.6:
        done["room"] = level_compressor(
            buses["room"],
            rng.uniform(-12, 0),
            rng.uniform(4, 12),
            rng.uniform(1, 10),
            rng.uniform(60, 250),
        )
    return done


def draw_gains(rng) -> dict:
    """Draws the mixing desk's faders in dB: close, roomy, overheads alone, or anything."""
    kind = rng.choice(["close", "balanced", "roomy", "overheads"], p=[0.35, 0.35, 0.2, 0.1])
    close, over, ambience = {
        "close": (0, -8, -20), "balanced": (0, -4, -10), "roomy": (-3, -4, -2),
        "overheads": (-14, 0, -9),
    }[str(kind)]  # fmt: skip
    spread = dict(kick=3, snare=2.5, toms=2.5, hat=4, cymbals=5, over=2.5, room=3)
    offset = dict(
        kick=5, snare=-1, toms=-1, hat=-4, cymbals=-4, over=over - close, room=ambience - close
    )
    return {name: offset[name] + rng.normal(0, spread[name]) for name in BUSES}


def mix(buses: dict, rng) -> np.ndarray:
    """Mixes the buses of `record` to one signal, drawing the sound at random."""
    buses = shape_buses(buses, rng)
    gains = draw_gains(rng)
    wav = sum(10 ** (gains[name] / 20) * buses[name] for name in BUSES)
    drawn = rng.random()
    sent = buses["snare"] + 0.6 * buses["toms"] + 0.1 * buses["over"]
    if drawn < 0.35:
        plate = pb.Reverb(rng.uniform(0.3, 0.8), rng.uniform(0.2, 0.7), 1.0, 0.0)
        wav = wav + 10 ** (rng.uniform(-20, -6) / 20) * process(sent, [plate])
    elif drawn < 0.45:
        tail = signal.fftconvolve(sent, gated_reverb(rng))[: len(wav)]
        wav = wav + 10 ** (rng.uniform(-12, -3) / 20) * tail
    elif drawn < 0.65:
        wav = reverberate(wav, room(rng, RATE, rng.uniform(0.15, 0.6)), rng.uniform(0.05, 0.35))
    wav = wav / rms(wav) * 0.1
    if rng.random() < 0.75:
        wav = level_compressor(
            wav, rng.uniform(2, 10), rng.uniform(2, 6), rng.uniform(2, 35), rng.uniform(50, 250)
        )
    if rng.random() < 0.3:  # parallel compression
        crushed = level_compressor(
            wav, rng.uniform(-15, -3), 12.0, rng.uniform(1, 6), rng.uniform(60, 200)
        )
        wav = wav + rng.uniform(0.1, 0.4) * crushed
    if rng.random() < 0.5:
        level = 0.1 * 10 ** (rng.uniform(0, 14) / 20)
        wav = np.tanh(wav * level / rms(wav))
    if rng.random() < 0.6:
        wav = process(
            wav,
            [
                pb.LowShelfFilter(rng.uniform(70, 150), rng.uniform(-2, 5)),
                pb.HighShelfFilter(rng.uniform(3000, 7000), rng.uniform(-5, 3)),
            ],
        )
    if rng.random() < 0.12:  # an old record
        wav = process(wav, [pb.HighpassFilter(60), pb.LowpassFilter(rng.uniform(4500, 8000))])
    if rng.random() < 0.2:
        wav = process(wav, [pb.MP3Compressor(rng.uniform(1, 7))])[: len(wav)]
    return np.asarray(wav, np.float32)
