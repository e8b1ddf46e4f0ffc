"""Tells whether an audio file was cut short, which decoders often do not say."""

import re
from pathlib import Path

import soundfile as sf

# Longer claims of a WAV header mean "not known when the header was written".
_MAX_WAV_BYTES = 0x7FFF0000
# The smallest FLAC block of the most samples; a header that claims more is wrong.
_MAX_FRAMES_PER_BYTE = 8192
_CLAIMED = re.compile(r"^ *(?:data|riff|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_OGG = re.compile(r"^Ogg ?: (Junk after the last page|Last page lacks an end)", re.MULTILINE)

# Identifiers of the ASF header, and of the object in it that has the size of the file.
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")

# kbit/s of MPEG layer III, by MPEG-1 or 2; Hz of MPEG-1.
_BIT_RATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = (44100, 48000, 32000)


def check_whole(path: Path, file: sf.SoundFile) -> None:
    """Refuses a file that libsndfile opened but that holds less than its header says.

    Args:
        path (Path): Its name.
        file (soundfile.SoundFile): Open for reading.

    Raises:
        ValueError: If the file is cut short.
    """
    claimed = _CLAIMED.search(file.extra_info)
    if claimed and int(claimed[2]) < int(claimed[1]) < _MAX_WAV_BYTES:
        raise ValueError(f"{path} is cut short: {claimed[2]} bytes of audio of {claimed[1]}")
    if _OGG.search(file.extra_info):
        raise ValueError(f"{path} is cut short: its stream has no end")
    size = path.stat().st_size
    if file.frames > size * _MAX_FRAMES_PER_BYTE:
        raise ValueError(
            f"{path} is damaged: its header says {file.frames} frames, in {size} bytes"
        )


def check_decoded(path: Path, stream: dict, seconds: float) -> None:
    """Refuses a file from which ffmpeg decoded less than its header says.

    Args:
        path (Path): Its name.
        stream (dict): What ffprobe says of the audio stream, see :func:`~.ffmpeg.probe`.
        seconds (float): What was decoded.

    Raises:
        ValueError: If the file is cut short.
    """
    claimed = stream["seconds"]
    if claimed is not None and seconds < claimed - max(0.1, 0.01 * claimed):
        raise ValueError(
            f"{path} is cut short: its header says {claimed:.2f} s, got {seconds:.2f} s"
        )
    if (size := _asf_size(path)) and path.stat().st_size < size:
        raise ValueError(f"{path} is cut short: {path.stat().st_size} bytes of {size}")
    if stream["codec_name"] == "mp3" and _ends_within_frame(path):
        raise ValueError(f"{path} is cut short: its last MPEG frame is not complete")


def _asf_size(path):
    # Size that the header of an ASF file (.wma) states; 0 where it states none.
    with path.open("rb") as file:
        head = file.read(4096)
    start = head.find(_ASF_PROPERTIES)
    if not head.startswith(_ASF) or not 0 < start < len(head) - 92:
        return 0
    is_broadcast = head[start + 88] & 1
    return 0 if is_broadcast else int.from_bytes(head[start + 40 : start + 48], "little")


def mp3_has_length(path: Path) -> bool:
    """Returns whether an MP3 has a header with its length.

    Without one libsndfile guesses the length from the first frames, and drops the rest.
    """
    with path.open("rb") as file:
        file.seek(_id3_size(file.read(10)))
        first = file.read(4096)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


def _id3_size(head):
    if head[:3] != b"ID3":
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))


def _ends_within_frame(path):
    # Follows the frames of an MP3 by their lengths.
    data = path.read_bytes()
    position = _id3_size(data[:10])
    while 0 < (length := _mpeg_frame(data[position : position + 4])):
        position += length
    return position > len(data)


def _mpeg_frame(head):
    # Length of the layer III frame with this header, bytes; 0 if it is none.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, bits = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate == 3 or not 0 < bits < 15:
        return 0
    sample_rate = _MP3_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 144 if version == 3 else 72
    return samples * 1000 * _BIT_RATES[version == 3][bits] // sample_rate + (head[2] >> 1 & 1)
