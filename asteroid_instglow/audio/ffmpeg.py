"""Opening audio files: libsndfile first, the ``ffmpeg`` command for what it cannot open or measure.

Nothing is repaired: a file that is cut short or damaged is refused, not read as far as it goes.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile as sf

_UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's answer for a stream without a length
# Longer claims of a WAV header mean "not known when the header was written".
_MAX_WAV_BYTES = 0x7FFF0000
# Frames that an MP3 may lack: its two first and last MPEG frames count differently in the wild.
_MP3_SLACK = 2304
# Kinds of file ffmpeg may take it for: never a playlist, which names other files and addresses.
_DEMUXERS = "aac,ac3,aiff,amr,ape,asf,au,avi,caf,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,w64,wav"


def check_file(path):
    """Checks that there is a file to read.

    Args:
        path (str or Path): What was asked for.

    Returns:
        Path: The same.

    Raises:
        FileNotFoundError: If nothing is there.
        ValueError: If it is a folder, or empty.
        PermissionError: If it cannot be read.
    """
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


def _open_direct(path):
    # The open file, its length known; None where libsndfile cannot.
    try:
        file = sf.SoundFile(path)
    except sf.LibsndfileError:
        return None
    if file.frames == _UNKNOWN_FRAMES or (file.format == "MP3" and not _mp3_has_length(path)):
        file.close()
        return None
    claimed = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if claimed and int(claimed[2]) < int(claimed[1]) < _MAX_WAV_BYTES:
        file.close()
        raise ValueError(f"{path} is cut short: {claimed[2]} bytes of audio of {claimed[1]}")
    if file.frames < 1:
        file.close()
        raise ValueError(f"{path} must hold audio, got 0 frames")
    return file


@contextmanager
def open_decoded(path, stream=0):
    """Opens any audio file for reading, decoded by ffmpeg into a temporary file where need be.

    Args:
        path (Path): An existing file.
        stream (int): Which audio stream of a container.

    Yields:
        soundfile.SoundFile: Open for reading, its length known.

    Raises:
        ValueError: If it is no audio file, damaged, or ffmpeg is needed and not there.
    """
    file = _open_direct(path)
    if file is not None:
        with file:
            _check_stream(path, stream, 1)
            yield file
        return
    streams = probe(path)
    _check_stream(path, stream, len(streams))
    with tempfile.TemporaryDirectory() as folder:
        decoded = Path(folder) / "decoded.wav"
        options = ["-map", f"0:a:{stream}", "-c:a", "pcm_f32le", "-rf64", "auto"]
        _run(path, "ffmpeg", "-xerror", "-nostdin", *options, str(decoded))
        with sf.SoundFile(decoded) as file:
            if file.frames < 1:
                raise ValueError(f"{path} must hold audio, got 0 frames")
            yield file


def read_frames(file, path, start, frames):
    """Reads exactly so many frames.

    Args:
        file (soundfile.SoundFile): Open for reading.
        path (Path): Its name, for the error.
        start (int): First frame.
        frames (int): How many.

    Returns:
        numpy.ndarray: float32 (frames, channels).

    Raises:
        ValueError: If the file is damaged or ends before.
    """
    try:
        file.seek(start)
        samples = file.read(frames, dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        raise ValueError(
            f"{path} is cut short or damaged: its header says {file.frames} frames ({error})"
        ) from error
    missing = frames - len(samples)
    if missing > (_MP3_SLACK if file.format == "MP3" else 0):
        raise ValueError(
            f"{path} is cut short: its header says {file.frames} frames, got {start + len(samples)}"
        )
    return np.pad(samples, ((0, missing), (0, 0))) if missing else samples


def _check_stream(path, stream, n_streams):
    if not 0 <= stream < n_streams:
        raise ValueError(
            f"stream must be 0 to {n_streams - 1} for {path}, which holds {n_streams}, got {stream}"
        )


def probe(path):
    """Asks ``ffprobe`` for the audio streams of a file.

    Args:
        path (Path): An existing file that libsndfile cannot open.

    Returns:
        list: One dict a stream, with its ``codec_name``.

    Raises:
        ValueError: If there is no audio in it, or no ffmpeg to ask.
    """
    wanted = ["-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "json"]
    streams = json.loads(_run(path, "ffprobe", *wanted)).get("streams")
    if not streams:
        raise ValueError(f"{path} must be an audio file, got one without an audio stream")
    return streams


def _run(path, command, *options):
    program = shutil.which(command)
    if program is None:
        raise ValueError(
            f"{path} must be an audio file that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF), got "
            f"another kind; to read others, install ffmpeg (no command {command!r} was found)"
        )
    # "file:", so that no name is taken for an option or an address.
    source = f"file:{path.absolute()}"
    limits = ["-protocol_whitelist", "file", "-format_whitelist", _DEMUXERS]
    line = [program, "-v", "error", *limits, "-i", source, *options]
    done = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ValueError(
            f"{path} must be an audio file (WAV, FLAC, OGG, MP3 or what ffmpeg reads), got one "
            f"that cannot be decoded: {reason.removeprefix(source).removeprefix(': ')}"
        )
    return done.stdout


def _mp3_has_length(path):
    # Without this header libsndfile guesses the length from the first frames, and drops the rest.
    with path.open("rb") as file:
        head = file.read(10)
        size = 0
        if head[:3] == b"ID3":
            size = 10 + sum(
                byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)
            )
        file.seek(size)
        first = file.read(4096)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))
