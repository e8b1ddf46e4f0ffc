"""Prepares the tracks of any data set: writes the folders that training and evaluation read.

    <output>/train/<source>/<track>/001.flac        pieces of solo recordings, silence left out
    <output>/validation/<source>/<track>/001.flac
    <output>/test/<track>/{mixture,<source>}.flac   whole, of one length
    <output>/tracks/<split>/<track>.json            what was made from what
    <output>/manifest.json                          the sums

A track whose files and settings are unchanged is kept; an interrupted one is prepared again.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ...utils.checks import check_at_least, check_one_of
from ...utils.files import write_json
from ...utils.parallel import run_parallel
from .manifest import discard, fingerprint, holds, read_records, write_manifest
from .tracks import TEST_FORMATS, prepare_track

SPLITS = ("train", "validation", "test")


class Part(NamedTuple):
    """One audio stream of a file."""

    path: Path
    stream: int = 0


class Track(NamedTuple):
    """A song of a data set.

    ``stems`` has for each source the parts whose sum it is, ``mixture`` the parts whose sum is the
    mixture; ``missing`` names what the data set should have of this track and has not.
    """

    name: str
    split: str
    stems: dict
    mixture: tuple
    missing: tuple = ()


def prepare(
    tracks: Iterable[Track],
    output: str | Path,
    sources: list[str],
    sample_rate: int = 22050,
    piece_seconds: tuple[float, float] = (7.0, 10.0),
    min_seconds: float = 3.0,
    silence_db: float = -60.0,
    max_pause: float = 1.0,
    test_format: str = "native",
    jobs: int = 1,
    progress: bool = True,
) -> dict:
    """Prepares a data set as the paper does: mono, silence removed, pieces of 7 to 10 seconds.

    The result depends on nothing but the files and these arguments.

    Args:
        tracks (iterable of Track): Those that :func:`~.musdb.musdb_tracks` lists, or its like.
        output (str | Path): Folder, created if it does not exist.
        sources (list[str]): Names of sources; a track need not have all.
        sample_rate (int): Sample rate of the pieces in Hz; at most that of the data set.
        piece_seconds (tuple): Shortest and longest piece.
        min_seconds (float): Rests shorter than this are dropped.
        silence_db (float): 50 ms of a lower RMS, in dB of full scale, are silence.
        max_pause (float): Silences up to this many seconds are kept.
        test_format (str): ``"native"`` keeps rate and channels of the data set in the test set,
            ``"mono"`` brings it to mono at ``sample_rate``.
        jobs (int): Number of processes. A script that asks for more than one needs the usual
            ``if __name__ == "__main__":``.
        progress (bool): Whether a bar shows on stderr.

    Returns:
        dict: The content of ``manifest.json``: "settings", "digest", "training_digest" (without
        the test set) and, for each split, "tracks", "pieces" and "seconds" of each source, and the
        names of what is "missing", "silent" or "padded" (shorter than the mixture).

    Raises:
        ValueError: If there are no tracks, two have one name, an option is out of range, or the
            data set has a lower sample rate than is wanted.
    """
    output = Path(output)
    settings = {
        "sources": list(sources),
        "sample_rate": int(sample_rate),
        "piece_seconds": [float(seconds) for seconds in piece_seconds],
        "min_seconds": float(min_seconds),
        "silence_db": float(silence_db),
        "max_pause": float(max_pause),
        "test_format": test_format,
    }
    check_one_of("test_format", test_format, TEST_FORMATS)
    check_at_least("jobs", jobs, 1)
    wanted = _by_key(tracks)
    prints = {key: fingerprint(track, settings) for key, track in wanted.items()}
    done = {}
    for key, record in read_records(output).items():
        if holds(output, record, prints.get(key)):
            done[key] = record
        else:
            discard(output, key, record)
    tasks = [(key, track, output, settings) for key, track in wanted.items() if key not in done]
    for number, made in run_parallel(prepare_track, tasks, jobs, "preparing" if progress else None):
        key = tasks[number][0]
        done[key] = {"fingerprint": prints[key], **made}
        write_json(output / "tracks" / key[0] / f"{key[1]}.json", done[key])
    return write_manifest(output, settings, {key: done[key] for key in sorted(wanted)})


def _by_key(tracks: Iterable[Track]) -> dict[tuple[str, str], Track]:
    found: dict[tuple[str, str], Track] = {}
    for track in tracks:
        if track.split not in SPLITS:
            raise ValueError(f"split of {track.name} must be of {SPLITS}, got {track.split!r}")
        if found.setdefault((track.split, track.name), track) is not track:
            raise ValueError(f"tracks must differ in name, got {track.name} twice in {track.split}")
    if not found:
        raise ValueError("tracks must hold at least one track, got none")
    return found
