"""Writes the stems of a song as a set: all of them appear in their folder, or none."""

import logging
import math
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from ..utils.checks import check_one_of, path_inside
from ..utils.files import exchange, lock, naming, uninterrupted
from .placing import LOCK, finish_interrupted, place_files, stage_of
from .writing import CLIP_MODES, FORMATS, AudioWriter, check_bitrate, check_format, check_suffix

_log = logging.getLogger(__name__)
_BLOCK = 2**18  # frames


class StemSet:
    """Writes a file for each source into a folder, block by block; a context manager.

    Files are written to a hidden folder next to it, ``.<folder>.partial``, and moved into place
    once all are complete. If a process is killed, the next one first finishes the moves that it had
    begun, and then replaces what it left.

    Args:
        folder (str | Path): Folder of the stems, made if need be.
        names (list[str] | dict[str, Path]): Sources, which name the files; or the file of each,
            which may lie elsewhere.
        suffix (str): ".wav", ".flac", ".ogg" or ".mp3".
        subtype (str): "PCM_16", "PCM_24" or "FLOAT".
        clip (str): What happens beyond full scale in integer formats: "rescale" divides all stems
            by one factor, so that they still sum up, "clamp" cuts, "none" refuses.
        overwrite (bool): Replace existing files.
        mp3_bitrate (int, optional): Bit rate of MP3 files, kbit/s; variable by default.
        beside (Collection[Path]): Files that :meth:`attach` will add.

    Attributes:
        paths (dict[str, Path]): File of each source.

    Raises:
        FileExistsError: If a stem exists and ``overwrite`` is false.
        ValueError: If an option is unknown, or a name is no file name.

    Examples:
        >>> with StemSet("song", ["bass", "drums"]) as stems:
        ...     stems.start(sample_rate=44100, channels=2, frames=1000)
        ...     stems.write(np.zeros((2, 2, 1000), dtype="float32"))
        >>> sorted(path.name for path in Path("song").iterdir())
        ['bass.wav', 'drums.wav']
    """

    def __init__(
        self,
        folder: str | Path,
        names: list[str] | dict[str, Path],
        suffix: str = ".wav",
        subtype: str = "PCM_16",
        clip: str = "rescale",
        overwrite: bool = False,
        mp3_bitrate: int | None = None,
        beside: Collection[Path] = (),
    ):
        self.folder = Path(folder)
        check_suffix(suffix, subtype)
        check_bitrate(suffix, mp3_bitrate)
        check_one_of("clip", clip, CLIP_MODES)
        if self.folder.name in ("", ".."):
            raise ValueError(f"output must be a folder with a name, got {str(folder)!r}")
        own = {name: path_inside(self.folder, f"{name}{suffix}") for name in names}
        self.paths = dict(names) if isinstance(names, dict) else own
        self._is_own_folder = self.paths == own
        self.suffix, self.subtype, self.clip = suffix, subtype, clip
        self.mp3_bitrate = mp3_bitrate
        self._is_float = FORMATS[suffix.lower()][1][subtype] == "FLOAT"
        if self._is_float and clip == "rescale":
            self.clip = "none"
        self._stage = stage_of(self.folder)
        if self._stage.is_symlink() or any(self._stage in p.parents for p in self.paths.values()):
            raise ValueError(
                f"{self._stage} is kept for unfinished stems, it must be no link, and no stem in it"
            )
        finish_interrupted(self.folder, self.paths.values())
        targets = [*self.paths.values(), *beside]
        there = [str(path) for path in targets if path.exists()]
        if folders := [str(path) for path in targets if path.is_dir()]:
            raise IsADirectoryError(f"stems must be files, {', '.join(folders)} is a folder")
        if there and not overwrite:
            raise FileExistsError(f"{', '.join(there)} exists: pass force_overwrite to replace it")
        if not self.folder.is_dir():
            above = next(path for path in (self.folder, *self.folder.parents) if path.exists())
            if not above.is_dir():
                raise NotADirectoryError(f"output must be a folder, {above} is a file")
        self._made: list[Path] = []
        self._replaces = bool(there)
        self._attached: dict[Path, Path] = {}
        self._stale: list[Path] = []
        self._writers: list = []
        self._lock: Any = None
        self._peak = 0.0

    def __enter__(self) -> "StemSet":
        return self

    def start(self, sample_rate: int, channels: int, frames: int, besides: int = 0) -> None:
        """Begins to write; checks first that the format, the folder and the disk can take it.

        Args:
            sample_rate (int): Sample rate, Hz.
            channels (int): Channels of each stem.
            frames (int): Frames of each stem.
            besides (int): Bytes of other files that will be on the disk meanwhile.
        """
        self._audio = (sample_rate, channels)
        self._frames = frames
        check_format(self.suffix, self.subtype, sample_rate, channels)
        # Only at the end is the factor known by which all are divided.
        self._is_staged = self.clip == "rescale"
        with uninterrupted():
            self._make_stage()
        self._check_space(besides)
        if self._is_staged:
            (self._stage / "float").mkdir()
        for name, path in self.paths.items():
            where, subtype = self._stage / f"{name}{self.suffix}", self.subtype
            if self._is_staged:
                where, subtype = self._stage / "float" / f"{name}.wav", "FLOAT"
            with naming(path):
                self._writers.append(
                    AudioWriter(where, *self._audio, subtype, frames, mp3_bitrate=self.mp3_bitrate)
                )

    def write(self, block: np.ndarray) -> None:
        """Appends samples (n_src, channels, time)."""
        peak = float(np.abs(block).max(initial=0.0))
        self._peak = max(self._peak, peak)
        if self.clip == "clamp":
            block = np.clip(block, -1, 1)
        elif self.clip == "none" and peak > 1 and not self._is_float:
            raise ValueError(
                f"stems must lie in [-1, 1] with clip='none', got a peak of {peak:.6g}"
            )
        for path, writer, stem in zip(self.paths.values(), self._writers, block):
            with naming(path):
                writer.write(stem)

    def attach(self, path: Path, write: Callable[[Path], None]) -> None:
        """Adds another file to the set.

        Args:
            path (Path): Where it goes; a file in the folder of the stems, if that is theirs alone.
            write (Callable): Writes it to the path that it is given.
        """
        # By another name than the journal's, whatever the song is called.
        name = path.name if self._is_own_folder else f"attached{path.suffix}"
        with naming(path):
            write(self._stage / name)
        self._attached[self._stage / name] = path

    def drop(self, paths: Collection[Path]) -> None:
        """Removes files that came with old stems, in the step in which new stems replace them."""
        if self._replaces:
            self._stale += [path for path in paths if path.is_file()]

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            for path, writer in zip(self.paths.values(), self._writers):
                with naming(path):
                    writer.__exit__(kind, *error)
            if kind is None and self._lock is not None:
                self._finish()
        finally:
            with uninterrupted():
                self._clean()

    def _finish(self) -> None:
        if self._is_staged:
            gain = 1 / max(1.0, self._peak)
            if gain < 1:
                _log.warning(
                    "%s: all stems are %.2f dB quieter than the input, so that none is clipped; "
                    "subtype FLOAT keeps the level, clip 'clamp' cuts the peaks",
                    self.folder,
                    -20 * math.log10(gain),
                )
            for name, path in self.paths.items():
                with naming(path):
                    self._encode(name, gain)
            (self._stage / "float").rmdir()
        moves = {self._stage / f"{name}{self.suffix}": path for name, path in self.paths.items()}
        moves |= self._attached
        if self._is_own_folder and self._take_place([*moves.values(), *self._stale]):
            return
        with naming(self.folder):
            place_files(self._stage, moves, self._stale)

    def _take_place(self, own: Collection[Path]) -> bool:
        # Makes the stage the folder in one step, where that can be; it takes over all other files.
        if not self.folder.exists():
            (self._stage / LOCK).unlink()
            os.rename(self._stage, self.folder)
            return True
        others = [path for path in self.folder.iterdir() if path not in own]
        if self.folder.is_symlink() or any(path.is_dir() for path in others):
            return False
        try:
            for path in others:
                os.link(path, self._stage / path.name, follow_symlinks=False)
            shutil.copystat(self.folder, self._stage)
        except OSError:  # a file system without links
            return False
        (self._stage / LOCK).unlink()
        if exchange(self.folder, self._stage):
            return True
        self._lock.close()
        self._take_lock()
        return False

    def _encode(self, name: str, gain: float) -> None:
        source, target = self._stage / "float" / f"{name}.wav", self._stage / f"{name}{self.suffix}"
        options: Any = {"mp3_bitrate": self.mp3_bitrate}
        with (
            sf.SoundFile(os.fsencode(source)) as file,
            AudioWriter(target, *self._audio, self.subtype, self._frames, **options) as writer,
        ):
            for block in file.blocks(_BLOCK, dtype="float32", always_2d=True):
                writer.write(block.T * np.float32(gain))
        source.unlink()

    def _make_stage(self) -> None:
        above = [self._stage.parent, *self._stage.parent.parents]
        self._made = [path for path in above if not path.exists()]
        with naming(self.folder):
            self._stage.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        for path in self._stage.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()

    def _take_lock(self) -> None:
        self._lock = (self._stage / LOCK).open("w")
        if not lock(self._lock.fileno(), wait=False):
            self._lock.close()
            self._lock = None
            raise ValueError(f"another process is writing to {self.folder}")

    def _check_space(self, besides: int) -> None:
        size = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[self.subtype]
        samples = self._frames * self._audio[1]
        needed = samples * (4 * len(self.paths) + size if self._is_staged else size)
        # What a compressed format takes is not known before.
        needed = besides + (needed if self._is_staged or self.suffix.lower() == ".wav" else 0)
        free = shutil.disk_usage(self._stage).free
        if needed > free:
            reason = f"it takes {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
            raise OSError(f"cannot write {self.folder}: the disk is too full ({reason})")

    def _clean(self) -> None:
        if self._lock is None:
            return
        self._lock.close()
        shutil.rmtree(self._stage, ignore_errors=True)
        if not self.folder.exists():
            for path in self._made:
                try:
                    path.rmdir()
                except OSError:
                    break
