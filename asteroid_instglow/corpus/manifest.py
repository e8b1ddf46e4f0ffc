"""The manifest of a corpus: which songs are done, which failed, as JSON lines beside the stems."""

import json
import os
import time
from datetime import datetime, timezone
from typing import Any

from ..utils.files import lock
from .storage import Place

FOLDER = "manifest"
# On an object store a part is written anew with each flush.
LINES_A_PART = 1000
SECONDS_A_FLUSH = 10.0


class CorpusManifest:
    """Reads what earlier runs did, and records what this one does; a context manager.

    It is the folder ``manifest`` of the output, with one file for each run (on object stores,
    several of 1000 lines). The first line says what separates. Each further line is a song: "path",
    "track", "status" ("done" or "failed"), "attempts", "worker", "took", "seconds" of audio or
    "error", and "at", the seconds since 1970.

    Args:
        place (Place): Folder of the stems.
        made_with (dict): What separates, and how; plain types.

    Attributes:
        tracks (dict[str, str]): Name of each song that is done to its path.

    Raises:
        ValueError: If the folder holds anything but an earlier run with the same ``made_with``, or
            another run is writing to it.
    """

    def __init__(self, place: Place, made_with: dict[str, Any]):
        self._place = place
        self._folder = place.below(FOLDER)
        self._made_with = json.loads(json.dumps(made_with))
        self.tracks: dict[str, str] = {}
        self._lines: list[str] = []
        self._flushed = time.monotonic()
        self._file: Any = None
        self._lock: int | None = None

    def __enter__(self) -> "CorpusManifest":
        fs = self._place.fs
        if fs.exists(self._place.root) and not fs.isdir(self._place.root):
            raise ValueError(f"output must be a folder, got the file {self._place}")
        listed = fs.ls(self._folder, detail=False) if fs.isdir(self._folder) else []
        parts = sorted(path for path in listed if path.endswith(".jsonl"))
        if not parts and fs.exists(self._place.root) and fs.ls(self._place.root):
            raise ValueError(
                f"output must be a new folder or one of an earlier run, {self._place} is neither"
            )
        fs.makedirs(self._folder, exist_ok=True)
        self._lock_folder()
        for part in parts:
            self._read(part)
        self._begin_part()
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is None:
            self._flush()
        else:
            self._file.close()
        if self._lock is not None:
            os.close(self._lock)

    def add(self, record: dict[str, Any]) -> None:
        """Adds a song; on this machine's disks at once, elsewhere within seconds."""
        line = json.dumps({**record, "at": round(time.time(), 3)}) + "\n"
        if self._file is not None:
            self._file.write(line)
            self._file.flush()
            return
        self._lines.append(line)
        is_full = len(self._lines) > LINES_A_PART
        if is_full or time.monotonic() - self._flushed > SECONDS_A_FLUSH:
            self._flush()
        if is_full:
            self._begin_part()

    def _lock_folder(self) -> None:
        if not self._place.is_local:
            return
        self._lock = os.open(self._folder, os.O_RDONLY)
        if not lock(self._lock, wait=False):
            os.close(self._lock)
            raise ValueError(f"another run is writing to {self._place}")

    def _read(self, part: str) -> None:
        made_with = None
        with self._place.fs.open(part, "rt", encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    continue  # the last line of a run that was killed
                if not isinstance(record, dict):
                    continue
                made_with = record.get("made_with", made_with)
                track, path = record.get("track"), record.get("path")
                if record.get("status") != "done":
                    continue
                if isinstance(track, str) and isinstance(path, str):
                    self.tracks[track] = path
        if made_with is not None and not isinstance(made_with, dict):
            raise ValueError(f"{part} must say what separated, got {str(made_with)[:99]}")
        if made_with is not None and made_with != self._made_with:
            differ = [
                name
                for name in sorted({*made_with, *self._made_with})
                if made_with.get(name) != self._made_with.get(name)
            ]
            raise ValueError(
                f"output {self._place} was made with another {', '.join(differ)}: "
                f"{', '.join(f'{n}={made_with.get(n)!r}' for n in differ)}; choose another folder"
            )

    def _begin_part(self) -> None:
        # Named by the time, to the microsecond: no run takes the name of another's part.
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
        self._part = f"{self._folder}/{stamp}.jsonl"
        head = json.dumps({"made_with": self._made_with}) + "\n"
        self._lines = [head]
        if self._place.is_local:
            self._file = open(self._part, "w", encoding="utf-8")
            self._file.write(head)
            self._file.flush()

    def _flush(self) -> None:
        self._place.fs.pipe_file(self._part, "".join(self._lines).encode())
        self._flushed = time.monotonic()
