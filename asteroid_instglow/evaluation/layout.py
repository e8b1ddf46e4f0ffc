"""Matches the audio files of two folders by the names of tracks and sources."""

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..audio.finding import is_audio
from ..audio.io import audio_info

MIXTURE_NAMES = ("mixture", "mix")
MAX_LENGTH_DIFFERENCE = 0.1  # seconds


@dataclass
class Track:
    """Files of one track.

    Attributes:
        name (str): Name of the track.
        references (dict[str, Path]): True sources.
        estimates (dict[str, Path | None]): Separated sources; None where the file is missing.
        mixture (list[Path]): Files that sum to the mixture; empty if it is not known.
    """

    name: str
    references: dict[str, Path] = field(default_factory=dict)
    estimates: dict[str, Path | None] = field(default_factory=dict)
    mixture: list[Path] = field(default_factory=list)

    @property
    def sources(self) -> list[str]:
        """Names of all sources, those with a reference first."""
        return list(dict.fromkeys([*self.references, *self.estimates]))

    @property
    def files(self) -> list[Path]:
        """All files, each once."""
        paths = [*self.references.values(), *self.mixture, *self.estimates.values()]
        return list(dict.fromkeys(path for path in paths if path is not None))


def match_key(name: str) -> str:
    """Returns the key under which a name is matched: case and Unicode form do not count.

    Examples:
        >>> match_key("Bass") == match_key("bass")
        True
    """
    return unicodedata.normalize("NFC", name).casefold()


def list_audio(folder: Path) -> list[Path]:
    """Returns the audio files of a folder, sorted; none if there is no such folder."""
    return [path for path in sorted(folder.iterdir()) if is_audio(path)] if folder.is_dir() else []


def find_tracks(
    references: Path, estimates: Path, sources: Sequence[str] | None, missing: str
) -> list[Track]:
    """Matches tracks and sources, as :func:`evaluate_folders` describes.

    Args:
        references (Path): Folder of true sources.
        estimates (Path): Folder of separated sources.
        sources (list[str], optional): Sources to score; all by default.
        missing (str): ``"error"`` or ``"skip"``.

    Returns:
        list[Track]: Tracks with at least one source to score.

    Raises:
        FileNotFoundError: If there is nothing to score, or an estimate is missing under
            ``missing="error"``.
        ValueError: If two files or folders share a name.
    """
    reference_folders, _ = _track_folders("references", references)
    estimate_folders, is_track = _track_folders("estimates", estimates)
    if is_track and len(reference_folders) == 1:
        estimate_folders = dict.fromkeys(reference_folders, estimates)
    # A source has one spelling in the report, whatever the files of each track are called.
    spelling = {match_key(source): source for source in sources or ()}
    unseen = set(spelling)
    tracks: list[Track] = []
    absent: list[str] = []
    for key, folder in reference_folders.items():
        files = _audio_by_key(folder)
        scored = [name for name in files if name not in MIXTURE_NAMES]
        if sources is not None:
            scored = [name for name in spelling if name in files]
            unseen -= set(scored)
        if not scored:
            continue
        name = folder.resolve().name
        found = _audio_by_key(estimate_folders[key]) if key in estimate_folders else {}
        spelled = {source: spelling.setdefault(source, files[source].stem) for source in scored}
        lacking = [f"{name}/{spelled[source]}" for source in scored if source not in found]
        absent += lacking if found else [f"{name} (the whole track)"]
        tracks.append(
            Track(
                name,
                references={spelled[source]: files[source] for source in scored},
                estimates={spelled[source]: found.get(source) for source in scored},
                mixture=_mixture_files(files),
            )
        )
    if unseen or not tracks:
        what = ", ".join(spelling[source] for source in spelling if source in unseen)
        what = f"no reference of {what}" if what else "no audio"
        raise FileNotFoundError(f"references: {what} in {references} or the folders inside it")
    if absent and missing == "error":
        listed = ", ".join(absent[:10])
        listed += f" and {len(absent) - 10} more" if len(absent) > 10 else ""
        raise FileNotFoundError(
            f"estimates: nothing in {estimates} for {listed}; give sources to score fewer, "
            "or missing='skip' to count these and score the rest"
        )
    return tracks


def check_layout(
    track: Track, sample_rate: int | None, seconds: float | None, mono: bool
) -> tuple[int, int]:
    """Checks that a track's files fit together, from their headers.

    Args:
        track (Track): Files.
        sample_rate (int, optional): Rate to resample to, in Hz; that of the references by default.
        seconds (float, optional): Length to score from the start.
        mono (bool): Whether channels are averaged, so that their number may differ.

    Returns:
        tuple: Sample rate in Hz and number of frames to score.

    Raises:
        ValueError: If lengths or numbers of channels differ.
    """
    infos = [audio_info(path) for path in track.files]
    rate = int(sample_rate or infos[0].sample_rate)
    limit = seconds or math.inf
    lengths = [min(info.seconds, limit) for info in infos]
    if max(lengths) - min(lengths) >= MAX_LENGTH_DIFFERENCE:
        longest, shortest = (lengths.index(f(lengths)) for f in (max, min))
        raise ValueError(
            f"track {track.name}: all files must have one length within "
            f"{MAX_LENGTH_DIFFERENCE} s, got {lengths[longest]:.2f} s in {track.files[longest]} "
            f"and {lengths[shortest]:.2f} s in {track.files[shortest]}"
        )
    channels = [info.channels for info in infos]
    if len(set(channels)) > 1 and not mono:
        other = next(i for i, n in enumerate(channels) if n != channels[0])
        raise ValueError(
            f"track {track.name}: all files must have equally many channels (mono=True averages "
            f"them), got {channels[0]} in {track.files[0]} and {channels[other]} in "
            f"{track.files[other]}"
        )
    # The length after resampling is ceil(frames * rate / own rate).
    frames = min(-(-info.frames * rate // info.sample_rate) for info in infos)
    return rate, frames if limit == math.inf else min(frames, max(1, round(limit * rate)))


def _audio_by_key(folder: Path) -> dict[str, Path]:
    return _by_key(folder, list_audio(folder), lambda path: path.stem)


def _by_key(folder: Path, paths: Iterable[Path], name: Callable[[Path], str]) -> dict[str, Path]:
    """Returns paths by the key of their name; raises if two share a name."""
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(match_key(name(path)), path)
        if other is not path:
            raise ValueError(
                f"{folder} must hold each name once (case does not count), "
                f"got {other.name} and {path.name}"
            )
    return found


def _track_folders(name: str, root: Path) -> tuple[dict[str, Path], bool]:
    """Returns the tracks' folders by key, and whether the root itself is the only track."""
    if not root.is_dir():
        raise FileNotFoundError(f"{name} must be a folder, but there is none at {root}")
    if list_audio(root):
        return {match_key(root.resolve().name): root}, True
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()]
    shown = [path for path in folders if not path.name.startswith(".")]
    return _by_key(root, shown, lambda path: path.name), False


def _mixture_files(files: dict[str, Path]) -> list[Path]:
    """Returns the mixture's file, or the sources that sum to the mixture without overlap."""
    for name in MIXTURE_NAMES:
        if name in files:
            return [files[name]]
    parts = {name for name in files if name != "accompaniment"}
    # Beside other sources than vocals, the accompaniment is itself a sum of sources.
    return [files[name] for name in files if name in parts or not parts - {"vocals"}]
