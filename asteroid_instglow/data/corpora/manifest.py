"""The records of a prepared data set: one per track, and the manifest with their sums."""

import json
import os
from pathlib import Path
from typing import Any

from ...utils.files import digest, write_json
from ...utils.text import format_duration

# Part of what decides whether a prepared track is still good: raise it when the audio changes.
_VERSION = 1
MANIFEST = "manifest.json"


def fingerprint(track: Any, settings: dict) -> str:
    """Hashes the settings, and the files of a track by size and time of change."""
    stems = {name: parts for name, parts in track.stems.items() if name in settings["sources"]}
    parts = sorted({part for group in [*stems.values(), track.mixture] for part in group})
    stats = [(str(path), stream, os.stat(path)) for path, stream in parts]
    files = [(path, stream, stat.st_size, stat.st_mtime_ns) for path, stream, stat in stats]
    names = {name: [list(map(str, part)) for part in group] for name, group in stems.items()}
    content = [_VERSION, settings, track.split, files, names, list(track.missing)]
    return digest(content)


def read_records(output: Path) -> dict[tuple[str, str], dict]:
    """Reads the records of earlier runs by (split, track); damaged ones are left out."""
    found = {}
    for path in sorted((output / "tracks").glob("*/*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # cut short: the track is made anew
            record = None
        if isinstance(record, dict) and {"fingerprint", "files"} <= record.keys():
            found[path.parent.name, path.stem] = record
    return found


def holds(output: Path, record: dict, wanted: str | None) -> bool:
    """Tells whether a record has this fingerprint and all its files exist."""
    if record["fingerprint"] != wanted:
        return False
    sizes = ((output / name, size) for name, size in record["files"].items())
    return all(path.is_file() and path.stat().st_size == size for path, size in sizes)


def discard(output: Path, key: tuple[str, str], record: dict) -> None:
    """Removes a track; its record goes first, so that half a track is never taken for a whole."""
    split, name = key
    (output / "tracks" / split / f"{name}.json").unlink(missing_ok=True)
    folders = set()
    for file in record["files"]:
        path = output / file
        if output in path.parents and ".." not in path.parts:
            path.unlink(missing_ok=True)
            folders.add(path.parent)
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def write_manifest(output: Path, settings: dict, records: dict[tuple[str, str], dict]) -> dict:
    """Writes the sums of all records; equal data give equal manifests.

    Args:
        output (Path): Folder of ``manifest.json``.
        settings (dict): Settings, plain types.
        records (dict): Record by (split, track), in order.

    Returns:
        dict: The content of the file.
    """
    manifest: dict[str, Any] = {"settings": settings}
    for (split, name), record in records.items():
        sums = manifest.setdefault(
            split,
            {"tracks": 0, "pieces": {}, "seconds": {}, "missing": [], "silent": [], "padded": []},
        )
        sums["tracks"] += 1
        for kind in ("pieces", "seconds"):
            for source, value in record[kind].items():
                sums[kind][source] = round(sums[kind].get(source, 0) + value, 3)
        for kind in ("missing", "silent", "padded"):
            sums[kind] += [f"{name}/{source}" for source in record[kind]]
    manifest["digest"] = _digest(settings, records)
    # Priors stay valid where only the test set has changed.
    training = {name: value for name, value in settings.items() if name != "test_format"}
    trained_on = {key: record for key, record in records.items() if key[0] != "test"}
    manifest["training_digest"] = _digest(training, trained_on)
    write_json(output / MANIFEST, manifest)
    return manifest


def _digest(settings: dict[str, Any], records: dict[tuple[str, str], dict]) -> str:
    content = [settings, [[*key, record["files"]] for key, record in records.items()]]
    return digest(content)


def describe(manifest: dict) -> str:
    """Describes a manifest in a few lines.

    Examples:
        >>> print(describe({"train": {"tracks": 1, "pieces": {"bass": 1}, "seconds": {"bass": 36},
        ...                           "missing": [], "silent": ["A/vocals"], "padded": []}}))
        train: 1 track; bass 36 s (1 piece); 0 missing, 1 silent, 0 padded stems
    """
    lines = []
    for split, sums in manifest.items():
        if not isinstance(sums, dict) or "tracks" not in sums:
            continue
        lengths = [
            f"{source} {format_duration(seconds)}"
            + (f" ({_count(sums['pieces'][source], 'piece')})" if source in sums["pieces"] else "")
            for source, seconds in sums["seconds"].items()
        ]
        counts = ", ".join(f"{len(sums[kind])} {kind}" for kind in ("missing", "silent", "padded"))
        tracks = _count(sums["tracks"], "track")
        lines.append(f"{split}: {tracks}; {', '.join(lengths)}; {counts} stems")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
