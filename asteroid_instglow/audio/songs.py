"""Finds the songs that the arguments of a command name: files, folders and patterns."""

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple, TypeVar

from .finding import find_audio
from .naming import song_folder

MIXTURE = "mixture"
AnyPath = TypeVar("AnyPath", bound=PurePath)


class Song(NamedTuple):
    """An audio file, the folder that its stems go below, and its name there."""

    path: Path
    folder: Path
    track: str


def find_songs(inputs: Sequence[str | Path], output: str | Path | None = None) -> list[Song]:
    """Finds the audio files behind the arguments of a command.

    Args:
        inputs (Sequence[str | Path]): Files; folders, whose audio files are all taken, except that
            a folder with a ``mixture.*`` is one song; patterns such as ``"music/**/*.mp3"``.
        output (str | Path, optional): Folder of the stems; by default beside each file. What is in
            it is no song.

    Returns:
        list[Song]: Each file once. A file of a folder is named by its path in the folder. Where two
        songs would have one name, their suffixes and folders become part of it.

    Raises:
        FileNotFoundError: If a pattern matches nothing, or a folder holds no audio file.
        ValueError: If a folder is given without ``output``, or ``output`` is a file.

    Examples:
        >>> [song.track for song in find_songs(["a/x.wav", "b/x.wav", "c/mixture.wav"], "out")]
        ['a/x', 'b/x', 'c']
        >>> [song.track for song in find_songs(["x.wav", "x.mp3"], "out")]
        ['x.wav', 'x.mp3']
    """
    if output is not None and Path(output).exists() and not Path(output).is_dir():
        raise ValueError(f"output must be a folder, got the file {output}")
    found: dict[Path, tuple[Path, str]] = {}
    for item in inputs:
        for path, above in _expand(str(item), output):
            track = "/".join([*above, song_folder(path, output)[1]])
            found.setdefault(path.absolute(), (path, track))
    paths = [path for path, _ in found.values()]
    tracks = distinct_names(paths, [track for _, track in found.values()], output is None)
    return [Song(path, *song_folder(path, output, track)) for path, track in zip(paths, tracks)]


def _expand(item: str, output: str | Path | None) -> list[tuple[Path, tuple[str, ...]]]:
    # Pairs of a file and the folders that go before its name.
    path = Path(item)
    if path.is_dir():
        return _walk(path, output)
    if path.exists() or not glob.has_magic(item):
        return [(path, ())]
    matches = [Path(match) for match in sorted(glob.glob(item, recursive=True))]
    if not matches:
        raise FileNotFoundError(f"no file matches {item}")
    return [(path, ()) for path in matches if not path.is_dir()]


def _walk(folder: Path, output: str | Path | None) -> list[tuple[Path, tuple[str, ...]]]:
    if output is None:
        raise ValueError(f"a folder needs --output, where the stems go, got the folder {folder}")
    out = Path(output).resolve()
    files = [path for path in find_audio(folder)[0] if out not in path.resolve().parents]
    pairs = songs_below(folder, files)
    if not pairs:
        raise FileNotFoundError(f"there is no audio file in the folder {folder}")
    return pairs


def songs_below(
    folder: PurePath, files: Sequence[AnyPath]
) -> list[tuple[AnyPath, tuple[str, ...]]]:
    """Leaves out the stems beside a ``mixture.*``, and names the folders above each song.

    Args:
        folder (PurePath): The folder.
        files (Sequence[PurePath]): Audio files below it.

    Returns:
        list: Pairs of a file and the folders that go before its name.

    Examples:
        >>> files = [PurePath("all/a/mixture.wav"), PurePath("all/a/bass.wav")]
        >>> [(path.name, above) for path, above in songs_below(PurePath("all"), files)]
        [('mixture.wav', ())]
    """
    songs = {path.parent for path in files if path.stem == MIXTURE}
    pairs = []
    for path in files:
        above = path.relative_to(folder).parts[:-1]
        # A mixture is named by its own folder already.
        if path.stem == MIXTURE:
            pairs.append((path, above[:-1]))
        elif path.parent not in songs:
            pairs.append((path, above))
    return pairs


def distinct_names(
    paths: Sequence[Path], tracks: Sequence[str], is_beside: bool = False
) -> list[str]:
    """Makes the names of songs differ, by their suffixes and then by folders above them.

    Args:
        paths (Sequence[Path]): Their files.
        tracks (Sequence[str]): Their names.
        is_beside (bool): Whether the stems go beside each file, where songs of different folders
            do not meet.

    Examples:
        >>> distinct_names([Path("a/x.wav"), Path("b/x.wav")], ["x", "x"])
        ['a/x', 'b/x']
    """
    places = [path.absolute().parent for path in paths]
    count = Counter(zip(places, tracks))
    tracks = [
        track + path.suffix if count[place, track] > 1 else track
        for path, place, track in zip(paths, places, tracks)
    ]
    if is_beside:
        return tracks
    named = list(tracks)
    for depth in range(1, max((len(place.parts) for place in places), default=0)):
        times = Counter(named)
        if max(times.values()) == 1:
            break
        for i, (path, place) in enumerate(zip(paths, places)):
            if times[named[i]] > 1:
                above = place.parts[1:-1] if path.stem == MIXTURE else place.parts[1:]
                named[i] = "/".join([*above[-depth:], tracks[i].rpartition("/")[2]])
    return named
