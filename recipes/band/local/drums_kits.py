"""Loads drum kits as strokes, each with a close, an overhead and a room signal.

A kit maps the names of `drums_groove` to strokes from soft to loud. Kits recorded with several
microphones keep them; the others get an overhead and a room from their only signal.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile as sf
from scipy import signal

RATE = 22050
VIEWS = ("close", "over", "room")
# Peak of the loudest stroke in each view, in dB: close, overheads, room.
PEAKS = {
    "kick": (-1, -16, -8), "snare": (-1, -5, -4), "rim": (-6, -10, -10), "tom1": (-1, -6, -5),
    "tom2": (-1, -6, -5), "tom3": (-1, -6, -5), "tom4": (-1, -6, -4), "hat": (-7, -13, -18),
    "loose": (-7, -14, -20), "open": (-6, -13, -19), "pedal": (-12, -18, -22),
    "ride": (-11, -17, -22), "bell": (-9, -14, -19), "crash": (-60, -9, -14),
    "china": (-60, -9, -14),
}  # fmt: skip
FONT_KEYS = {
    "kick": (36, 35), "snare": (38, 40), "rim": (37,), "tom1": (50,), "tom2": (48, 47),
    "tom3": (45,), "tom4": (43, 41), "hat": (42,), "loose": (46,), "open": (46,),
    "pedal": (44,), "ride": (51,), "bell": (53,), "crash": (49, 57), "china": (52,),
}  # fmt: skip
MULDJORD = {
    "kick": [("KdrumL", "KdrumL"), ("KdrumR", "KdrumR")], "snare": [("Snare", "Snare_top")],
    "tom1": [("Tom1", "Tom1")], "tom2": [("Tom2", "Tom2")], "tom3": [("Tom3", "Tom3")],
    "tom4": [("Tom4", "Tom4")], "hat": [("HihatClosed", "Hihat")],
    "pedal": [("HihatClosed", "Hihat")], "open": [("HihatOpen", "Hihat")],
    "loose": [("HihatOpen", "Hihat")], "ride": [("RideL", "RideL"), ("RideR", "RideR")],
    "bell": [("RideLBell", "RideL"), ("RideRBell", "RideR")],
    "crash": [("CrashL", "OHL"), ("CrashR", "OHR")], "china": [("China", "OHR")],
}  # fmt: skip
GOGODZE = {
    "kick": ("ks", "kick"), "snare": ("sc", "snare"), "rim": ("ss", "snare"),
    "tom1": ("th", "front"), "tom2": ("tm", "front"), "tom3": ("tm", "front"),
    "tom4": ("tl", "front"), "hat": ("ht", "side"), "loose": ("hl", "side"),
    "open": ("ho", "side"), "pedal": ("hf", "side"),
}  # fmt: skip
DISCORD = {
    "kick": r"Kick \d", "snare": r"SML Snare \d-[LR]", "rim": r"Snare4_Xstick",
    "tom1": r"M Tom \d L", "tom2": r"M Tom \d R", "tom3": r"F Tom \d L", "tom4": r"F Tom \d R",
    "hat": r"CL (Tip|SH) Hat", "loose": r"OP TIP Hat", "open": r"OP SH Hat",
    "pedal": r"STMP Hat", "ride": r"PL MID Tip ride", "bell": r"PL BELL ride",
    "crash": r"(A CST|SAB|ZLC) crash SH", "china": r"PL crash",
}  # fmt: skip
RUMPF = {
    "kick": ["06-38", "06-46", "07-18", "07-20"], "rim": ["09-12"], "snare": ["01-21", "06-25"],
    "hat": ["09-10"], "pedal": ["06-28"], "open": ["08-31"], "loose": ["08-31"],
    "tom4": ["08-17"], "tom3": ["08-17"], "tom2": ["08-18"], "tom1": ["08-19"],
    "crash": ["06-43", "06-30"], "china": ["08-20"], "ride": ["08-20"], "bell": ["06-40"],
}  # fmt: skip


@dataclass
class Stroke:
    """One recorded stroke: its level in dB and its three views."""

    level: float
    views: dict


def read(path) -> np.ndarray:
    """Reads a file as mono at `RATE`."""
    wav, rate = sf.read(path, dtype="float32", always_2d=True)
    wav = wav.mean(1)
    if len(wav) == 0:
        return np.zeros(1, np.float32)
    if rate != RATE:
        common = np.gcd(rate, RATE)
        wav = signal.resample_poly(wav, RATE // common, rate // common)
    return wav.astype(np.float32)


def add(first: np.ndarray, second: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Adds two microphones' signals over their common length."""
    n = min(len(first), len(second))
    return first[:n] + gain * second[:n]


def trim_start(wav: np.ndarray) -> np.ndarray:
    """Cuts the silence before the stroke, keeping 2 ms."""
    peak = np.abs(wav).max()
    start = max(0, int(np.argmax(np.abs(wav) > 0.03 * peak)) - RATE // 500)
    return wav[start:]


def make_views(wav: np.ndarray, rng) -> dict:
    """Makes an overhead and a room view of a stroke recorded with one microphone."""
    wav = trim_start(wav)
    sos = signal.butter(1, 180, "highpass", fs=RATE, output="sos")
    over = np.concatenate([np.zeros(RATE // 400, np.float32), signal.sosfilt(sos, wav)])
    time = np.arange(int(0.5 * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / 0.45) * np.minimum(time / 0.012, 1)
    tail = signal.sosfilt(signal.butter(1, (150, 5000), "bandpass", fs=RATE, output="sos"), tail)
    room = signal.fftconvolve(wav, tail / np.sqrt((tail**2).sum()))
    return {"close": wav, "over": over.astype(np.float32), "room": room.astype(np.float32)}


def finish(kit: dict) -> dict:
    """Sorts each drum's strokes by loudness and sets the views' levels."""
    done = {}
    for name, strokes in kit.items():
        strokes = [s for s in strokes if max(np.abs(v).max() for v in s.views.values()) > 1e-5]
        if not strokes:
            continue
        for view, peak in zip(VIEWS, PEAKS[name]):
            loudest = max(np.abs(s.views[view]).max() for s in strokes) + 1e-9
            for stroke in strokes:
                stroke.views[view] = (stroke.views[view] * 10 ** (peak / 20) / loudest).astype(
                    np.float16
                )
        for stroke in strokes:
            energy = sum(float((v.astype(np.float32) ** 2).sum()) for v in stroke.views.values())
            stroke.level = 10 * np.log10(energy + 1e-12)
        done[name] = sorted(strokes, key=lambda s: s.level)
    return done


def load_muldjord(folder: Path) -> dict:
    """Loads the MuldjordKit from its folder `Samples`."""
    kit = {}
    for name, drums in MULDJORD.items():
        for drum, mic in drums:
            numbers = sorted({int(p.name.split("-")[0]) for p in (folder / drum).glob("*.flac")})
            if name == "pedal":
                numbers = numbers[: len(numbers) // 2]
            for number in numbers:
                wav = {
                    m: read(folder / drum / f"{number}-{drum}-{m}.flac")
                    for m in {mic, "OHL", "OHR", "AmbL", "AmbR"}
                }
                if len(wav[mic]) < RATE // 20:
                    continue
                close = wav[mic]
                if drum == "Snare":
                    bottom = read(folder / drum / f"{number}-{drum}-Snare_bottom.flac")
                    close = add(close, bottom, -0.5)  # the lower head moves the other way
                views = {
                    "close": close,
                    "over": add(wav["OHL"], wav["OHR"]),
                    "room": add(wav["AmbL"], wav["AmbR"]),
                }
                kit.setdefault(name, []).append(Stroke(0.0, views))
    return finish(kit)


def load_gogodze(folder: Path) -> dict:
    """Loads Gogodze Phu Vol II from its folder `Samples`; it has no cymbals but the hi-hat."""
    kit = {}
    for name, (code, mic) in GOGODZE.items():
        for path in sorted((folder / "oh_mic").glob(f"{code}_*.wav")):
            wav = {m: read(folder / f"{m}_mic" / path.name) for m in {mic, "wndw", "retro"}}
            room = add(wav["wndw"], wav["retro"])
            views = {"close": wav[mic], "over": read(path), "room": room}
            kit.setdefault(name, []).append(Stroke(0.0, views))
    return finish(kit)


def load_snares(folder: Path, rng) -> dict:
    """Loads the snare drums of Frankensnare from its folder `Samples`: drum to kit."""
    kits = {}
    for drum in sorted(p for p in folder.iterdir() if (p / "top").is_dir() and (p / "oh").is_dir()):
        kit = {}
        for path in sorted((drum / "top").glob("s[bnrms]_*_rr[123].flac")):
            if not (drum / "oh" / path.name).exists():
                continue
            close = read(path)
            if (drum / "btm" / path.name).exists():
                bottom = read(drum / "btm" / path.name)
                close = add(close, bottom, -0.4)
            over = read(drum / "oh" / path.name)
            views = {"close": close, "over": over, "room": make_views(over, rng)["room"]}
            name = "rim" if path.name.startswith("ss") else "snare"
            kit.setdefault(name, []).append(Stroke(0.0, views))
        if "snare" in kit:
            kits[drum.name] = finish(kit)
    return kits


def load_files(files: dict, rng) -> dict:
    """Loads a kit with one microphone.

    Args:
        files (dict): Name to list of paths.
        rng (numpy.random.Generator): Random generator of the rooms.
    """
    return finish(
        {
            name: [Stroke(0.0, make_views(read(path), rng)) for path in paths]
            for name, paths in files.items()
        }
    )


def load_discord(folder: Path, rng) -> dict:
    """Loads the standard kit of the Discord GM bank."""
    paths = sorted(folder.glob("*.*"))
    return load_files(
        {
            name: [p for p in paths if re.match(pattern, p.name)]
            for name, pattern in DISCORD.items()
        },
        rng,
    )


def load_rumpf(folder: Path, rng) -> dict:
    """Loads Emanuel Rumpf's kit, and draws among its spare kicks and snares."""
    files = {n: [folder / f"beats_{i}.flac" for i in ids] for n, ids in RUMPF.items()}
    files["kick"] = [files["kick"][rng.integers(4)]]
    files["snare"] = [files["snare"][rng.integers(2)]]
    return load_files(files, rng)


def load_font(font: Path, program: int, rng, levels=(30, 55, 75, 95, 110, 127)) -> dict:
    """Renders each drum of a sound font's kit at several velocities with fluidsynth."""
    track, order = mido.MidiTrack(), []
    track.append(mido.Message("program_change", channel=9, program=program))
    for name, keys in FONT_KEYS.items():
        for velocity in levels:
            key = int(keys[0])
            track.append(mido.Message("note_on", channel=9, note=key, velocity=velocity))
            track.append(mido.Message("note_off", channel=9, note=key, time=3840))
            order.append(name)
    midi = mido.MidiFile(ticks_per_beat=480)  # 3840 ticks: 4 s
    midi.tracks.append(track)
    with tempfile.TemporaryDirectory() as work:
        midi.save(f"{work}/kit.mid")
        subprocess.run(["fluidsynth", "-ni", "-R", "0", "-C", "0", "-g", "0.5", "-r", "44100", "-F",
                        f"{work}/kit.wav", str(font), f"{work}/kit.mid"],
                       check=True, capture_output=True)  # fmt: skip
        wav = read(f"{work}/kit.wav")
    kit = {}
    for index, name in enumerate(order):
        note = wav[4 * RATE * index : 4 * RATE * (index + 1)]
        note = note[: int((1.2 if name == "loose" else 4) * RATE)]
        if np.abs(note).max() > 1e-4:
            kit.setdefault(name, []).append(Stroke(0.0, make_views(note, rng)))
    return finish(kit)
