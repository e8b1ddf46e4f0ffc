"""Writes files whole or not at all, and hashes them."""

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a path to write to, and renames it to ``path`` at the end.

    Readers see the old file or the new one. If the block fails, the old file stays. What a killed
    process left is overwritten; a process that writes the same file at the same time is waited for.
    A link stays, and the file that it leads to is written.

    Args:
        path (str | Path): The file; its folder is created if it does not exist.

    Yields:
        Path: A hidden file in the same folder, empty.

    Raises:
        OSError: If the file cannot be written; the message names it.
    """
    path = _behind_links(Path(path))
    temporary = path.with_name(f".{path.name[:200]}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path, temporary), _reserved(temporary):
        try:
            yield temporary
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _behind_links(path: Path) -> Path:
    if not path.is_symlink():
        return path
    with naming(path), suppress(FileNotFoundError):
        path.stat()  # refuses links that lead to themselves
    return Path(os.path.realpath(path))


@contextmanager
def naming(path: str | Path, within: Path | None = None) -> Iterator[None]:
    """Rewords the system's errors in the block: they say that ``path`` could not be written.

    Args:
        path (str | Path): The file or folder.
        within (Path, optional): Only errors about a path that begins so, or about none.

    Raises:
        OSError: With the path and the reason.
    """
    try:
        yield
    except OSError as error:
        about = "" if error.filename is None else os.fspath(error.filename)
        if error.strerror is None or (about and not about.startswith(str(within or ""))):
            raise
        kind = PermissionError if error.errno == errno.EROFS else type(error)
        told = kind(f"cannot write {path}: {error.strerror}")
        told.errno = error.errno
        raise told from error


@contextmanager
def _reserved(path: Path) -> Iterator[None]:
    # Holds the lock of an empty file, which another process may have moved away while we waited.
    while True:
        with path.open("ab") as file:
            lock(file.fileno())
            if not is_at(file.fileno(), path):
                continue
            file.truncate(0)
            yield
            return


def lock(descriptor: int, wait: bool = True) -> bool:
    """Locks an open file or folder until it is closed, or the process ends however it may.

    Where the file system has no locks, nothing is locked.

    Args:
        descriptor (int): File descriptor.
        wait (bool): Wait for another process to let go.

    Returns:
        bool: False if another process has the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Returns True if an open file or folder is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def scratch_folder(
    parent: str | Path | None = None, prefix: str = "instglow-scratch-"
) -> Iterator[Path]:
    """Yields a new folder, which is removed at the end.

    It stays locked while the process lives. Unlocked ones, which killed processes left, are removed
    first.

    Args:
        parent (str | Path, optional): Folder to make it in; by default the system's for temporary
            files.
        prefix (str): Start of its name. No other folder in ``parent`` may start so.

    Examples:
        >>> with scratch_folder() as folder:
        ...     write_atomic(folder / "a.txt", "text")
        >>> folder.exists()
        False
    """
    parent = Path(parent or tempfile.gettempdir())
    for stale in parent.glob(f"{prefix}*"):
        _remove_unlocked(stale)
    folder, descriptor = _make_locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def nearest_folder(path: str | Path) -> Path:
    """Returns a path if it is a folder, else the nearest folder above it.

    Examples:
        >>> nearest_folder("there/is/none") == Path.cwd()
        True
    """
    path = Path(path).absolute()
    return next(place for place in (path, *path.parents) if place.is_dir())


def _make_locked(parent: Path, prefix: str) -> tuple[Path, int]:
    # Another process may remove the folder before it is locked.
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        descriptor = os.open(folder, os.O_RDONLY)
        lock(descriptor)
        if is_at(descriptor, folder):
            return folder, descriptor
        os.close(descriptor)


def _remove_unlocked(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # gone, another user's, or no folder
        return
    try:
        # Not by lock(), which succeeds where the file system has no locks.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pass
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Swaps two folders of one file system in a single step.

    Returns:
        bool: False if the system cannot, and nothing is changed.
    """
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):  # no Linux
        return False
    return rename(here, os.fsencode(one), here, os.fsencode(other), swap) == 0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C and SIGTERM back until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # which no signal interrupts
        return
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught_one in caught[:1]:
            signal.raise_signal(caught_one)


def write_atomic(path: str | Path, content: str | bytes | Callable[[Path], Any]) -> None:
    """Writes a file whole or not at all.

    Args:
        path (str | Path): The file.
        content (str | bytes | Callable): What to write, or a function that writes to a given path.

    Examples:
        >>> write_atomic("a.txt", "text")
        >>> Path("a.txt").read_text()
        'text'
    """
    with atomic_path(path) as temporary:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: str | Path, content: Any, indent: int = 1) -> None:
    """Writes plain types as a JSON file, whole or not at all."""
    write_atomic(path, json.dumps(content, indent=indent, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> dict:
    """Reads a JSON file that holds an object.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not JSON, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content


def hash_file(path: str | Path, algorithm: str = "sha256") -> str:
    """Hashes the content of a file; returns hexadecimal digits."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def digest(content: Any) -> str:
    """Hashes plain types (SHA-256, hexadecimal); the order of keys does not matter.

    Examples:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
