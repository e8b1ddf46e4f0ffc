"""Synthesises a small band, to try everything without recordings.

Songs are composed by rule and rendered by plain synthesis, or by fluidsynth where it is installed.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ...audio.io import save_audio
from ...utils.checks import check_one_of
from .compose import SOURCES, Note, compose, make_plan
from .instruments import render_instrument
from .soundfont import PROGRAMS, find_soundfont, fluidsynth_ready, render_soundfont

RENDERERS = ("auto", "numpy", "fluidsynth")
SAMPLE_RATE = 22050  # Hz
LEVEL_DB, JITTER_DB = -22.0, 2.5
_NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def synthesise(
    notes: Sequence[Note],
    source: str,
    seconds: float,
    sample_rate: int = SAMPLE_RATE,
    seed: int = 0,
    renderer: str = "numpy",
) -> np.ndarray:
    """Renders the notes of one source.

    Args:
        notes (list): ``Note`` tuples, as from ``compose``.
        source (str): ``"bass"``, ``"drums"``, ``"guitar"`` or ``"piano"``.
        seconds (float): Length of the result.
        sample_rate (int): Sample rate, Hz, at least 8000.
        seed (int): Random seed for the timbre; with fluidsynth for the program of the family.
        renderer (str): ``"numpy"``, ``"fluidsynth"``, or ``"auto"``: fluidsynth if there.

    Returns:
        numpy.ndarray: float32 (time,), mono, its peak at 0.5.

    Raises:
        ValueError: If an option is unknown, there are no notes, or fluidsynth is wanted and not
            there.

    Examples:
        >>> wav = synthesise(compose(1, 5.0)["bass"], "bass", 5.0, seed=1)
        >>> wav.shape
        (110250,)
    """
    check_one_of("source", source, SOURCES)
    if sample_rate < 8000:
        raise ValueError(f"sample_rate must be at least 8000 Hz, got {sample_rate}")
    if _resolve(renderer) == "fluidsynth":
        program = _program(source, seed)
        wav = render_soundfont(notes, source, seconds, sample_rate, program)
    else:
        rng = np.random.default_rng([seed, 2, SOURCES.index(source)])
        wav = render_instrument(notes, source, seconds, sample_rate, rng)
    peak = float(np.abs(wav).max()) if len(wav) else 0.0
    if peak == 0:
        raise ValueError(f"notes must sound within {seconds} s, got {len(notes)} that do not")
    return (0.5 / peak * wav).astype(np.float32)


def make_band(
    folder: str | Path,
    n_songs: int,
    seconds: float,
    seed: int = 0,
    renderer: str = "auto",
    progress: bool = True,
) -> list[Path]:
    """Writes songs as ``<folder>/Track00001/{bass,drums,guitar,piano,mixture}.flac``.

    Each mixture is the exact sum of its stems, 16-bit step by 16-bit step. Stems lie 22 dB below
    full scale where they play, 2.5 dB more or less. ``info.json`` says what was played.

    Args:
        folder (str | Path): Output folder, created if it does not exist.
        n_songs (int): Number of songs.
        seconds (float): Length of each song, at least 4.
        seed (int): Random seed; song k does not depend on ``n_songs``.
        renderer (str): As in ``synthesise``.
        progress (bool): Whether a bar shows the work.

    Returns:
        list: The folders of the songs, as Paths.

    Raises:
        ValueError: If an option is out of range.
        FileExistsError: If a song's folder exists already.

    Examples:
        .. code-block:: python

            make_band("band/train", n_songs=8, seconds=30.0)
    """
    if n_songs < 1 or seconds < 4:
        # The slowest bar takes 3.2 s: every instrument has come in by then.
        raise ValueError(
            f"n_songs must be at least 1 and seconds at least 4, got {n_songs} and {seconds}"
        )
    renderer = _resolve(renderer)
    folder = Path(folder)
    tracks = [folder / f"Track{number:05d}" for number in range(1, n_songs + 1)]
    for track in tracks:
        if track.exists():
            raise FileExistsError(f"{track} exists already; choose an empty folder")
    for number, track in enumerate(tqdm(tracks, "playing", unit="song", disable=not progress)):
        song_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        stems, info = _song(song_seed, seconds, renderer)
        # A song appears whole or not at all.
        temp = folder / f".{track.name}.tmp"
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir(parents=True)
        try:
            for name, stem in stems.items():
                wav = torch.from_numpy(stem.astype(np.float32) / 32768)
                save_audio(temp / f"{name}.flac", wav, SAMPLE_RATE, clip="none")
            (temp / "info.json").write_text(json.dumps(info, indent=1))
            os.replace(temp, track)
        finally:
            shutil.rmtree(temp, ignore_errors=True)
    return tracks


def _song(seed: int, seconds: float, renderer: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    # Stems and mixture as integers of 16 bits, and what there is to tell about them.
    rng = np.random.default_rng([seed, 3])
    notes, plan = compose(seed, seconds), make_plan(seed, seconds)
    levels = {s: LEVEL_DB + float(rng.uniform(-JITTER_DB, JITTER_DB)) for s in SOURCES}
    wavs = {}
    for source in SOURCES:
        wav = synthesise(notes[source], source, seconds, SAMPLE_RATE, seed, renderer)
        wavs[source] = wav * 10 ** (levels[source] / 20) / active_rms(wav, SAMPLE_RATE)
    peak = max(np.abs(w).max() for w in [sum(wavs.values()), *wavs.values()])
    scale = min(1.0, 0.97 / peak)
    stems = {s: np.round(scale * 32768 * wav).astype(np.int32) for s, wav in wavs.items()}
    stems["mixture"] = sum(stems.values())
    info = {
        "seed": seed,
        "seconds": seconds,
        "tempo": round(plan.tempo, 2),
        "key": f"{_NOTES[plan.tonic]} {plan.mode}",
        "renderer": renderer,
        "level_db": {s: round(levels[s] + 20 * float(np.log10(scale)), 2) for s in SOURCES},
        "n_notes": {s: len(notes[s]) for s in SOURCES},
    }
    if renderer == "fluidsynth":
        info["soundfont"] = getattr(find_soundfont(), "name", None)
        info["programs"] = {s: _program(s, seed) for s in SOURCES}
    return stems, info


def active_rms(wav: np.ndarray, sample_rate: int) -> float:
    """Computes the root mean square over the tenths of a second within 30 dB of the loudest."""
    n = sample_rate // 10
    power = np.square(wav[: len(wav) // n * n].reshape(-1, n)).mean(1)
    return float(np.sqrt(power[power >= 1e-3 * power.max()].mean()))


def _program(source: str, seed: int) -> int:
    rng = np.random.default_rng([seed, 4, SOURCES.index(source)])
    return int(rng.choice(PROGRAMS[source]))


def _resolve(renderer: str) -> str:
    check_one_of("renderer", renderer, RENDERERS)
    if renderer == "auto":
        return "fluidsynth" if fluidsynth_ready() else "numpy"
    return renderer
