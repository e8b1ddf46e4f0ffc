"""Audio files that are cut short, flipped, spliced, mislabelled, or lie in their headers."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import soundfile as sf

from .judge import Case, Fault, check_answer, check_audio, check_whole, command
from .world import KINDS, LENGTH, SOURCES

UNCERTAIN = ("--sources", "auto", "--confidence")
NO_LENGTH = {"aac", "ac3"}  # streams that may end anywhere
EXTREMES = (0, 1, 2, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 44101, 1_000_003, 5_882_350)


def truncate(data, rng):
    return data[: rng.integers(0, len(data))]


def flip(data, rng, n=None, end=None):
    data = bytearray(data)
    for place in rng.integers(0, len(data[:end]) * 8, n or rng.choice([1, 4, 32, 256])):
        data[place // 8] ^= 1 << (place % 8)
    return bytes(data)


def flip_head(data, rng):
    return flip(data, rng, rng.choice([1, 2, 8]), 128)


def lie(data, rng):
    """Replaces a field of the header by an extreme number."""
    data, width = bytearray(data), int(rng.choice([1, 2, 4, 8]))
    place = int(rng.integers(4, 96))
    value = int(rng.choice(EXTREMES)) % 256**width
    data[place : place + width] = value.to_bytes(width, str(rng.choice(["little", "big"])))
    return bytes(data)


def zero(data, rng):
    begin, end = _span(data, rng)
    return data[:begin] + bytes(end - begin) + data[end:]


def delete(data, rng):
    begin, end = _span(data, rng)
    return data[:begin] + data[end:]


def duplicate(data, rng):
    begin, end = _span(data, rng)
    return data[:end] + data[begin:]


def swap(data, rng):
    begin, end = _span(data, rng)
    return data[:begin] + data[end:] + data[begin:end]


def append_junk(data, rng):
    return data + rng.bytes(int(rng.integers(1, 5000)))


def prepend_junk(data, rng):
    return rng.bytes(int(rng.integers(1, 200))) + data


def twice(data, rng):
    return data + data


def noise(data, rng):
    return data[: int(rng.integers(0, 64))] + rng.bytes(int(rng.integers(1, 5000)))


def _span(data, rng):
    return sorted(int(place) for place in rng.integers(0, len(data) + 1, 2))


DAMAGES = (
    *(truncate, truncate, truncate, flip, flip, flip_head, flip_head, lie, lie, lie, zero, delete),
    *(duplicate, swap, append_junk, prepend_junk, twice, noise),
)


def lying_wav(rng):
    """Builds a WAV whose format chunk says what it likes, around some noise."""
    channels, bits = (int(rng.choice(c)) for c in ([0, 1, 2, 3, 65, 65535], [0, 1, 8, 16, 24, 33]))
    rate, code = int(rng.choice([*EXTREMES, 8000])), int(rng.choice([0, 1, 3, 6, 7, 0x55, 0xFFFE]))
    data = rng.bytes(int(rng.choice([0, 1, 7, 400, 20_000])))
    block = int(rng.choice([0, 1, channels * bits // 8 % 65536, 65535]))
    claimed = int(rng.choice([len(data), len(data) + 1, 0, 2**32 - 1, 2**31]))
    head = struct.pack("<HHIIHH", code, channels, rate, rate * block % 2**32, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", claimed)
    return b"RIFF" + struct.pack("<I", len(body) + len(data)) + body + data


def odd_wav(path, rng):
    """Writes a sound WAV of odd content: a rate, a level, a length, NaN."""
    rate = int(rng.choice([1000, 1999, 7919, 8000, 11025, 44100, 44101, 96000, 1, 768_000, 10**6]))
    n = int(rng.choice([1, 2, 3, 15, 16, 17, 63, 64, 65, 1000, 9973]))
    channels = int(rng.choice([1, 1, 2, 3, 8]))
    wav = rng.standard_normal((n, channels)) * 10.0 ** float(rng.integers(-30, 30))
    kind = rng.choice(["plain", "nan", "inf", "zero", "constant", "tiny"])
    if kind in ("nan", "inf"):
        wav[rng.integers(0, n)] = {"nan": np.nan, "inf": np.inf}[str(kind)]
    wav = {
        "zero": np.zeros_like(wav),
        "constant": np.ones_like(wav),
        "tiny": np.full_like(wav, 1e-42),
    }.get(str(kind), wav)
    sf.write(path, np.clip(wav, -1e38, 1e38) if kind == "plain" else wav, rate, "FLOAT")


NAMES = (
    *("...wav", "-o.wav", "a\nb.wav", "~.wav", " .wav", "x" * 240 + ".wav", "é№.wav"),
    *("a\x1b[31m.wav", "\udcff\udcfe.wav", "con.wav", "%s%n.wav", "$(id).wav", "a.wav.wav"),
    *(".wav", "mixture.wav"),
)


def case(world, seed: int, number: int) -> Case:
    """Returns the damaged file with this number."""
    rng = np.random.default_rng([seed, number])
    kind = str(rng.choice(list(KINDS)))
    suffix, data = KINDS[kind][0], world.audio[kind].read_bytes()
    what = int(rng.integers(0, 12))
    if what == 0:
        return Case("lying WAV", lambda place: _try(world, place, "x.wav", lying_wav(rng)))
    if what == 1:
        return Case("odd WAV", lambda place: _try_odd(world, place, rng))
    if what == 2:
        name = str(rng.choice(NAMES))
        return Case(f"name {name!r}", lambda place: _try(world, place, name, data))
    damage = DAMAGES[rng.integers(0, len(DAMAGES))]
    hurt = damage(data, rng)
    if what == 3:
        suffix = str(rng.choice([KINDS[k][0] for k in KINDS] + ["", ".txt", ".WAV"]))
    least = 0
    if damage is truncate and kind not in NO_LENGTH and len(hurt) < 0.8 * len(data):
        least = LENGTH - 0.1
    many = what == 4
    if what in (5, 6):
        return Case(
            f"{damage.__name__} {kind} as {suffix}, {'detect' if what == 5 else 'auto'}",
            lambda place: _try_uncertain(world, place / f"x{suffix}", hurt, what == 5),
        )

    def run(place):
        _try(world, place, f"x{suffix}", hurt, least, many)

    return Case(f"{damage.__name__} {kind} as {suffix}", run)


def _try(world, place, name, data, least=0, many=False):
    path = place / name
    path.write_bytes(data)
    _separate(world, place, path, least, many)


def _try_uncertain(world, path, data, is_detection):
    path.write_bytes(data)
    out = path.parent / "out"
    argv = ["detect", path] if is_detection else ["separate", path, "-o", out, *UNCERTAIN]
    answer = command([*argv, "--priors", world.band, "--quiet", "--json"])
    check_answer(answer)
    check_whole(out)
    if sorted(path.parent.iterdir()) not in ([path], sorted([path, out])):
        raise Fault(f"wrote beside the output folder: {sorted(path.parent.iterdir())}")
    if answer.code == 0:
        json.loads(answer.out)
    elif out.exists():
        raise Fault(f"failed, and left {sorted(out.rglob('*'))[:4]}")


def _try_odd(world, place, rng):
    odd_wav(place / "x.wav", rng)
    _separate(world, place, place / "x.wav", 0, False)


def _separate(world, place: Path, path: Path, least: float, many: bool):
    files = [path] if not many else [world.song, path, world.audio["flac"]]
    out = place / "out"
    argv = ["separate", *files, "--priors", world.band, "-o", out, "--quiet", "--json"]
    answer = command(
        argv
        if not path.name.startswith("-")
        else [*argv[:1], "--quiet", "--json", "--priors", world.band, "-o", out, "--", *files]
    )
    check_answer(answer)
    if sorted(place.iterdir()) not in ([path], sorted([path, out])):
        raise Fault(f"wrote beside the output folder: {sorted(place.iterdir())}")
    check_whole(out)
    if answer.code == 2:
        if out.exists():
            raise Fault(f"failed, and left {sorted(out.rglob('*'))[:4]}")
        return
    written = json.loads(answer.out)["files"]
    for source, stems in written.items():
        if sorted(stems) != sorted(SOURCES):
            raise Fault(f"wrote {sorted(stems)} of {source}")
        frames = {check_audio(stem) for stem in stems.values()}
        seconds = max(frames) / sf.info(os.fsencode(next(iter(stems.values())))).samplerate
        if source == str(path) and seconds < least:
            raise Fault(f"took a file that is cut short: {seconds:.2f} s of {LENGTH} s")
    if many and len(written) < 2:
        raise Fault(f"one bad file ended the batch: {answer.err[-300:]}")
