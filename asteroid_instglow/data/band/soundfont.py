"""Renders notes with the ``fluidsynth`` command and a sound font, if they are installed."""

import re
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...audio.io import load_audio
from ...utils.files import scratch_folder
from .compose import Note

SOUNDFONT_FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts")
PROGRAMS = {  # General MIDI, from 0; for drums the kits of the GS standard
    "bass": tuple(range(32, 40)),
    "drums": (0, 8, 16, 24, 25, 32),
    "guitar": tuple(range(24, 32)),
    "piano": tuple(range(8)),
}
_TICKS = 1000  # a second, as the tempo is one beat a second


def find_soundfont() -> Path | None:
    """Looks for a sound font in the usual folders.

    Returns:
        Path: The first by name of those called General MIDI, uncompressed before compressed; then
        of the others, which may hold drums alone; None if there is none.
    """
    found = [
        path
        for suffix in (".sf2", ".sf3")
        for folder in SOUNDFONT_FOLDERS
        for path in sorted(Path(folder).glob(f"*{suffix}"))
    ]
    found.sort(key=lambda path: not re.search("GM|General", path.stem))
    return found[0] if found else None


def fluidsynth_ready() -> bool:
    """Tells whether both the command and a sound font are installed.

    Returns:
        bool: True if ``render_soundfont`` can work.
    """
    return shutil.which("fluidsynth") is not None and find_soundfont() is not None


def render_soundfont(
    notes: Iterable[Note], source: str, seconds: float, sample_rate: int, program: int
) -> np.ndarray:
    """Renders the notes of one source.

    Args:
        notes (list): ``Note`` tuples.
        source (str): A key of ``PROGRAMS``; drums play on channel 10.
        seconds (float): Length of the result.
        sample_rate (int): Sample rate in Hz.
        program (int): General MIDI program, from 0.

    Returns:
        numpy.ndarray: float32 (time,), mono, at whatever level comes out.

    Raises:
        ValueError: If the command or a sound font is missing, or the command fails.
    """
    command, soundfont = shutil.which("fluidsynth"), find_soundfont()
    if command is None or soundfont is None:
        raise ValueError(
            "renderer 'fluidsynth' needs the fluidsynth command and a sound font in "
            f"{', '.join(SOUNDFONT_FOLDERS)} (Debian: fluidsynth, fluid-soundfont-gm), got "
            f"{command or 'no command'} and {soundfont or 'no sound font'}"
        )
    length = round(seconds * sample_rate)
    settings = ["synth.chorus.active=0", "synth.reverb.level=0.2", "synth.cpu-cores=1"]
    settings.append("synth.dynamic-sample-loading=1")
    with scratch_folder() as folder:
        midi, wav = folder / "notes.mid", folder / "notes.wav"
        midi.write_bytes(midi_file(notes, program, 9 if source == "drums" else 0))
        line: list[Any] = [command, "-niq", "-F", wav]
        line += "-T wav -O float -r 44100 -g 0.3".split()
        line += [part for setting in settings for part in ("-o", setting)] + [soundfont, midi]
        done = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode or not wav.exists():
            raise ValueError(f"fluidsynth could not render {source}: {done.stderr.strip()[-500:]}")
        rendered = load_audio(wav, sample_rate)[0].mean(0).numpy()[:length]
    return np.pad(rendered, (0, length - len(rendered)))


def midi_file(notes: Iterable[Note], program: int, channel: int) -> bytes:
    """Writes notes as a standard MIDI file of one track.

    Args:
        notes (list): ``Note`` tuples.
        program (int): General MIDI program, from 0.
        channel (int): From 0; 9 is for drums.

    Returns:
        bytes: The file, format 0, a tick a millisecond.

    Raises:
        ValueError: If a number does not fit into MIDI.
    """
    if not (0 <= program < 128 and 0 <= channel < 16):
        raise ValueError(f"program must be below 128, channel below 16, got {program}, {channel}")
    events = []
    for start, duration, pitch, velocity in notes:
        if not (0 <= pitch < 128 and 0 < velocity < 128 and start >= 0):
            raise ValueError(
                f"a note must have start >= 0, pitch < 128, 0 < velocity < 128, got "
                f"{start}, {pitch}, {velocity}"
            )
        tick = round(start * _TICKS)
        events.append((tick, 1, bytes([0x90 | channel, pitch, velocity])))
        # Sorted before a note that starts at the same tick, or it would cut that one.
        end = max(tick + 1, round((start + duration) * _TICKS))
        events.append((end, 0, bytes([0x80 | channel, pitch, 0])))
    track = bytes([0, 0xFF, 0x51, 3]) + (1000000).to_bytes(3, "big")
    track += bytes([0, 0xC0 | channel, program])
    now = 0
    for tick, _, message in sorted(events):
        track += _variable_length(tick - now) + message
        now = tick
    track += bytes([0, 0xFF, 0x2F, 0])
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable_length(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(groups[::-1])
