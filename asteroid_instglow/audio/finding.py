"""Finds the audio files of a folder, by one rule for the whole package."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from .io import AUDIO_SUFFIXES

# Folders that systems and file servers make: thumbnails, deleted files, resource forks.
_NOT_DATA = frozenset({"@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found"})


def is_audio(path: str | Path) -> bool:
    """Returns True if a name has a suffix of ``AUDIO_SUFFIXES`` and is not hidden.

    Examples:
        >>> [is_audio(name) for name in ("a/bass.AIFF", "._bass.wav", "notes.txt")]
        [True, False, False]
    """
    path = Path(path)
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def is_hidden(name: str) -> bool:
    """Tells hidden and trash folders by their names.

    Examples:
        >>> [is_hidden(name) for name in (".Trash-0", "@eaDir", "bass")]
        [True, True, False]
    """
    return name.startswith(".") or name.lower() in _NOT_DATA


def find_audio(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """Finds the audio files below a folder, and what was left out, both sorted.

    Follows linked folders, except back into a folder that is being walked. Skips hidden and trash
    folders such as ``.Trash-0`` and ``@eaDir``.
    """
    audio: list[Path] = []
    left_out: list[Path] = []
    _walk(Path(folder), (), audio, left_out)
    return sorted(audio), sorted(left_out)


def describe_left_out(left_out: Iterable[Path]) -> str:
    """Sums up in one line what :func:`find_audio` left out.

    Examples:
        >>> describe_left_out([Path("a/notes.txt"), Path("a/list.txt"), Path("b/.Trash-0")])
        '2 files (.txt), 1 hidden folder (.Trash-0)'
    """
    left_out = list(left_out)
    folders = [path for path in left_out if is_hidden(path.name)]
    files = [path for path in left_out if not is_hidden(path.name)]
    parts = []
    for paths, noun, names in (
        (files, "file", (path.suffix.lower() or path.name for path in files)),
        (folders, "hidden folder", (path.name for path in folders)),
    ):
        if paths:
            shown = [name for name, _ in Counter(names).most_common(4)]
            more = ", ..." if len(set(shown)) == 4 else ""
            parts.append(f"{len(paths)} {noun}{'s'[: len(paths) > 1]} ({', '.join(shown)}{more})")
    return ", ".join(parts)


def _walk(folder: Path, above: tuple[str, ...], audio: list[Path], left_out: list[Path]) -> None:
    place = os.path.realpath(folder)
    if place in above:
        return
    for entry in os.scandir(folder):
        path = folder / entry.name
        if entry.is_dir():
            if is_hidden(entry.name):
                left_out.append(path)
            else:
                _walk(path, (*above, place), audio, left_out)
        elif is_audio(path) and entry.is_file():
            audio.append(path)
        elif not is_hidden(entry.name):
            left_out.append(path)
