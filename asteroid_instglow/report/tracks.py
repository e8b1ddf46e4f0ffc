"""Which audio of an experiment can be listened to, and what it is.

==============================================  ===================================================
``references`` and ``estimates`` (both given)   ``<folder>/<track>/<source>.wav``, matched as
                                                ``instglow evaluate`` does
``examples/<track>/``                           of a recipe: ``mixture.wav``, ``<source>.wav`` and
                                                ``<source>_estimate.wav``; or ``<source>.wav`` and
                                                ``<source>_reference.wav``; or ``references/`` and
                                                ``estimates/``
``stems/`` and ``mixture.wav``                  of ``instglow demo``; the truth is looked for in
                                                ``references/`` and in ``held_out/``
==============================================  ===================================================

Any audio format will do.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..audio.io import AUDIO_SUFFIXES, audio_info, load_audio
from ..evaluation.layout import MIXTURE_NAMES, find_tracks
from .experiment import key

_REFERENCE = re.compile(r"(.+?)[_-](?:reference|ref|true|target)", re.IGNORECASE)
_ESTIMATE = re.compile(r"(.+?)[_-](?:estimate|est)", re.IGNORECASE)
_FOLDERS = {
    "references": ("references", "reference", "targets"),
    "estimates": ("estimates", "estimate", "stems"),
}


@dataclass
class Track:
    """Files of one track.

    Attributes:
        name (str): Its name.
        mixture (list[Path]): What the mixture is the sum of; empty if it is not known.
        references (dict[str, Path]): The true sources.
        estimates (dict[str, Path]): The separated ones.
    """

    name: str
    mixture: list = field(default_factory=list)
    references: dict = field(default_factory=dict)
    estimates: dict = field(default_factory=dict)

    @property
    def sources(self):
        """Names of all sources, those with a reference first."""
        return list(dict.fromkeys([*self.references, *self.estimates]))


def read_tracks(folder, references=None, estimates=None):
    """Finds the tracks.

    Args:
        folder (Path): Of the experiment.
        references (Path, optional): Folder of true sources.
        estimates (Path, optional): Folder of separated ones.

    Returns:
        tuple: list of Track, list of str: what is missing.

    Raises:
        FileNotFoundError: A folder that was given is not there, or has no audio.
        ValueError: Only one was given, or two files have one name.
    """
    if (references is None) != (estimates is None):
        given, other = ("references", "estimates")[:: 1 if estimates is None else -1]
        raise ValueError(f"references and estimates go together, got {given} without {other}")
    if references is not None:
        return _matched(Path(references), Path(estimates)), []
    if (folder / "examples").is_dir():
        folders = (path for path in sorted((folder / "examples").iterdir()) if path.is_dir())
        tracks = [_example(path) for path in folders if not path.name.startswith(".")]
        tracks = [track for track in tracks if track.sources or track.mixture]
        return tracks, [] if tracks else ["The folder examples holds no audio."]
    if _audio_files(folder / "stems"):
        return _demo(folder)
    where = "There is no folder examples and no folder stems"
    return [], [f"No audio. {where}; give --references and --estimates to hear the tracks."]


def _matched(references, estimates):
    tracks = []
    for task in find_tracks(references, estimates, None, "skip"):
        found = {name: path for name, path in task["estimates"].items() if path is not None}
        track = Track(task["name"], task["mixture"], task["references"], found)
        # What was separated beyond what can be scored, a residual say, can be heard.
        for path in _audio_files(next(iter(found.values())).parent) if found else ():
            if path not in found.values() and key(path.stem) not in MIXTURE_NAMES:
                track.estimates[path.stem] = path
        tracks.append(track)
    return tracks


def _example(folder):
    track = Track(folder.name)
    for kind, names in _FOLDERS.items():
        for name in names:
            getattr(track, kind).update({p.stem: p for p in _audio_files(folder / name)})
    files = {path.stem: path for path in _audio_files(folder)}
    # Where estimates are marked, as Asteroid does, what bears no mark is the truth.
    marked = any(_ESTIMATE.fullmatch(name) for name in files)
    for name, path in files.items():
        reference, estimate = _REFERENCE.fullmatch(name), _ESTIMATE.fullmatch(name)
        if key(name) in MIXTURE_NAMES:
            track.mixture = [path]
        elif reference:
            track.references[reference[1]] = path
        elif estimate:
            track.estimates[estimate[1]] = path
        else:
            (track.references if marked else track.estimates)[name] = path
    return track


def _demo(folder):
    stems = {path.stem: path for path in _audio_files(folder / "stems")}
    mixture = [path for path in _audio_files(folder) if key(path.stem) in MIXTURE_NAMES][:1]
    for references in (folder / "references", folder / "held_out"):
        if not references.is_dir():
            continue
        tracks = [track for track in _matched(references, folder / "stems") if track.estimates]
        if len(tracks) != 1:
            continue
        if mixture and not _sounds_like(tracks[0].mixture, mixture):
            # Left there by another run: --train and the bundled song share the folder.
            note = f"{references.name} holds another song than mixture: its sources are not shown."
            return [Track(folder.resolve().name, mixture, {}, stems)], [note]
        tracks[0].mixture = mixture or tracks[0].mixture
        return tracks, []
    note = "No references: the estimates cannot be compared with the truth."
    return [Track(folder.resolve().name, mixture, {}, stems)], [note]


def _sounds_like(some, others, seconds=30):
    """Whether two sums of files are one signal up to a gain."""
    rate = audio_info(others[0]).sample_rate
    first, second = (
        sum(load_audio(path, rate)[0].mean(0).numpy().astype(np.float64) for path in paths)
        for paths in (some, others)
    )
    if abs(len(first) - len(second)) > 0.1 * rate:
        return False
    stop = min(len(first), len(second), int(seconds * rate))
    first, second = first[:stop], second[:stop]
    return first @ second > 0.95 * np.sqrt((first @ first) * (second @ second))


def _audio_files(folder):
    if not folder.is_dir():
        return []
    shown = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    return [path for path in shown if path.suffix.lower() in AUDIO_SUFFIXES]
