"""Tells whether an audio file was cut short, which decoders often do not say."""

import re
from pathlib import Path

import soundfile as sf

# Longer claims of a WAV header mean "not known when the header was written".
_MAX_WAV_BYTES = 0x7FFF0000
# The smallest FLAC block of the most samples; a header that claims more is wrong.
_MAX_FRAMES_PER_BYTE = 8192
_CLAIMED = re.compile(r"^ *(?:data|riff|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
# What ffmpeg warns of where a packet, or the last element of a container, is not complete.
_FFMPEG = re.compile(
    "PES packet size mismatch|[Pp]acket corrupt|corrupt input packet|ended prematurely|Truncating"
)
_MAX_OGG_PAGE = 65307  # bytes
# Bytes of an MPEG transport packet, and where in it the sync byte is.
_TRANSPORT = ((188, 0), (192, 4))

# Identifiers of the ASF header, and of the object in it that has the size of the file.
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")

# kbit/s by MPEG layer, of MPEG-1 and MPEG-2; Hz of MPEG-1.
_MPEG_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_BIT_RATES = {
    (3, True): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, True): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, False): _MPEG_2,
    (2, False): _MPEG_2,
}
_MPEG_RATES = (44100, 48000, 32000)


def check_whole(path: Path, file: sf.SoundFile) -> None:
    """Refuses a file that libsndfile opened but that holds less than its header says."""
    claimed = _CLAIMED.search(file.extra_info)
    if claimed and int(claimed[2]) < int(claimed[1]) < _MAX_WAV_BYTES:
        raise ValueError(f"{path} is cut short: {claimed[2]} bytes of audio of {claimed[1]}")
    _check_ogg(path)
    size = path.stat().st_size
    if file.frames > size * _MAX_FRAMES_PER_BYTE:
        raise ValueError(
            f"{path} is damaged: its header says {file.frames} frames, in {size} bytes"
        )


def check_decoded(path: Path, stream: dict, seconds: float, warnings: str) -> None:
    """Refuses a file from which ffmpeg decoded less than was in it.

    Args:
        path (Path): Path of the file.
        stream (dict): What ffprobe says of the audio stream, see :func:`~.reading.probe`.
        seconds (float): Length of the decoded audio.
        warnings (str): Output of ffmpeg on stderr.

    Raises:
        ValueError: If the file is cut short.
    """
    claimed = stream["seconds"]
    if claimed is not None and seconds < claimed - max(0.1, 0.01 * claimed):
        raise ValueError(
            f"{path} is cut short: its header says {claimed:.2f} s, got {seconds:.2f} s"
        )
    _check_ogg(path)
    size, wanted = path.stat().st_size, _stated_size(path)
    if size < wanted:
        raise ValueError(f"{path} is cut short: {size} bytes of {wanted}")
    if _FFMPEG.search(warnings) or _ends_within_packet(path):
        raise ValueError(f"{path} is cut short or damaged: a packet is not complete")
    if stream["codec_name"] in ("mp2", "mp3") and _ends_within_frame(path):
        raise ValueError(f"{path} is cut short: its last MPEG frame is not complete")


def _check_ogg(path: Path) -> None:
    # The last page of an Ogg file must be complete, and marked as the last one.
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return
        file.seek(max(0, path.stat().st_size - 2 * _MAX_OGG_PAGE))
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    n_segments = page[26] if len(page) > 26 else 0
    if len(page) != 27 + n_segments + sum(page[27 : 27 + n_segments]) or not page[5] & 4:
        raise ValueError(f"{path} is cut short: its stream has no end")


def _ends_within_packet(path: Path) -> bool:
    # Whether an MPEG transport stream does.
    with path.open("rb") as file:
        head = file.read(1024)
    for size, sync in _TRANSPORT:
        if len(head) > 4 * size and set(head[sync : 4 * size : size]) == {0x47}:
            return path.stat().st_size % size > 0
    return False


def _stated_size(path: Path) -> int:
    # Size that the header of a WMA or AVI file states; 0 where it states none.
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        size = int.from_bytes(head[4:8], "little")
        return 8 + size if size < _MAX_WAV_BYTES else 0
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


def _id3_size(head: bytes) -> int:
    if head[:3] != b"ID3":
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))


def _ends_within_frame(path: Path) -> bool:
    # Follows the frames of an MP3 or MP2 by their lengths.
    data = path.read_bytes()
    position = _id3_size(data[:10])
    while 0 < (length := _mpeg_frame(data[position : position + 4])):
        position += length
    return position > len(data)


def _mpeg_frame(head: bytes) -> int:
    # Length of the layer II or III frame with this header, bytes; 0 if it is none.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate, bits = head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or layer not in (2, 3) or rate == 3 or not 0 < bits < 15:
        return 0
    sample_rate = _MPEG_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 72 if layer == 3 and version != 3 else 144
    bit_rate = 1000 * _BIT_RATES[layer, version == 3][bits]
    return samples * bit_rate // sample_rate + (head[2] >> 1 & 1)
