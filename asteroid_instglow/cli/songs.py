"""Separates many songs, with any model, for the commands that do."""

import argparse
import contextlib
import functools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import explain

if TYPE_CHECKING:
    from ..adapter import Separator
    from ..audio.songs import Song
    from ..separator import GenerativeSeparator


def load_on_device(
    priors: Sequence[str], residual: bool = False, device: str = "auto"
) -> "GenerativeSeparator":
    """Builds the separator of ``--priors`` and ``--residual`` on the device of ``--device``."""
    from ..utils.devices import pick_device
    from ..utils.memory import keep_freed_memory
    from .models import load_separator

    keep_freed_memory()
    place = pick_device(device)
    return load_separator(priors, residual).to(place)


def separate_songs(
    separator: "Separator",
    songs: Sequence["Song"],
    args: argparse.Namespace,
    model: tuple | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Separates songs.

    Args:
        separator (Separator): Any model that separates files.
        songs (Sequence[Song]): From :func:`~asteroid_instglow.audio.songs.find_songs`.
        args (Namespace): With ``overwrite``, ``skip_existing``, ``quiet``, ``debug``, ``parser``.
        model (tuple, optional): Arguments of :func:`load_on_device` that load ``separator`` in
            other processes, for ``args.jobs`` of them.
        **options: Of :meth:`~asteroid_instglow.adapter.Separator.file_separate`.

    Returns:
        dict: "files" (file to name of each stem to its path), "skipped" (files), "failed" (file to
        the reason), "exit_code".
    """
    from ..audio.placing import finish_interrupted

    done: dict[str, Any] = {}
    failed: dict[str, str] = {}
    skipped = []
    todo = []
    for song, stems in zip(songs, _planned(separator, songs, options)):
        # If a killed process had begun to put the stems in place, this finishes it; they may then
        # all be there. An error here is raised again when the song is separated.
        with contextlib.suppress(OSError):
            finish_interrupted(song.folder / song.track, stems)
        if args.skip_existing and all(path.is_file() for path in stems):
            skipped.append(str(song.path))
        else:
            todo.append(song)
    options["force_overwrite"] = args.overwrite
    for song, written, error in _separate_all(separator, todo, args, model, options):
        if error is None:
            done[str(song.path)] = {name: str(out) for name, out in written.items()}
        elif len(songs) == 1 or args.debug:
            raise error
        else:
            failed[str(song.path)] = explain(error, args.parser)
    code = 1 if failed else 0
    return {"files": done, "skipped": skipped, "failed": failed, "exit_code": code}


def _planned(
    separator: Any, songs: Sequence["Song"], options: dict[str, Any]
) -> list[Collection[Path]]:
    # The files of each song; no two songs may share one.
    from ..audio.naming import TEMPLATE, output_names, stem_paths

    suffix, name = options.get("suffix", ".wav"), options.get("name", TEMPLATE)
    outputs = output_names(separator.sources, options.get("sources"), options.get("two_stems"))
    plan: list[Collection[Path]] = []
    owners: dict[Path, Path] = {}
    for song in songs:
        paths = stem_paths(song.folder, song.track, list(outputs), suffix, name).values()
        plan.append(paths)
        for path in paths:
            if path in owners:
                raise ValueError(
                    f"name must give each song files of its own: {owners[path]} and {song.path} "
                    f"would both be written to {path}"
                )
            owners[path] = song.path
    return plan


def _separate_all(
    separator: Any,
    songs: Sequence["Song"],
    args: argparse.Namespace,
    model: Any,
    options: dict[str, Any],
) -> Iterator[tuple[Any, Any, Any]]:
    # Yields the song, its stems and None, or the song, None and the error.
    jobs = getattr(args, "jobs", 1)
    if model is None or jobs == 1 or len(songs) < 2:
        for song in songs:
            yield song, *_separate_one(separator, song, {**options, "progress": not args.quiet})
        return
    from ..utils.parallel import run_parallel

    model = (tuple(model[0]), *model[1:])
    tasks = [(model, song, options) for song in songs]
    name = None if args.quiet else "separating"
    for number, (written, why) in run_parallel(_separate_elsewhere, tasks, jobs, name, "file"):
        yield songs[number], written, why and RuntimeError(why)


def _separate_one(separator: Any, song: "Song", options: dict[str, Any]) -> Any:
    try:
        written = separator.file_separate(song.path, song.folder, track=song.track, **options)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other files go on
        return None, error
    return written, None


_load_once = functools.cache(load_on_device)


def _separate_elsewhere(model: Any, song: "Song", options: dict[str, Any]) -> Any:
    # In another process; not every error can be sent from there, but its text can.
    written, error = _separate_one(_load_once(*model), song, options)
    return written, error and explain(error)
