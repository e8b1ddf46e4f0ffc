"""Finds the audio of an experiment that can be listened to.

==============================================  ===================================================
``references`` and ``estimates`` (both given)   ``<folder>/<track>/<source>.wav``, matched as
                                                ``instglow evaluate`` does
``examples/<track>/``                           of a recipe: ``mixture.wav``, ``<source>.wav`` and
                                                ``<source>_estimate.wav``; or ``<source>.wav`` and
                                                ``<source>_reference.wav``; or ``references/`` and
                                                ``estimates/``
``stems/`` and ``mixture.wav``                  of ``instglow demo``; true sources are looked for
                                                in ``references/`` and ``held_out/``
==============================================  ===================================================

Any audio format is read.
"""

import re
from pathlib import Path

import numpy as np

from ..audio.io import audio_info, load_audio
from ..evaluation.layout import MIXTURE_NAMES, Track, find_tracks, list_audio, match_key

_REFERENCE = re.compile(r"(.+?)[_-](?:reference|ref|true|target)", re.IGNORECASE)
_ESTIMATE = re.compile(r"(.+?)[_-](?:estimate|est)", re.IGNORECASE)
_REFERENCE_FOLDERS = ("references", "reference", "targets")
_ESTIMATE_FOLDERS = ("estimates", "estimate", "stems")


def read_tracks(
    folder: Path, references: str | Path | None = None, estimates: str | Path | None = None
) -> tuple[list[Track], list[str]]:
    """Finds the tracks.

    Args:
        folder (Path): Folder of the experiment.
        references (str | Path, optional): Folder of true sources.
        estimates (str | Path, optional): Folder of separated sources.

    Returns:
        tuple: list of Track, list of notes about what is missing.

    Raises:
        FileNotFoundError: If a given folder does not exist or has no audio.
        ValueError: If only one folder is given, or two files share a name.
    """
    if (references is None) != (estimates is None):
        given, other = ("references", "estimates")[:: 1 if estimates is None else -1]
        raise ValueError(f"references and estimates go together, got {given} without {other}")
    if references is not None and estimates is not None:
        return _match(Path(references), Path(estimates)), []
    if (folder / "examples").is_dir():
        folders = (path for path in sorted((folder / "examples").iterdir()) if path.is_dir())
        tracks = [_read_example(path) for path in folders if not path.name.startswith(".")]
        tracks = [track for track in tracks if track.sources or track.mixture]
        return tracks, [] if tracks else ["The folder examples holds no audio."]
    if list_audio(folder / "stems"):
        return _read_demo(folder)
    return [], []


def _match(references: Path, estimates: Path) -> list[Track]:
    tracks = find_tracks(references, estimates, None, "skip")
    for track in tracks:
        track.estimates = {name: path for name, path in track.estimates.items() if path}
        # Estimates without a reference (a residual, for example) are played but not scored.
        found = [path for path in track.estimates.values() if path]
        for path in list_audio(found[0].parent) if found else ():
            if path not in found and match_key(path.stem) not in MIXTURE_NAMES:
                track.estimates[path.stem] = path
    return tracks


def _read_example(folder: Path) -> Track:
    track = Track(folder.name)
    for name in _REFERENCE_FOLDERS:
        track.references |= {path.stem: path for path in list_audio(folder / name)}
    for name in _ESTIMATE_FOLDERS:
        track.estimates |= {path.stem: path for path in list_audio(folder / name)}
    files = {path.stem: path for path in list_audio(folder)}
    # Where estimates are marked, as in Asteroid's examples, unmarked files are the references.
    marked = any(_ESTIMATE.fullmatch(name) for name in files)
    for name, path in files.items():
        reference, estimate = _REFERENCE.fullmatch(name), _ESTIMATE.fullmatch(name)
        if match_key(name) in MIXTURE_NAMES:
            track.mixture = [path]
        elif reference:
            track.references[reference[1]] = path
        elif estimate:
            track.estimates[estimate[1]] = path
        else:
            (track.references if marked else track.estimates)[name] = path
    return track


def _read_demo(folder: Path) -> tuple[list[Track], list[str]]:
    mixture = [p for p in list_audio(folder) if match_key(p.stem) in MIXTURE_NAMES][:1]
    stems: dict[str, Path | None] = {p.stem: p for p in list_audio(folder / "stems")}
    alone = Track(folder.resolve().name, {}, stems, mixture)
    for references in (folder / "references", folder / "held_out"):
        if not references.is_dir():
            continue
        tracks = [track for track in _match(references, folder / "stems") if track.estimates]
        if len(tracks) != 1:
            continue
        if mixture and not _is_same_signal(tracks[0].mixture, mixture):
            # `demo` and `demo --train` share the folder but separate different songs.
            note = f"{references.name} holds another song than mixture, so it is not shown."
            return [alone], [note]
        tracks[0].mixture = mixture or tracks[0].mixture
        return tracks, []
    return [alone], ["No references: the estimates cannot be compared with the true sources."]


def _is_same_signal(some: list[Path], others: list[Path]) -> bool:
    """Returns True if the first 30 s of two sums of files are the same signal up to a gain."""
    rate = audio_info(others[0]).sample_rate
    first, second = (
        np.sum([load_audio(path, rate)[0].mean(0).double().numpy() for path in paths], axis=0)
        for paths in (some, others)
    )
    if abs(first.size - second.size) > 0.1 * rate:
        return False
    stop = min(first.size, second.size, 30 * rate)
    first, second = first[:stop], second[:stop]
    return bool(first @ second > 0.95 * np.sqrt((first @ first) * (second @ second)))
