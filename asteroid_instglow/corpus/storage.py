"""Folders and files on this machine, on S3, GCS and wherever else fsspec reaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ..utils.files import scratch_folder


class Place:
    """A folder or file, named by a path or a URL such as ``s3://bucket/music``.

    Args:
        url (str | Path): Path or URL.

    Attributes:
        fs (fsspec.AbstractFileSystem): Its file system.
        root (str): Its path there, absolute.
        is_local (bool): Whether it is on this machine's own file systems.

    Raises:
        ImportError: If the file system needs a package (s3fs, gcsfs) that is not installed.
        ValueError: If there is no such file system.

    Examples:
        >>> Place("memory://songs").is_local, Place("songs").is_local
        (False, True)
    """

    def __init__(self, url: str | Path):
        self.fs, self.root = fsspec.url_to_fs(str(url))
        self.root = self.root.rstrip("/")
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def __str__(self) -> str:
        return self.root if self.is_local else self.fs.unstrip_protocol(self.root)

    def below(self, name: str | PurePosixPath) -> str:
        """Returns the path of a file in the folder."""
        return f"{self.root}/{name}"

    def has(self, names: list[str]) -> bool:
        """Returns True if all these files are in the folder."""
        return all(self.fs.exists(self.below(name)) for name in names)

    def put(self, folder: Path, names: list[str]) -> None:
        """Uploads files of a local folder; if one cannot be, those before it are removed again.

        Args:
            folder (Path): The local folder.
            names (list[str]): Files in it, and in this one.
        """
        there = []
        try:
            for name in names:
                self.fs.makedirs(self.below(name).rpartition("/")[0], exist_ok=True)
                self.fs.put_file(str(folder / name), self.below(name))
                there.append(name)
        except Exception:
            for name in there:
                self.fs.rm_file(self.below(name))
            raise


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Yields a file as one on this machine; one from elsewhere is downloaded and then removed.

    Args:
        url (str): Path or URL.
    """
    place = Place(url)
    if place.is_local:
        yield Path(place.root)
        return
    with scratch_folder() as folder:
        path = folder / PurePosixPath(place.root).name
        place.fs.get_file(place.root, str(path))
        yield path
