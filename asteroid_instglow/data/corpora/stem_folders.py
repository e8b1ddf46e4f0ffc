"""Data sets with a folder for each stem, in which the names of the files are the songs.

<root>/[train|validation|test/]<source>/<song>.wav
"""

from pathlib import Path

import numpy as np

from ...audio.finding import find_audio
from .prepare import SPLITS, Part, Track


def stem_folder_tracks(root: str | Path, fraction: float = 0.1, seed: int = 0) -> list[Track]:
    """Lists the songs of such a data set.

    Args:
        root (str | Path): Folder, with or without folders for the splits.
        fraction (float): Share of the songs for validation, and for testing, without such folders.
        seed (int): Random seed of the choice.

    Returns:
        list of Track: The mixture of a song is the sum of its stems.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no audio in it, or a song has two files of one stem.

    Examples:
        .. code-block:: python

            tracks = stem_folder_tracks("my stems")
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"root must be a folder of stems, there is none at {root}")
    found = {split: _songs(root / split) for split in SPLITS if (root / split).is_dir()}
    if not found:
        songs = _songs(root)
        order = np.random.default_rng(seed).permutation(sorted(songs)).tolist()
        n_held_out = max(1, round(fraction * len(order))) if len(order) > 2 else 0
        chosen = dict.fromkeys(order[:n_held_out], "validation")
        chosen |= dict.fromkeys(order[n_held_out : 2 * n_held_out], "test")
        for name in sorted(songs):
            found.setdefault(chosen.get(name, "train"), {})[name] = songs[name]
    tracks = []
    for split in SPLITS:
        for name, stems in sorted(found.get(split, {}).items()):
            parts = {source: (Part(path),) for source, path in sorted(stems.items())}
            tracks.append(Track(name, split, parts, sum(parts.values(), ())))
    if not tracks:
        raise ValueError(f"root must hold <source>/<song>.wav, there is no audio in {root}")
    return tracks


def _songs(folder: Path) -> dict[str, dict[str, Path]]:
    # The files of each song by source.
    songs: dict[str, dict[str, Path]] = {}
    for path in find_audio(folder)[0]:
        source = path.parent.name
        if path.parent.parent != folder or source == "mixture":
            continue
        other = songs.setdefault(path.stem, {}).setdefault(source, path)
        if other is not path:
            raise ValueError(f"root must hold each stem of a song once, got {other} and {path}")
    return songs
