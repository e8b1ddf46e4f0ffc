"""Moves the files of a set to their places: all of them, or none."""

import hashlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..utils.files import is_at, lock, read_json, uninterrupted, write_json

LOCK = "lock"
JOURNAL = "journal.json"


def stage_of(folder: str | Path) -> Path:
    """Returns the hidden folder in which the stems of a song are written, beside its folder."""
    folder = Path(folder)
    return folder.with_name(f".{folder.name}.partial")


def place_files(stage: Path, moves: dict[Path, Path], stale: Collection[Path] = ()) -> None:
    """Moves files to their places, and replaces existing ones.

    The moves are written down in the stage first: if the process is killed among them,
    :func:`finish_interrupted` does the rest. All old files are removed before the first new one is
    placed, so that no folder holds some of each. An error undoes the moves.

    Args:
        stage (Path): Folder of the files, see :func:`stage_of`.
        moves (dict[Path, Path]): New file to its place, which may be on another disk.
        stale (Collection[Path]): Files to delete together with the old ones.

    Raises:
        OSError: If a file cannot be moved; the old files are back in their places.
    """
    device, ready = stage.stat().st_dev, []
    for source, target in moves.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.parent.stat().st_dev != device:
            source = shutil.copyfile(source, _hidden(target, "partial"))
        ready.append((source.absolute(), target.absolute()))
    with uninterrupted():
        gone = [path.absolute() for path in stale]
        moved = [[str(a), str(b)] for a, b in ready]
        write_json(stage / JOURNAL, {"moves": moved, "stale": [str(path) for path in gone]})
        _move(ready, gone)


def finish_interrupted(folder: str | Path, paths: Collection[Path] = ()) -> bool:
    """Finishes the moves of a process that was killed among them.

    Args:
        folder (str | Path): Folder of the song.
        paths (Collection[Path]): Files of its stems, where they lie elsewhere. Nothing is written
            anywhere else, whatever the stage says.

    Returns:
        bool: True if there was something to finish.
    """
    stage = stage_of(folder)
    if stage.is_symlink() or not (stage / JOURNAL).is_file():
        return False
    with (stage / LOCK).open("a") as file:
        # Another process may be among the moves, or have finished them just now.
        if not lock(file.fileno(), wait=False) or not is_at(file.fileno(), stage / LOCK):
            return False
        moves, stale = _read_journal(stage, paths)
        with uninterrupted():
            _move([(source, target) for source, target in moves if source.is_file()], stale)
            for path in [*(target for _, target in moves), *stale]:
                _hidden(path, "old").unlink(missing_ok=True)
            shutil.rmtree(stage)
    return bool(moves)


def _move(moves: list[tuple[Path, Path]], stale: list[Path]) -> None:
    done = []
    old = [*(target for _, target in moves), *stale]
    try:
        for target in old:
            if os.path.lexists(target):
                os.replace(target, _hidden(target, "old"))
                done.append((_hidden(target, "old"), target))
        for source, target in moves:
            os.replace(source, target)
            done.append((target, source))
    except OSError:
        for here, before in reversed(done):
            os.replace(here, before)
        raise
    for target in old:
        _hidden(target, "old").unlink(missing_ok=True)


def _hidden(target: Path, suffix: str) -> Path:
    # In the same folder, so on the same disk; no longer than any name may be.
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return target.with_name(f".{name}.{suffix}")


def _read_journal(
    stage: Path, paths: Collection[Path]
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    try:
        found: Any = read_json(stage / JOURNAL)
        moves = [(Path(source), Path(target)) for source, target in found["moves"]]
        stale = [Path(path) for path in found.get("stale", [])]
    except (ValueError, TypeError, KeyError, OSError):
        return [], []
    above, own = stage.absolute().parent, {path.absolute() for path in paths}
    for target in [*(target for _, target in moves), *stale]:
        is_below = above in target.parents and ".." not in target.parts
        if not (is_below or target in own):
            return [], []
    for source, target in moves:
        if source not in (stage.absolute() / source.name, _hidden(target, "partial")):
            return [], []
    return moves, stale
