"""Cuts recordings into pieces of 7 to 10 seconds, without the silence between."""

import numpy as np

FRAME_SECONDS = 0.05


def audible_spans(
    wav: np.ndarray, sample_rate: int, silence_db: float = -60.0, max_pause: float = 1.0
) -> list[tuple[int, int]]:
    """Finds the parts of a recording that are not silent.

    Args:
        wav (numpy.ndarray): (time,).
        sample_rate (int): Sample rate in Hz.
        silence_db (float): Frames of 50 ms of a lower RMS, in dB of full scale, are silent.
        max_pause (float): Silences up to this many seconds are kept.

    Returns:
        list: (first sample, sample after the last) of each span.

    Examples:
        >>> audible_spans(np.r_[np.zeros(8000), np.ones(4000), np.zeros(8000)], 4000)
        [(8000, 12000)]
    """
    frame = max(1, round(FRAME_SECONDS * sample_rate))
    padded = np.pad(wav, (0, -len(wav) % frame)).reshape(-1, frame)
    power = np.square(padded, dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power > 10 ** (silence_db / 10))
    if not len(loud):
        return []
    ends = np.flatnonzero((np.diff(loud) - 1) * frame > max_pause * sample_rate)
    starts = loud[np.r_[0, ends + 1]] * frame
    stops = np.minimum((loud[np.r_[ends, len(loud) - 1]] + 1) * frame, len(wav))
    return list(zip(starts.tolist(), stops.tolist()))


def cut_pieces(
    spans: list[tuple[int, int]],
    sample_rate: int,
    piece_seconds: tuple[float, float] = (7.0, 10.0),
    min_seconds: float = 3.0,
) -> list[tuple[int, int]]:
    """Cuts spans into pieces of equal length, as far as that lies within bounds.

    The rest of a span is a piece of its own if it is long enough; else it is dropped.

    Args:
        spans (list): (first sample, sample after the last) of each.
        sample_rate (int): Sample rate in Hz.
        piece_seconds (tuple): Shortest and longest piece; the latter at least the former.
        min_seconds (float): Pieces shorter than this are dropped.

    Returns:
        list: (first sample, sample after the last) of each piece.

    Examples:
        >>> cut_pieces([(0, 25), (100, 113), (200, 202)], sample_rate=1)
        [(0, 8), (8, 16), (16, 24), (100, 110), (110, 113)]
    """
    shortest, longest = (round(seconds * sample_rate) for seconds in piece_seconds)
    if not 0 < shortest <= longest:
        raise ValueError(
            f"piece_seconds must be (shortest, longest), above 0, got {tuple(piece_seconds)}"
        )
    least = max(1, round(min_seconds * sample_rate))
    pieces: list[tuple[int, int]] = []
    for start, stop in spans:
        n_pieces = max(1, (stop - start) // shortest)
        size = min(longest, (stop - start) // n_pieces)
        edges = [start + i * size for i in range(n_pieces + 1)]
        pieces += zip(edges, [*edges[1:], stop])
    return [(start, stop) for start, stop in pieces if stop - start >= least]
