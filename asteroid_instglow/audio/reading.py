"""Opens audio files: by libsndfile, or by the ``ffmpeg`` command where libsndfile cannot.

Nothing is repaired: a file that is cut short or damaged is refused, not read as far as it goes.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile as sf

from ..utils.files import scratch_folder
from .damage import check_decoded, check_whole, mp3_has_length

_UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's answer for a stream without a length
# Frames that a whole file may lack at its end. MP3: its two first and last MPEG frames count
# differently in the wild. Ogg: the length on the last page may lie within a block of Vorbis.
_SLACK = {"MP3": 2304, "OGG": 8192}
# Containers that ffmpeg may read: no playlists, which name other files and addresses.
_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
)
_NO_LENGTH = ("aac", "ac3", "amr", "mpeg", "mpegts")  # ffprobe guesses the length of these


def check_file(path: str | Path) -> Path:
    """Returns the path; raises if nothing is there, or what is there cannot be audio."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{path} must be an audio file, got a folder or device")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} must be an audio file, got an empty one (0 bytes)")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path} cannot be read: permission denied")
    return path


@contextmanager
def open_decoded(path: Path, stream: int = 0) -> Iterator[tuple[sf.SoundFile, bool]]:
    """Opens any audio file for reading, decoded by ffmpeg into a temporary file where need be.

    Args:
        path (Path): An existing file.
        stream (int): Index of the audio stream in a container.

    Yields:
        tuple: soundfile.SoundFile, open for reading, its length known; and whether it is a copy
        that ffmpeg decoded.

    Raises:
        ValueError: If it is no audio file, damaged, or ffmpeg is needed and not there.
    """
    file = _open_direct(path)
    if file is not None:
        with file:
            check_whole(path, file)
            _check_stream(path, stream, 1)
            yield _with_frames(path, file), False
        return
    streams = probe(path)
    _check_stream(path, stream, len(streams))
    with scratch_folder() as folder:
        decoded = folder / "decoded.wav"
        options = ["-map", f"0:a:{stream}", "-c:a", "pcm_f32le", "-rf64", "auto"]
        said = _run(path, "ffmpeg", "-xerror", "-nostdin", *options, str(decoded)).stderr
        with sf.SoundFile(os.fsencode(decoded)) as file:
            check_decoded(path, streams[stream], file.frames / file.samplerate, said)
            yield _with_frames(path, file), True


def _open_direct(path: Path) -> sf.SoundFile | None:
    # None where libsndfile cannot open the file, or does not know its length.
    try:
        file = sf.SoundFile(os.fsencode(path))
    except sf.LibsndfileError:
        return None
    if file.frames == _UNKNOWN_FRAMES or (file.format == "MP3" and not mp3_has_length(path)):
        file.close()
        return None
    return file


def _with_frames(path: Path, file: sf.SoundFile) -> sf.SoundFile:
    if file.frames < 1:
        raise ValueError(f"{path} must hold audio, got 0 frames")
    return file


def read_frames(file: sf.SoundFile, path: Path, start: int | None, frames: int) -> np.ndarray:
    """Reads exactly so many frames.

    Args:
        file (soundfile.SoundFile): Open for reading.
        path (Path): Path of the file, for messages.
        start (int, optional): First frame; by default the next one.
        frames (int): Number of frames.

    Returns:
        numpy.ndarray: float32 (frames, channels).

    Raises:
        ValueError: If the file is damaged, ends before, or holds NaN or infinity.
    """
    try:
        start = file.tell() if start is None else file.seek(start)
        samples = file.read(frames, dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        raise ValueError(
            f"{path} is cut short or damaged: its header says {file.frames} frames ({error})"
        ) from error
    missing = frames - len(samples)
    if missing > _SLACK.get(file.format, 0):
        raise ValueError(
            f"{path} is cut short: its header says {file.frames} frames, got {start + len(samples)}"
        )
    if not np.isfinite(samples).all():
        raise ValueError(f"{path} must hold finite samples, got NaN or infinite ones")
    return np.pad(samples, ((0, missing), (0, 0))) if missing else samples


def _check_stream(path: Path, stream: int, n_streams: int) -> None:
    if not 0 <= stream < n_streams:
        raise ValueError(
            f"stream must be 0 to {n_streams - 1} for {path}, which holds {n_streams}, got {stream}"
        )


def probe(path: Path) -> list[dict]:
    """Asks ``ffprobe`` for the audio streams of a file.

    Args:
        path (Path): An existing file that libsndfile cannot open.

    Returns:
        list: A dict for each stream, with "codec_name" and "seconds" (None where no header says).

    Raises:
        ValueError: If there is no audio in it, or no ffmpeg to ask.
    """
    wanted = (
        "stream=codec_name,duration:stream_tags=DURATION:format=duration,nb_streams,format_name"
    )
    options = ("-select_streams", "a", "-show_entries", wanted, "-of", "json")
    found = json.loads(_run(path, "ffprobe", *options).stdout)
    streams = found.get("streams")
    if not streams:
        raise ValueError(f"{path} must be an audio file, got one without an audio stream")
    whole, kind = found["format"], found["format"]["format_name"]
    guessed = kind in _NO_LENGTH or (kind == "mp3" and not mp3_has_length(path))
    for one in streams:
        claimed = one.get("duration") or one.get("tags", {}).get("DURATION")
        if claimed is None and whole["nb_streams"] == 1:
            # With other streams, such as video, it would not be the length of the audio.
            claimed = whole.get("duration")
        one["seconds"] = None if claimed is None or guessed else _seconds(claimed)
    return streams


def _seconds(text: str) -> float:
    # Of "6.023000" or "00:00:06.023000000".
    return sum(float(part) * 60**i for i, part in enumerate(reversed(text.split(":"))))


def _run(path: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command)
    if program is None:
        raise ValueError(
            f"{path} must be an audio file that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF), got "
            f"another kind; to read others, install ffmpeg (no command {command!r} was found)"
        )
    # "file:", so that no name is taken for an option or an address.
    source = f"file:{path.absolute()}"
    limits = ["-protocol_whitelist", "file", "-format_whitelist", _DEMUXERS]
    line = [program, "-v", "warning", *limits, "-i", source, *options]
    done = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ValueError(
            f"{path} must be an audio file (WAV, FLAC, OGG, MP3 or what ffmpeg reads), got one "
            f"that cannot be decoded: {reason.removeprefix(source).removeprefix(': ')}"
        )
    return done
