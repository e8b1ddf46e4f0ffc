"""Mixes the song of `instglow demo` from the stems of "Lithium" (CC0): ten bars, four files.

Example:
    python demo_song.py SOURCES/raw/everythingisremixed/src/2.Lithium demo_song_band
"""

import argparse
import subprocess
from pathlib import Path

import numpy as np

RATE = 44100
BAR = 4 * 60 / 124  # seconds
FIRST, N_BARS = 145, 10
# Source to its stems and its level in dB.
STEMS = {
    "vocals": (("VOX LEAD", "BGVOX 1"), 0.0),
    "drums": (("OFF KICK", "CRASH FADE"), -2.0),
    "other": (("MINILOGUE_SYNTH", "FILL PIANO"), 5.0),
    "bass": (("SY BASS",), -2.0),
}
# The bass does not play in these bars: eight bars of it enter two bars late.
BASS_FIRST, BASS_BARS, BASS_LATE = 61, 8, 2
PEAK = 0.9
FADE_IN, FADE_OUT = 0.02, 0.5  # seconds


def decode(path, first, n_bars):
    """Returns some bars of a stem at `RATE`, shape (time, 2)."""
    trim = f"atrim={first * BAR:.6f}:{(first + n_bars) * BAR:.6f}"
    command = f"ffmpeg -nostdin -v error -i PATH -af {trim} -ac 2 -ar {RATE} -f f32le -".split()
    command[command.index("PATH")] = str(path)
    made = subprocess.run(command, capture_output=True, check=True).stdout
    wav = np.frombuffer(made, dtype="<f4").reshape(-1, 2).astype(np.float64)
    n = round(n_bars * BAR * RATE)
    return np.pad(wav, ((0, max(0, n - len(wav))), (0, 0)))[:n]


def mix(folder):
    """Returns the sources of the song: name to samples, shape (time, 2)."""
    n = round(N_BARS * BAR * RATE)
    edges = np.ones((n, 1))
    for at, seconds in ((slice(None), FADE_IN), (slice(None, None, -1), FADE_OUT)):
        ramp = np.linspace(0, 1, round(seconds * RATE))[:, None]
        edges[at][: len(ramp)] *= ramp
    sources = {}
    for source, (names, level) in STEMS.items():
        first, n_bars, late = FIRST, N_BARS, 0
        if source == "bass":
            first, n_bars, late = BASS_FIRST, BASS_BARS, round(BASS_LATE * BAR * RATE)
        paths = [folder / f"2.Lithium_Stem_{name}.m4a" for name in names]
        total = sum(decode(path, first, n_bars) for path in paths)
        wav = np.pad(total, ((late, 0), (0, 0)))[:n]
        wav = np.pad(wav, ((0, n - len(wav)), (0, 0)))
        sources[source] = 10 ** (level / 20) * edges * wav
    gain = PEAK / np.abs(sum(sources.values())).max()
    return {source: gain * wav for source, wav in sources.items()}


def encode(wav, path):
    """Writes Ogg Vorbis, the same bytes each time."""
    command = f"ffmpeg -nostdin -v error -y -f f32le -ar {RATE} -ac 2 -i - -c:a libvorbis -q:a 4"
    exact = "-map_metadata -1 -fflags +bitexact -flags:a +bitexact"
    data = wav.astype("<f4").tobytes()
    subprocess.run([*command.split(), *exact.split(), str(path)], input=data, check=True)


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", type=Path, help="folder of the song's .m4a stems")
    parser.add_argument("out", type=Path, help="folder to write to")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for source, wav in mix(args.stems).items():
        encode(wav, args.out / f"{source}.ogg")


if __name__ == "__main__":
    main()
