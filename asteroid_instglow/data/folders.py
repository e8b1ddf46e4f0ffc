"""Finds solo recordings in folders, by source.

A folder of recordings may have any of these layouts, also side by side:

- ``<root>/<source>/**/*.wav``: a folder for each source;
- ``<root>/<track>/<source>.flac``: a folder for each track, as in MUSDB18-HQ;
- ``<root>/*.wav``: one source: the name that is asked for, if it is found nowhere else.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..audio.finding import describe_left_out, find_audio

logger = logging.getLogger(__name__)

# Tells the layouts apart where folders and files could each be the sources.
KNOWN_SOURCES = frozenset(
    "accompaniment bass drums guitar mixture other percussion piano strings vocals".split()
)


class DataFolder(NamedTuple):
    """A folder of recordings and its share of the pieces drawn.

    Pieces are drawn by weight from the folders, then by duration inside each. Folders without a
    weight are one pool.
    """

    path: Path
    weight: float | None = None

    def __str__(self) -> str:
        return f"{self.path}" if self.weight is None else f"{self.path}:{self.weight:g}"


class Solo(NamedTuple):
    """A recording, or the part of it from ``start`` to ``stop`` seconds (None: to its end)."""

    path: Path
    start: float = 0.0
    stop: float | None = None
    folder: DataFolder | None = None


Data = str | Path | Mapping[str | Path, float] | Iterable[str | Path | DataFolder]


def parse_folder(text: str) -> DataFolder:
    """Reads ``folder`` or ``folder:weight``, as on the command line.

    Args:
        text (str): A path; a number after its last colon is a weight, unless there is a folder of
            that whole name.

    Returns:
        DataFolder: The folder, which need not exist.

    Examples:
        >>> parse_folder("real:4").weight
        4.0
        >>> parse_folder("takes:monday").weight is None
        True
    """
    path, _, weight = text.rpartition(":")
    if path and not Path(text).is_dir():
        try:
            return DataFolder(Path(path), float(weight))
        except ValueError:
            pass
    return DataFolder(Path(text))


def as_folders(data: Data) -> list[DataFolder]:
    """Lists folders of recordings with their weights.

    Args:
        data: A path, several, or a dict of paths to weights, ``{"real": 4, "rendered": 1}``.

    Returns:
        list: ``DataFolder`` tuples; where one has a weight, those without get 1.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is none at all, or a weight is not positive.
    """
    if isinstance(data, Mapping):
        found = [DataFolder(Path(path), weight) for path, weight in data.items()]
    elif isinstance(data, (str, Path, DataFolder)):
        found = [_as_folder(data)]
    else:
        found = [_as_folder(one) for one in data]
    if not found:
        raise ValueError("data must name a folder of recordings, got none")
    for path, weight in found:
        if weight is not None and not 0 < weight < math.inf:
            raise ValueError(f"the weight of {path} must be a number above 0, got {weight!r}")
        if not path.is_dir():
            raise FileNotFoundError(f"data must be a folder of recordings, there is none at {path}")
    if any(folder.weight is not None for folder in found):
        found = [DataFolder(path, 1.0 if w is None else float(w)) for path, w in found]
    return list(dict.fromkeys(found))


def list_sources(data: Data) -> list[str]:
    """Lists the sources in folders of recordings; ``mixture`` does not count.

    Where the names leave open which layout a folder has, it is that with fewer: there are few
    sources and many tracks.

    Args:
        data: Folders, see :func:`as_folders`.

    Returns:
        list: Names, sorted.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    return sorted({name for root in as_folders(data) for name in _names(_look_into(root)[0])})


def find_solos(data: Data, source: str) -> list[Path]:
    """Finds the recordings of one source.

    Args:
        data: Folders, see :func:`as_folders`; not every one need have the source.
        source (str): Name of the source, such as ``"bass"``.

    Returns:
        list: Paths, sorted in each folder.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no recording of this source; the error lists those found.

    Examples:
        >>> [path.name for path in find_solos("solos", "bass")]
        ['bass.wav']
    """
    return [solo.path for solo in find_by_source([source], data)[source]]


def find_by_source(names: Iterable[str], data: Data) -> dict[str, list[Solo]]:
    """Finds the recordings of several sources.

    Logs in one line what else the folders hold.

    Args:
        names (Iterable[str]): Sources; each must be in one of the folders.
        data: Folders, see :func:`as_folders`.

    Returns:
        dict: Lists of ``Solo`` by source.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no recording of a source; the error lists those found.
    """
    roots = as_folders(data)
    looked = [_look_into(root) for root in roots]
    found: dict[str, dict] = {name: {} for name in names}
    flat = {}
    for root, (inside, _) in zip(roots, looked):
        for path, parts in inside:
            own = {parts[0]} if len(parts) > 1 else set()
            own |= {path.stem} if len(parts) == 2 else set()
            for name in own & found.keys():
                found[name].setdefault(path, Solo(path, folder=root))
            if len(parts) == 1:
                flat[path] = Solo(path, folder=root)
    missing = [name for name, solos in found.items() if not solos]
    if missing and (len(missing) > 1 or not flat):
        there = sorted({name for inside, _ in looked for name in _names(inside)})
        raise ValueError(
            f"source must be one that {', '.join(map(str, roots))} holds as <source>/*.wav or "
            f"<track>/<source>.wav ({', '.join(there) or 'no recordings at all'}), "
            f"got {missing[0]!r}"
        )
    if missing:
        found[missing[0]] = flat
    _log_left_out(roots, [path for _, left_out in looked for path in left_out])
    return {name: list(solos.values()) for name, solos in found.items()}


def as_solo(file: str | Path | Solo) -> Solo:
    """Turns a path into a whole recording."""
    return file if isinstance(file, Solo) else Solo(Path(file))


def _as_folder(one: str | Path | DataFolder) -> DataFolder:
    return one if isinstance(one, DataFolder) else DataFolder(Path(one))


def _look_into(root: DataFolder) -> tuple[list[tuple[Path, tuple[str, ...]]], list[Path]]:
    # Every audio file with its path below the root, and what was left out. Stems in one container
    # would be read as their mixture.
    audio, left_out = find_audio(root.path)
    stems = [path for path in audio if path.name.lower().endswith(".stem.mp4")]
    inside = [(p, p.relative_to(root.path).parts) for p in audio if p not in set(stems)]
    return inside, left_out + stems


def _names(inside: Iterable[tuple[Path, tuple[str, ...]]]) -> set[str]:
    folders = {parts[0] for _, parts in inside if len(parts) > 1}
    stems = {path.stem for path, parts in inside if len(parts) == 2}
    known_folders, known_stems = folders & KNOWN_SOURCES, stems & KNOWN_SOURCES
    if known_folders and known_stems:
        found = known_folders | known_stems
    elif known_folders or known_stems:
        found = folders if known_folders else stems
    else:
        found = stems if len(stems) < len(folders) else folders
    return found - {"mixture"}


def _log_left_out(roots: Iterable[DataFolder], left_out: list[Path]) -> None:
    if left_out:
        folders = ", ".join(str(root.path) for root in roots)
        logger.warning("%s: left out %s", folders, describe_left_out(left_out))
