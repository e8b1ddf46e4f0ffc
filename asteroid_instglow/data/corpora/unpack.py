"""Unpacks zip and tar archives whole or not at all."""

import os
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from ...utils.files import scratch_folder

# The folders of a data set, not a folder around it.
_CONTENT = ("train", "validation", "test")


def unpack(archive: str | Path, folder: str | Path, progress: bool = True) -> list[Path]:
    """Unpacks an archive into a folder; a single folder around its content is left out.

    Args:
        archive (str | Path): Zip file, or tar file of any compression.
        folder (str | Path): Folder, created if it does not exist; files of the same names are
            replaced.
        progress (bool): Whether a bar shows on stderr.

    Returns:
        list: Paths of what was unpacked, one for each item at the top.

    Raises:
        ValueError: If it is not an archive, is damaged, or would write elsewhere.

    Examples:
        >>> import shutil
        >>> archive = shutil.make_archive("solos", "zip", "solos")
        >>> sorted(path.name for path in unpack(archive, "unpacked"))
        ['bass.wav', 'drums.wav']
    """
    archive, folder = Path(archive), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder, ".unpacking-") as stage:
        try:
            if zipfile.is_zipfile(archive):
                _unzip(archive, stage, progress)
            else:
                _untar(archive, stage, progress)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise ValueError(f"{archive} must be a zip or tar archive, whole: {error}") from error
        made = [path for path in stage.iterdir() if path.name != "__MACOSX"]
        if len(made) == 1 and made[0].is_dir() and made[0].name not in _CONTENT:
            made = list(made[0].iterdir())
        targets = []
        for path in sorted(made):
            target = folder / path.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
            targets.append(target)
        return targets


def _unzip(archive: Path, stage: Path, progress: bool) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        total = sum(member.file_size for member in members)
        with _bar(total, progress) as bar:
            for member in members:
                _check_name(archive, member.filename)
                file.extract(member, stage)
                bar.update(member.file_size)


def _untar(archive: Path, stage: Path, progress: bool) -> None:
    options: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with archive.open("rb") as raw, _bar(archive.stat().st_size, progress) as bar:
        # A stream: the members of a hundred gigabytes are not listed first.
        with tarfile.open(fileobj=raw, mode="r|*") as file:
            for member in file:
                _check_name(archive, member.name)
                if member.isfile() or member.isdir():
                    file.extract(member, stage, **options)
                bar.update(raw.tell() - bar.n)


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{archive} must stay in its folder, it names {name}")


def _bar(total: int, progress: bool) -> tqdm:
    return tqdm(
        total=total,
        desc="unpacking",
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        disable=not progress,
    )
