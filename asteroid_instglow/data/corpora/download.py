"""Downloads the archive of a data set, or resumes the download, and unpacks it."""

import errno
import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from ...utils.files import hash_file
from .unpack import unpack

_BLOCK = 1 << 20
_WAIT, _MAX_WAIT = 1.0, 30  # seconds before a new attempt; doubled each time
_ATTEMPTS = 5  # in a row that bring nothing


class Archive(NamedTuple):
    """Archive of a data set: its URL, its sizes in bytes, its checksum as ``"md5:<digits>"``.

    ``access`` tells how to get it where the server refuses.
    """

    url: str
    size: int | None = None
    checksum: str | None = None
    unpacked_size: int = 0
    access: str = ""

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.partition("?")[0].rpartition("/")[2]


def download(
    archive: Archive, folder: str | Path, keep: bool = False, progress: bool = True
) -> Path:
    """Fetches, checks and unpacks an archive.

    Args:
        archive (Archive): Archive to fetch.
        folder (str | Path): Folder for its content, created if it does not exist.
        keep (bool): Whether to keep the archive.
        progress (bool): Whether bars show on stderr.

    Returns:
        Path: The folder.

    Raises:
        PermissionError: If one must ask for access; the message says how.
        ConnectionError: If the connection breaks off; what has come is kept.
        ValueError: If the file is damaged.
        OSError: If the disk has not enough room.

    Examples:
        .. code-block:: python

            download(ARCHIVES["7s"], "musdb18-7s")
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / archive.name
    if not (path.is_file() and _is_whole(path, archive.checksum)):
        fetch(archive, path, progress)
    _check_room(folder, archive.unpacked_size, f"unpack {archive.name}")
    unpack(path, folder, progress)
    if not keep:
        path.unlink()
    return folder


def fetch(archive: Archive, path: Path, progress: bool = True) -> None:
    """Fetches a file, or goes on with what an earlier call left in ``<path>.part``.

    Args:
        archive (Archive): Archive to fetch.
        path (Path): File to write; its folder must exist.
        progress (bool): Whether a bar shows on stderr.

    Raises:
        PermissionError, ConnectionError, ValueError, OSError: See :func:`download`.
    """
    part = path.with_name(path.name + ".part")
    if archive.size is not None:
        _check_room(path.parent, archive.size - _size(part) + archive.unpacked_size, path.name)
    failures = 0
    with tqdm(
        desc=path.name, unit="B", unit_scale=True, unit_divisor=1024, disable=not progress
    ) as bar:
        while True:
            before = _size(part)
            try:
                if _fetch_more(archive, part, bar):
                    break
                reason = "the connection broke off"
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
                reason = _reason(error, archive)
            except TimeoutError:
                reason = "the server does not answer"
            failures = 0 if _size(part) > before else failures + 1
            if failures >= _ATTEMPTS:
                raise ConnectionError(
                    f"{archive.url}: {reason}; {_size(part)} bytes of it are kept, so run this "
                    "again to go on"
                )
            time.sleep(min(_MAX_WAIT, _WAIT * 2**failures))
    if not _is_whole(part, archive.checksum):
        part.unlink()
        raise ValueError(
            f"{archive.url} must have the checksum {archive.checksum}, what came is damaged or "
            "another file; it was removed"
        )
    part.replace(path)


def _fetch_more(archive: Archive, part: Path, bar: tqdm) -> bool:
    # Appends what comes, and returns whether that is all.
    have = _size(part)
    headers = {"User-Agent": "asteroid_instglow"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(archive.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # All is there, or more than all: the checksum will tell.
        return True
    with (
        response,
        part.open("ab" if response.status == http.HTTPStatus.PARTIAL_CONTENT else "wb") as out,
    ):
        have = out.tell()
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        if total is not None:
            _check_room(part.parent, total - have + archive.unpacked_size, part.stem)
        bar.total, bar.n = total, have
        bar.refresh()
        while block := response.read(_BLOCK):
            out.write(block)
            bar.update(len(block))
        return total is None or out.tell() >= total


def _reason(error: Exception, archive: Archive) -> str:
    # Describes an error after which a new attempt may help; raises others.
    if not isinstance(error, urllib.error.HTTPError):
        return str(getattr(error, "reason", error))
    if error.code in (401, 403):
        raise PermissionError(
            f"{archive.url} is not given to everybody (status {error.code}). {archive.access}"
        ) from error
    if error.code < 500 and error.code not in (408, 429):
        raise FileNotFoundError(
            f"there is no {archive.url} (status {error.code}). {archive.access}"
        ) from error
    return f"the server answers with status {error.code}"


def _is_whole(path: Path, checksum: str | None) -> bool:
    if checksum is None:
        return True
    algorithm, _, wanted = checksum.partition(":")
    return hash_file(path, algorithm) == wanted


def _check_room(folder: Path, wanted: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OSError(
            errno.ENOSPC,
            f"{folder} must have {wanted / 1e9:.1f} GB free for {what}, it has {free / 1e9:.1f} GB",
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
