"""Lists the songs of a corpus: those of a folder, or those that a manifest names."""

import json
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..audio.finding import is_audio, is_hidden
from ..audio.naming import song_folder
from ..audio.songs import distinct_names, find_songs, songs_below
from .storage import Place

SUFFIXES = (".jsonl", ".txt")


class CorpusSong(NamedTuple):
    """Path or URL of an audio file, and the name that its stems go under."""

    path: str
    track: str


def list_songs(source: str | Path, output: str | Path) -> list[CorpusSong]:
    """Lists the songs of a corpus.

    Args:
        source (str | Path): Path or URL of a folder, whose audio files are all taken as by
            ``instglow separate``, or of a manifest: a ``.txt`` file with a path or URL on each
            line, or a ``.jsonl`` file with objects of "path" and, if wanted, "track". Paths in a
            manifest that are not absolute start at its folder.
        output (str | Path): Where the stems go; what is in it is no song.

    Returns:
        list[CorpusSong]: Each song once, in a fixed order.

    Raises:
        FileNotFoundError: If there is no such folder or file, or no song in it.
        ValueError: If a line of a manifest cannot be read.

    Examples:
        >>> [song.track for song in list_songs("stems", "out")]
        ['song/bass', 'song/drums']
    """
    place = Place(source)
    if PurePosixPath(place.root).suffix in SUFFIXES and place.fs.isfile(place.root):
        songs = _read_manifest(place)
    elif not place.fs.isdir(place.root):
        raise FileNotFoundError(
            f"there is no folder {source}, and no manifest ({' or '.join(SUFFIXES)}) either"
        )
    elif place.is_local:
        found = find_songs([place.root], str(Place(output)))
        songs = [CorpusSong(str(song.path.absolute()), song.track) for song in found]
    else:
        songs = _list_remote(place, Place(output))
    if not songs:
        raise FileNotFoundError(f"there is no song in {source}")
    return songs


def _list_remote(place: Place, output: Place | None) -> list[CorpusSong]:
    root = PurePosixPath(place.root)
    own = output.root if output and output.fs == place.fs else ""
    files = [PurePosixPath(path) for path in sorted(place.fs.find(place.root))]
    files = [
        path
        for path in files
        if is_audio(path.as_posix())
        and not any(is_hidden(part) for part in path.relative_to(root).parts)
        and own not in map(str, path.parents)
    ]
    pairs = songs_below(root, files)
    tracks = ["/".join([*above, _name(path)]) for path, above in pairs]
    return _songs([place.fs.unstrip_protocol(str(path)) for path, _ in pairs], tracks)


def _read_manifest(place: Place) -> list[CorpusSong]:
    paths: dict[str, str | None] = {}
    # Names of files need not be UTF-8.
    with place.fs.open(place.root, "rt", encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                path, track = _read_line(line.rstrip("\n"), place, number)
                paths.setdefault(path, track)
    return _songs(list(paths), [track or _name(path) for path, track in paths.items()])


def _read_line(line: str, place: Place, number: int) -> tuple[str, str | None]:
    track = None
    if place.root.endswith(".jsonl"):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            raise ValueError(
                f'line {number} of {place} must be an object with "path": {line[:99]!r}'
            )
        line, track = entry["path"], entry.get("track")
        if track is not None and not isinstance(track, str):
            raise ValueError(
                f'line {number} of {place} must have a string as "track": {line[:99]!r}'
            )
    if "://" in line or line.startswith("/"):
        return line, track
    return f"{str(place).rpartition('/')[0]}/{line}", track


def _name(path: str | PurePosixPath) -> str:
    return song_folder(PurePosixPath(path).as_posix(), "out")[1]


def _songs(paths: list[str], tracks: list[str]) -> list[CorpusSong]:
    return [*map(CorpusSong, paths, distinct_names([Path(path) for path in paths], tracks))]
