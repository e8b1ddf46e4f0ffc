"""Judges what a hostile input leads to: a whole result or one clear line, soon, in its place."""

import contextlib
import io
import json
import logging
import os
import re
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
from safetensors import safe_open

import asteroid_instglow
from asteroid_instglow.cli import errors, main

# What a case may take: 20 s of the processor. Neighbours make the clock run faster.
SECONDS = 20
MEGABYTES = 1500  # by which a case may raise the peak of memory
LEFT_OVER = re.compile(r"\.tmp$|\.partial$|^\.saving-")
PACKAGE = str(Path(asteroid_instglow.__file__).parent)
# What a user can mend. Anything else is a failure of the program that happened to be caught.
EXPECTED = (ValueError, TypeError, OSError)


class Fault(AssertionError):
    """What must not happen, happened."""


class Hang(BaseException):
    """A case took too long. No Exception, so that no net in the package catches it."""


@dataclass
class Case:
    """A hostile input: what it is, and what tries it in an empty folder."""

    name: str
    run: Callable[[Path], None]


@dataclass
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str
    errors: list = field(default_factory=list)


@contextlib.contextmanager
def time_limit(seconds=SECONDS):
    """Raises Hang in the block after so many seconds of the processor, or six times as many."""

    def on_alarm(number, frame):
        where = "".join(traceback.format_stack(frame, limit=3))
        took = f"{seconds} s of the processor" if number == signal.SIGPROF else f"{6 * seconds} s"
        raise Hang(f"took more than {took}, at {where}")

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, seconds)}
    timers[signal.SIGALRM] = (signal.ITIMER_REAL, 6 * seconds)
    before = {number: signal.signal(number, on_alarm) for number in timers}
    for timer, length in timers.values():
        signal.setitimer(timer, length)
    try:
        yield
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def command(argv) -> Answer:
    """Runs ``instglow`` in this process; returns what it said and every error that it explained."""
    seen, explain = [], errors.explain

    def spy(error, parser=None):
        seen.append(error)
        return explain(error, parser)

    out, err = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    kept, root.handlers = root.handlers, []
    errors.explain = spy
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(arg) for arg in argv])
    except SystemExit as stop:  # argparse
        code = stop.code
    finally:
        errors.explain, root.handlers = explain, kept
    return Answer(code, out.getvalue(), err.getvalue(), seen)


def check_answer(answer: Answer) -> None:
    """Holds what a command says to: an exit code, one line for a failure, no leaked error."""
    if answer.code not in (0, 1, 2):
        raise Fault(f"exit code {answer.code!r}")
    if "Traceback" in answer.out + answer.err:
        raise Fault(f"a traceback: {answer.err[-500:]}")
    for error in answer.errors:
        check_error(error)
    lines = [line for line in answer.err.splitlines() if ": error: " in line]
    if answer.code == 2 and len(lines) != 1:
        raise Fault(f"failed with {len(lines)} lines of error: {answer.err[-500:]!r}")
    if answer.code == 2 and len(lines[0]) > 2500:
        raise Fault(f"an error of {len(lines[0])} characters")


def check_error(error: BaseException) -> None:
    """Holds an error to be one that the package, or the system, means the user to read."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
    ours = next((f for f in reversed(frames) if f.filename.startswith(PACKAGE)), None)
    place = f"{where}, from {ours and f'{ours.filename}:{ours.lineno}'}"
    if isinstance(error, ModuleNotFoundError) and "install it with" in str(error):
        return  # an extra that is not there
    if not isinstance(error, EXPECTED):
        raise Fault(f"{type(error).__name__}: {error} ({place})")
    if not str(error):
        raise Fault(f"{type(error).__name__} without a word ({place})")
    if frames and not isinstance(error, OSError) and not frames[-1].filename.startswith(PACKAGE):
        raise Fault(f"unexplained {type(error).__name__}: {error} ({place})")


def snapshot(root: Path, without=()) -> dict:
    """Returns the state of every file below a folder, by path."""
    state = {}
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if Path(place, name) not in without]
        for name in (*folders, *files):
            path = os.path.join(place, name)
            info = os.lstat(path)
            is_folder = name in folders
            state[path] = (info.st_mode, 0 if is_folder else (info.st_size, info.st_mtime_ns))
    return state


def check_outside(before: dict, after: dict) -> None:
    """Holds everything but the output folder to be as it was."""
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    if changed:
        raise Fault(f"changed outside the output folder: {changed[:5]}")


def check_whole(folder: Path) -> None:
    """Holds every file below an output folder to be complete, finite and not left over."""
    lengths = {}
    for path in sorted(Path(folder).rglob("*")) if Path(folder).exists() else []:
        if LEFT_OVER.search(path.name):
            raise Fault(f"left over: {path}")
        if not path.is_file():
            continue
        if path.suffix in (".wav", ".flac", ".ogg", ".mp3"):
            lengths.setdefault(path.parent, set()).add(check_audio(path))
        elif path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise Fault(f"half written: {path}: {error}") from error
        elif path.suffix == ".safetensors":
            try:
                with safe_open(path, "pt") as file:
                    finite = all(file.get_tensor(name).isfinite().all() for name in file.keys())
            except Exception as error:
                raise Fault(f"half written: {path}: {error}") from error
            if not finite:
                raise Fault(f"NaN in {path}")
    for place, found in lengths.items():
        if len(found) > 1:
            raise Fault(f"stems of different lengths in {place}: {sorted(found)}")


def check_audio(path: Path) -> int:
    """Returns the frames of an audio file; it must be whole and finite."""
    try:
        wav, _ = sf.read(os.fsencode(path), always_2d=True)
    except sf.LibsndfileError as error:
        raise Fault(f"half written: {path}: {error}") from error
    if not len(wav):
        raise Fault(f"half written: {path} has no samples")
    if not np.isfinite(wav).all():
        raise Fault(f"NaN in {path}")
    return len(wav)


@dataclass
class Tally:
    """Counts cases and keeps the faults of one kind."""

    kind: str
    cases: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    faults: list = field(default_factory=list)

    def to_dict(self) -> dict:
        """Returns plain types."""
        return {
            "cases": self.cases,
            "faults": len(self.faults),
            "seconds": round(self.seconds),
            "slowest_cpu_seconds": round(self.slowest, 1),
        }


def judge(tally: Tally, number: int, case: Case, root: Path, seconds: int = SECONDS) -> None:
    """Tries one case in a folder of its own below ``root``, where nothing else may change."""
    place = root / "case"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    here = os.getcwd()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before, begin, busy = snapshot(root, {place}), time.monotonic(), time.process_time()
    try:
        os.chdir(place)
        with time_limit(seconds):
            case.run(place)
        check_outside(before, snapshot(root, {place}))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
        if grown > MEGABYTES:
            raise Fault(f"took {grown:.0f} MB")
    except (Fault, Hang) as fault:
        tally.faults.append(f"{tally.kind} {number} ({case.name}): {fault}"[:1500])
    except Exception as error:
        shown = "".join(traceback.format_exception(error)[-3:])
        tally.faults.append(f"{tally.kind} {number} ({case.name}): {shown}")
    finally:
        os.chdir(here)
        tally.cases += 1
        tally.seconds += time.monotonic() - begin
        tally.slowest = max(tally.slowest, time.process_time() - busy)
        shutil.rmtree(place, ignore_errors=True)
