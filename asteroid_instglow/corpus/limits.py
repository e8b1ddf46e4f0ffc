"""How long a song of a corpus may take before its worker counts as hung."""

from pathlib import PurePosixPath

from .listing import CorpusSong
from .storage import Place

BASE = 600.0  # seconds: to fetch the file, to start ffmpeg, to wait for a busy machine
FIRST = 100.0  # seconds for a second of audio, until it is known what one takes
SLACK = 10.0  # times the slowest song so far
UNKNOWN = 600.0  # seconds of audio to assume where the size of a file is unknown
BYTES = {
    **dict.fromkeys((".wav", ".aiff", ".aif", ".au", ".caf", ".w64"), 88_200),
    **dict.fromkeys((".flac", ".wv", ".tta", ".ape"), 44_100),
}
BYTES_ELSE = 8000  # of a second, at 64 kbit/s


class TimeLimit:
    """Says how long a song may take, in seconds.

    Without a ``timeout``, that grows with the length of the song, which is guessed from the size of
    the file, so that no file need be opened: ``BASE``, and for each second of audio ``SLACK`` times
    what the slowest song so far has taken for one.

    Args:
        timeout (float, optional): The limit of every song, seconds.

    Examples:
        >>> TimeLimit(60.0)(CorpusSong("song.wav", "song"))
        60.0
    """

    def __init__(self, timeout: float | None = None):
        self._timeout = timeout
        self._pace: float | None = None
        self._lengths: dict[str, float] = {}

    def __call__(self, song: CorpusSong) -> float:
        """Returns the limit of a song that is being separated."""
        if self._timeout is not None:
            return self._timeout
        if song.path not in self._lengths:
            self._lengths[song.path] = _length(song.path)
        return BASE + self._lengths[song.path] * (self._pace or FIRST)

    def learn(self, song: CorpusSong, took: float | None) -> None:
        """Learns from the seconds that a song has taken, or forgets one that failed (None)."""
        length = self._lengths.pop(song.path, None)
        if length and took is not None:
            self._pace = max(self._pace or 0.0, SLACK * took / length)


def _length(path: str) -> float:
    try:
        place = Place(path)
        size = place.fs.size(place.root)
    except Exception:  # noqa: BLE001 - stores raise errors of many types; the worker will tell
        size = None
    if size is None:
        return UNKNOWN
    return max(1.0, size / BYTES.get(PurePosixPath(path).suffix.lower(), BYTES_ELSE))
