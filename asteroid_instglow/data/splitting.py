"""Sets recordings aside for validation, and tells whether data are still the same."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..audio.io import audio_info
from .folders import Data, Solo, as_solo, find_by_source


def validation_split(
    files: Iterable[Path | Solo],
    fraction: float = 0.1,
    seed: int = 0,
    is_usable: Callable[[Solo], bool] | None = None,
) -> tuple[list[Solo], list[Solo]]:
    """Sets recordings aside for validation: whole ones, or a part of the only one.

    Sources recorded on the same tracks (``<track>/<source>.flac``) lose the same tracks.

    Args:
        files (list): Paths or ``Solo`` tuples.
        fraction (float): Share for validation, in [0, 1); at least one recording unless 0.
        seed (int): Random seed of the choice.
        is_usable (Callable, optional): Tells whether a recording can serve for validation;
            silent ones cannot. By default all can.

    Returns:
        tuple: Training and validation recordings, two lists of ``Solo``.

    Raises:
        ValueError: If there are no files, none is usable, or the fraction is out of range.

    Examples:
        >>> train, validation = validation_split(["a.wav", "b.wav"], 0.5)
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction must lie in [0, 1), got {fraction}")
    solos = sorted(as_solo(file) for file in files)
    if not solos:
        raise ValueError("files must hold at least one recording, got none")
    if fraction == 0:
        return solos, []
    is_usable = is_usable or (lambda solo: True)
    n_wanted = min(max(1, round(fraction * len(solos))), len(solos) - 1)
    chosen: list[int] = []
    usable, last = 0, 0
    for index in np.random.default_rng(seed).permutation(len(solos)).tolist():
        if len(chosen) == n_wanted and usable > n_wanted:
            break
        if is_usable(solos[index]):
            usable += 1
            if len(chosen) < n_wanted:
                chosen.append(index)
            last = index
    if not usable:
        raise ValueError(
            f"the recordings must hold sound, got only silent or too short ones: {solos[0].path}"
            + (f" and {len(solos) - 1} more" if len(solos) > 1 else "")
        )
    if usable == 1:
        # All sound there is: both sets get a part of it.
        train, validation = _split_in_time(solos[last], fraction, is_usable)
        return sorted([*train, *(s for i, s in enumerate(solos) if i != last)]), [validation]
    held_out = set(chosen[: usable - 1])
    train = [solo for i, solo in enumerate(solos) if i not in held_out]
    return train, [solo for i, solo in enumerate(solos) if i in held_out]


def split_by_source(
    names: Iterable[str],
    data: Data,
    validation_data: Data | None = None,
    seed: int = 0,
    is_usable: Callable[[Solo], bool] | None = None,
) -> tuple[dict[str, list[Solo]], dict[str, list[Solo]]]:
    """Finds the recordings of each source, for training and for validation.

    Args:
        names (Iterable[str]): Sources.
        data: Folders, see :func:`as_folders`.
        validation_data: Likewise; by default a tenth of the recordings of each source is set aside.
        seed (int): Random seed of the choice.
        is_usable (Callable, optional): See :func:`validation_split`.

    Returns:
        tuple: Two dicts of lists of ``Solo`` by source.
    """
    files = find_by_source(names, data)
    if validation_data is not None:
        return files, find_by_source(names, validation_data)
    split = {name: validation_split(found, 0.1, seed, is_usable) for name, found in files.items()}
    train = {name: pair[0] for name, pair in split.items()}
    return train, {name: pair[1] for name, pair in split.items()}


def data_digest(files: Mapping[str, Iterable[Solo]]) -> str:
    """Computes a digest of a list of recordings, to notice that data have changed.

    Names below the folders, sizes, parts and weights count; where the folders lie does not.

    Args:
        files (dict): Recordings by source.

    Returns:
        str: Hexadecimal.
    """
    lines = []
    for source, solos in files.items():
        for path, start, stop, folder in map(as_solo, solos):
            name, weight = path.name, None
            if folder is not None:
                name, weight = path.relative_to(folder.path).as_posix(), folder.weight
            lines.append(repr((source, name, path.stat().st_size, start, stop, weight)))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _split_in_time(
    solo: Solo, fraction: float, is_usable: Callable[[Solo], bool]
) -> tuple[list[Solo], Solo]:
    # The last part that can be heard is for validation, what is before and after it for training.
    stop = audio_info(solo.path).seconds if solo.stop is None else solo.stop
    size = fraction * (stop - solo.start)
    edges = [stop - k * size for k in range(1 + int(1 / fraction))]
    parts: Any = [solo._replace(start=start, stop=end) for end, start in zip(edges, edges[1:])]
    part = next(filter(is_usable, parts), parts[0])
    rest: Any = solo._replace(stop=part.start), solo._replace(start=part.stop, stop=stop)
    return [one for one in rest if one.stop > one.start], part
