"""Audio examples and pictures beside a model, which its card shows: the folder ``examples/``."""

import shutil
from pathlib import Path
from typing import NamedTuple

FOLDER = "examples"
AUDIO = (".flac", ".m4a", ".mp3", ".ogg", ".wav")
PICTURES = (".jpeg", ".jpg", ".png", ".webp")
MAX_BYTES = 50_000_000


class Examples(NamedTuple):
    """Names of the files in ``examples/``, the mixture first.

    Args:
        audio (tuple[str, ...]): Audio files.
        pictures (tuple[str, ...]): Pictures.
    """

    audio: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


NONE = Examples()


def find_examples(folder: str | Path) -> Examples:
    """Finds the examples of a model folder.

    Args:
        folder (str | Path): Model folder; it need not exist.

    Returns:
        Examples: Empty if there are none.

    Examples:
        >>> find_examples("priors/bass")
        Examples(audio=(), pictures=())
    """
    return _listed(Path(folder, FOLDER))


def copy_examples(source: str | Path, folder: str | Path) -> Examples:
    """Copies audio files and pictures into ``examples/`` of a model folder.

    Args:
        source (str | Path): Folder of the files, such as the output of ``instglow demo``; its other
            files and its folders are left out.
        folder (str | Path): Model folder, created if it does not exist.

    Returns:
        Examples: What was copied.

    Raises:
        ValueError: If there are none, or they are larger than ``MAX_BYTES`` together.
    """
    found = _listed(Path(source))
    names = [*found.audio, *found.pictures]
    if not names:
        kinds = ", ".join((*AUDIO, *PICTURES))
        raise ValueError(f"examples must be a folder with files in {kinds}, got {source}")
    size = sum(Path(source, name).stat().st_size for name in names)
    if size > MAX_BYTES:
        raise ValueError(
            f"examples must be at most {MAX_BYTES / 1e6:.0f} MB, {source} has {size / 1e6:.0f} MB"
        )
    Path(folder, FOLDER).mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(Path(source, name), Path(folder, FOLDER, name))
    return found


def _listed(folder: Path) -> Examples:
    if not folder.is_dir():
        return Examples()
    names = sorted(
        (path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."),
        key=lambda name: (not name.startswith("mixture"), name),
    )
    kinds = [tuple(n for n in names if Path(n).suffix.lower() in k) for k in (AUDIO, PICTURES)]
    return Examples(*kinds)
