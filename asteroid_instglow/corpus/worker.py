"""Separates single songs of a corpus, in a process that keeps its model."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import soundfile as sf
import torch

from ..audio.naming import TEMPLATE, output_names, stem_paths
from ..audio.placing import finish_interrupted
from ..utils.files import scratch_folder
from .storage import Place, local_copy

MAX_MESSAGE = 500  # characters


class SongWorker:
    """Separates songs with one model.

    Args:
        load (Callable): Returns the model, a :class:`~asteroid_instglow.adapter.Separator`.
        output (str): Path or URL of the folder of all stems.
        options (dict): Of :meth:`~asteroid_instglow.adapter.Separator.file_separate`.
    """

    def __init__(self, load: Callable[[], Any], output: str, options: dict[str, Any]):
        torch.set_num_threads(1)
        self._separator = load()
        self._output = Place(output)
        self._options = options
        self._name = f"{platform.node()}:{os.getpid()}"

    def name(self) -> str:
        """Returns the machine and the process."""
        return self._name

    def separate(self, path: str, track: str) -> dict[str, Any]:
        """Separates a song, unless all its stems are there.

        Args:
            path (str): Path or URL of the file.
            track (str): Name of the song.

        Returns:
            dict: "status", "worker", "took" (seconds), and "seconds" of audio or "error" and
            "again", whether another try may succeed.
        """
        began = time.monotonic()
        answer: dict[str, Any]
        try:
            answer = {"status": "done", **self._separate(path, track)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the other songs go on
            text = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_MESSAGE]
            again = not isinstance(error, (ValueError, TypeError, FileNotFoundError))
            answer = {"status": "failed", "error": text, "again": again}
        return {**answer, "worker": self._name, "took": round(time.monotonic() - began, 3)}

    def _separate(self, path: str, track: str) -> dict[str, Any]:
        names = self._names(track)
        if self._output.is_local:
            root = Path(self._output.root)
            finish_interrupted(root / track, [root / name for name in names])
        if self._output.has(names):
            return {"found": True}
        with local_copy(path) as file:
            # A set that is not whole is what a killed process left, and is replaced.
            options = {**self._options, "track": track, "force_overwrite": True}
            if self._output.is_local:
                stems = self._separator.file_separate(file, self._output.root, **options)
                return _describe(stems)
            with scratch_folder() as folder:
                stems = self._separator.file_separate(file, folder, **options)
                written = [path.relative_to(folder).as_posix() for path in stems.values()]
                self._output.put(folder, written)
                return _describe(stems)

    def _names(self, track: str) -> list[str]:
        # Files of the stems, relative to the folder of all.
        options = self._options
        wanted = options.get("sources"), options.get("two_stems")
        stems = list(output_names(self._separator.sources, *wanted))
        suffix, name = options.get("suffix", ".wav"), options.get("name", TEMPLATE)
        return [path.as_posix() for path in stem_paths("", track, stems, suffix, name).values()]


def _describe(stems: Any) -> dict[str, Any]:
    return {"seconds": round(sf.info(os.fsencode(next(iter(stems.values())))).duration, 3)}
