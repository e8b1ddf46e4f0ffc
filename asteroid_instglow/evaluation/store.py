"""Stores scores on disk, and reuses them while everything they depend on is unchanged."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..utils.files import digest, write_json
from .layout import Track
from .summary import to_plain

# Raise this when the numbers change: stored scores of other versions are not reused.
_SCORES_VERSION = 1


def write_track(
    output: str | Path, protocol: str, track: Track, settings: dict, records: dict[str, Any]
) -> None:
    """Writes the records of one track under a protocol, ``tracks/<protocol>/<track>.json``."""
    content = {
        "track": track.name,
        "protocol": protocol,
        "fingerprint": _fingerprint(track, settings, protocol),
        **to_plain(records),
    }
    write_json(_track_path(output, protocol, track.name), content)


def read_track(
    output: str | Path, protocols: Iterable[str], track: Track, settings: dict
) -> dict[str, Any]:
    """Reads the stored records of a track that are still valid, by protocol."""
    found = {}
    for name in protocols:
        path = _track_path(output, name, track.name)
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"), object_hook=_restore_nan)
        except ValueError:  # another program's file
            continue
        fingerprint = _fingerprint(track, settings, name)
        if isinstance(content, dict) and content.get("fingerprint") == fingerprint:
            systems = ("estimates", "baseline")
            found[name] = {system: content[system] for system in systems if system in content}
    return found


def _track_path(output: str | Path, protocol: str, track: str) -> Path:
    return Path(output) / "tracks" / protocol / f"{track}.json"


def _fingerprint(track: Track, settings: dict, protocol: str) -> str:
    """Returns a digest of the files (by size and time of change) and the settings."""
    paths = [(path.resolve(), path.stat()) for path in track.files]
    stats = [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in paths]
    names = [(source, path is None) for source, path in track.estimates.items()]
    return digest([_SCORES_VERSION, protocol, settings, names, stats])


def _restore_nan(values: dict[str, Any]) -> dict[str, Any]:
    """Undoes ``to_plain``: None always stands for NaN in stored records."""
    nan = float("nan")
    for key, value in values.items():
        if isinstance(value, list):
            values[key] = [nan if item is None else item for item in value]
        elif value is None:
            values[key] = nan
    return values
