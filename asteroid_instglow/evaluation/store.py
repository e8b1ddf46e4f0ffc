"""Scores on disk: written whole, and reused only while all that they depend on is the same."""

import json
from pathlib import Path

from ..utils.files import digest, write_atomic
from .layout import track_files
from .summary import to_plain

# Part of what decides whether a stored score is still good: raise it when numbers change.
_SCORES_VERSION = 1


def write_track(output, protocol, task, records):
    """Stores the records of one track under one protocol.

    Args:
        output (str or Path): Folder; the file is ``tracks/<protocol>/<track>.json`` in it.
        protocol (str): Its name.
        task (dict): The track, see ``layout.find_tracks``, and its ``settings``.
        records (dict): ``["estimates" or "baseline"][source]``.
    """
    content = {
        **{"track": task["name"], "protocol": protocol},
        "fingerprint": _fingerprint(task, protocol),
        **to_plain(records),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(_track_path(output, protocol, task["name"]), text + "\n")


def _track_path(output, protocol, track):
    return Path(output) / "tracks" / protocol / f"{track}.json"


def _fingerprint(task, protocol):
    """Digest of all that a track's scores depend on."""
    paths = [(path.resolve(), path.stat()) for path in track_files(task)]
    stats = [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in paths]
    names = [(source, path is None) for source, path in task["estimates"].items()]
    return digest([_SCORES_VERSION, protocol, task["settings"], names, stats])


def read_track(output, protocols, task):
    """Records of a track, by protocol, that an earlier run left and that still hold."""
    found = {}
    for name in protocols:
        path = _track_path(output, name, task["name"])
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"), object_hook=_with_nan)
        except ValueError:  # not JSON: not one of ours
            continue
        if isinstance(content, dict) and content.get("fingerprint") == _fingerprint(task, name):
            systems = ("estimates", "baseline")
            found[name] = {system: content[system] for system in systems if system in content}
    return found


def _with_nan(values):
    """Undoes ``to_plain``: in what is stored, None is always NaN."""
    nan = float("nan")
    for key, value in values.items():
        if isinstance(value, list):
            values[key] = [nan if item is None else item for item in value]
        elif value is None:
            values[key] = nan
    return values
