"""Full disks, files that may not grow, and clocks that are wrong."""

import contextlib
import os
import resource
import subprocess
import time
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile as sf

from .invocations import FLOW
from .judge import Case, Fault, check_answer, check_whole, command
from .world import RATE, SOURCES

ACTIONS = {
    "separate": "{root}/song.wav --priors {root}/models/band -o {out} --quiet --overwrite",
    "separate flac": (
        "{root}/song.wav --priors {root}/models/band -o {out} --quiet --overwrite --suffix .flac"
    ),
    "sample": "{root}/models/bass -o {out} --seconds 2 --n 2",
    "train": "bass --data {root}/solos -o {out} --encoder-steps 0 " + FLOW,
    "evaluate": "{root}/references {root}/estimates -o {out} --protocol si-sdr --quiet",
    "report": "{root}/experiment -o {out}/report.html --quiet",
    "publish": "{root}/models/bass --repo-id user/bass -o {out}",
}
REASONS = ("No space left", "too full", "File too large")
CLOCKS = (0.0, -1.0, 1.0, 2.0**31, 2.0**33, 253402300800.0, 1e15, -1e12)


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    """Mounts a file system of this size on a folder; raises OSError where that is not allowed."""
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        raise PermissionError(done.stderr)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


@contextlib.contextmanager
def small_files(size):
    """Lets no file grow beyond this many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def odd_clock(start, jump):
    """Has ``time.time`` say something else, and jump at every call."""
    calls = iter(range(10**9))
    with mock.patch("time.time", lambda: start + jump * next(calls)):
        yield


def case(world, seed: int, number: int) -> Case:
    """Returns the surroundings with this number."""
    rng = np.random.default_rng([seed, number, 5])
    name = list(ACTIONS)[number % len(ACTIONS)]
    what = ("disk", "files", "clock")[number // len(ACTIONS) % 3]
    kilobytes = int(2 ** rng.uniform(2, 9))
    start, jump = (float(rng.choice(choices)) for choices in (CLOCKS, (0.0, 1.0, -1.0, 1e6, -1e6)))

    def run(place: Path):
        if what == "clock":
            _try_clock(world, place, name, start, jump)
        elif what == "files":
            _try_full(world, place, name, lambda: small_files(kilobytes << 8))
        else:
            try:
                with small_disk(place / "disk", kilobytes):
                    _try_full(world, place / "disk", name, contextlib.nullcontext)
            except PermissionError:  # not root: the limit of a file's size is next to it
                _try_full(world, place, name, lambda: small_files(kilobytes << 10))

    detail = f"{start:g} {jump:g}" if what == "clock" else f"{kilobytes} kB"
    return Case(f"{name}, {what} {detail}", run)


def _argv(world, name, out):
    return [name.split()[0], *ACTIONS[name].format(root=world.root, out=out).split()]


def _try_full(world, place, name, limit):
    out = place / "out"
    old = _write_old(out) if name == "separate" else {}
    with limit():
        answer = command(_argv(world, name, out))
    check_answer(answer)
    check_whole(out)
    if left := [path for path in place.iterdir() if path != out]:
        raise Fault(f"left over: {left}")
    if answer.code == 0:
        return
    if not any(reason in answer.err for reason in REASONS) or str(place) not in answer.err:
        raise Fault(f"neither which file nor why: {answer.err[-300:]!r}")
    if {path: path.read_bytes() for path in old} != old:
        raise Fault("the older stems are lost")
    if name != "train" and not old and out.exists() and list(out.rglob("*.wav")):
        raise Fault(f"failed, and left {sorted(out.rglob('*'))[:4]}")


def _write_old(out):
    # Older stems, if the disk is large enough for them.
    folder = out / "song"
    try:
        folder.mkdir(parents=True)
        for name in SOURCES:
            sf.write(folder / f"{name}.wav", np.zeros(1000), RATE)
        return {path: path.read_bytes() for path in folder.iterdir()}
    except (OSError, sf.LibsndfileError):
        for path in folder.iterdir():
            path.unlink()
        return {}


def _try_clock(world, place, name, start, jump):
    song = place / "song.wav"
    song.write_bytes(world.song.read_bytes())
    moment = max(-(2**31), min(start, 2.0**34))
    os.utime(song, (moment, moment))
    argv = [
        str(song) if arg == str(world.song) else arg for arg in _argv(world, name, place / "out")
    ]
    begin = time.monotonic()
    with odd_clock(start, jump):
        answer = command(argv)
    check_answer(answer)
    if answer.code and "clock must be set" not in answer.err:
        raise Fault(f"failed for the clock after {time.monotonic() - begin:.1f} s: {answer.err}")
    check_whole(place / "out")
