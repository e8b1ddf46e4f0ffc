"""Writes how sure a separation is beside its stems: ``confidence.json`` and ``confidence.png``."""

import logging
from functools import partial
from pathlib import Path

from ..audio.naming import stem_paths
from ..audio.stems import StemSet
from ..utils.extras import check_installed
from ..utils.files import read_json, write_json
from .confidence import Confidence
from .picture import draw_confidence

logger = logging.getLogger(__name__)

_WRITERS = {
    "confidence": (".json", write_json),
    "confidence picture": (".png", draw_confidence),
}


def drawable() -> bool | str:
    """Returns "picture" if ``matplotlib`` is installed; else True, with a warning.

    Examples:
        >>> drawable()
        'picture'
    """
    try:
        check_installed("matplotlib")
    except ModuleNotFoundError as error:
        logger.warning("no picture of the confidence, matplotlib is not installed: %s", error)
        return True
    return "picture"


class ConfidenceFiles:
    """Files of a song's confidence, named like a stem "confidence".

    Args:
        folder, track, name: As for :func:`~asteroid_instglow.audio.naming.stem_paths`.
        wanted (bool | str): Whether to write the JSON file; "picture": and the picture.

    Raises:
        ModuleNotFoundError: If a picture is wanted and ``matplotlib`` is not installed.

    Attributes:
        paths (dict[str, Path]): "confidence" and "confidence picture" to their files, if wanted.

    Examples:
        >>> files = ConfidenceFiles("out", "song", "{track}/{stem}", "picture")
        >>> [path.as_posix() for path in files.paths.values()]
        ['out/song/confidence.json', 'out/song/confidence.png']
    """

    def __init__(self, folder: str | Path, track: str, name: str, wanted: bool | str):
        if wanted == "picture":
            check_installed("matplotlib")
        self._all = {
            kind: stem_paths(folder, track, ["confidence"], suffix, name)["confidence"]
            for kind, (suffix, _) in _WRITERS.items()
        }
        kinds = list(_WRITERS)[: 2 if wanted == "picture" else int(bool(wanted))]
        self.paths = {kind: self._all[kind] for kind in kinds}

    def attach(self, stems: StemSet, confidence: Confidence | None) -> None:
        """Adds the files to a set of stems; unwanted ones of stems that it replaces are deleted.

        Args:
            stems (StemSet): The set, complete but for this.
            confidence (Confidence, optional): Needed if any file is wanted.
        """
        if confidence is not None:
            content = confidence.to_dict()
            for kind, path in self.paths.items():
                stems.attach(path, partial(_WRITERS[kind][1], content=content))
        if _is_confidence(self._all["confidence"]):
            stems.drop([path for path in self._all.values() if path not in self.paths.values()])


def _is_confidence(path: Path) -> bool:
    # Another file of that name is not ours to remove.
    try:
        return path.is_file() and set(read_json(path)) == {"seconds", "level", "sources"}
    except (ValueError, TypeError, OSError):
        return False
