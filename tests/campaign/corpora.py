"""Corpora: hostile manifests, names, earlier runs and options, on a Ray of one process."""

import contextlib
import json
import os
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

import numpy as np

from .damaged_files import DAMAGES
from .judge import Case, Fault, check_answer, check_whole, command, snapshot
from .world import SOURCES

TRACKS = (
    *("a", "b/c", "../../evil", "/abs", "", ".", "..", "a\0b", "a\nb", "x" * 300, "manifest"),
    *("a/../b", "a//b", "a/", "\udcff", "~", " ", "a/.b.partial/c", "é" * 200, "manifest/x"),
    *("a\x1b[1m", "con"),
)
PATHS = (
    *("{root}/song.wav", "{root}/song.wav", "{root}/song.wav", "{root}/none.wav", "{root}/text"),
    *("", "{root}/fifo", "{root}/loop", "{root}", "/dev/zero", "ftp://none/x.wav", "nope://x"),
    *("~/x.wav", "../song.wav", "file://{root}/song.wav", "x" * 5000, "\udcff.wav", "a\0b.wav"),
    *("memory://x.wav", "::", "zip://x::y", "http://", "{root}/song.wav "),
    *("-o", "s3://bucket/none.wav"),
)
LINES = (
    *("{", "[]", "null", "1", '"x"', '{"path": 1}', '{"path": null}', '{"track": "x"}'),
    *("[" * 10_000, '{"path": "{root}/song.wav", "track": 1}'),
    *('{"path": "{root}/song.wav", "track": null}', "\ufeff"),
)
RECORDS = (
    *("{", "[]", "null", "1", '"x"', "{}", '{"made_with": 1}', '{"made_with": {"seed": 5}}', "\0"),
    *('{"status": "done"}', '{"status": "done", "track": "a"}', '{"status": "done", "track": []}'),
    *('{"status": "done", "track": "a", "path": 1}', '{"made_with": null}'),
    *("[" * 10_000, "\udcff"),
)
OPTIONS = (
    *((), (), (), ("--timeout", "0"), ("--timeout", "nan"), ("--timeout", "x")),
    *(("--retries", "-1"), ("--workers", "0"), ("--workers", "1.5"), ("--num-gpus", "nan")),
    *(("--num-gpus", "5"), ("--timeout", "1e9"), ("--sources", "auto"), ("--sources", "x")),
    *(("--name", "{stem}"), ("--name", "../{stem}"), ("--suffix", ".flac")),
    *(("--num-gpus", "-inf"), ("--retries", "0")),
)


class Ref:
    """A result, which is computed at once."""

    def __init__(self, function, *args):
        self.value = function(*args)


def small_ray():
    """Returns a module that stands for Ray, and runs actors in this process."""

    def actor(kind):
        def make(*args):
            made = kind(*args)
            methods = {"name": partial(Ref, made.name), "separate": partial(Ref, made.separate)}
            return SimpleNamespace(**{n: SimpleNamespace(remote=f) for n, f in methods.items()})

        return SimpleNamespace(remote=make)

    ray = ModuleType("ray")
    ray.remote = lambda **how: actor
    ray.wait = lambda refs, num_returns, timeout: (refs[:num_returns], [])
    ray.get = lambda ref: ref.value
    ray.init = ray.shutdown = ray.kill = lambda *args, **how: None
    ray.is_initialized = lambda: False
    ray.cluster_resources = lambda: {"CPU": 2}
    ray.exceptions = SimpleNamespace(RayError=ConnectionError)
    return ray


@contextlib.contextmanager
def stand_in():
    """Has :func:`small_ray` stand for Ray in the block, installed or not."""
    before = sys.modules.get("ray")
    sys.modules["ray"] = small_ray()
    try:
        with mock.patch("asteroid_instglow.utils.extras.find_spec", find_ray):
            yield
    finally:
        # No other module that was imported meanwhile may go with it.
        del sys.modules["ray"]
        if before is not None:
            sys.modules["ray"] = before


def find_ray(name):
    """Returns True for Ray, and what is there of any other package."""
    return name == "ray" or find_spec(name)


def case(world, seed: int, number: int) -> Case:
    """Returns the corpus with this number."""
    rng = np.random.default_rng([seed, number, 7])
    kind = ("txt", "jsonl", "folder", "earlier")[number % 4]
    options = OPTIONS[rng.integers(0, len(OPTIONS))]

    def run(place: Path):
        _try(world, place, kind, options, rng)

    return Case(f"{kind} {' '.join(options)}", run)


def _try(world, place, kind, options, rng):
    out, source = place / "out", _write(world, place, kind, rng)
    if kind == "earlier":
        (out / "manifest").mkdir(parents=True)
        lines = [RECORDS[i] for i in rng.integers(0, len(RECORDS), rng.integers(0, 4))]
        part = out / "manifest" / "1.jsonl"
        part.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
        if rng.integers(0, 6) == 0:
            part.unlink()
            part.mkdir()
    before = snapshot(place, {out})
    argv = ["corpus", source, "-o", out, "--priors", world.band, "--quiet", "--json", *options]
    with stand_in():
        answer = command(argv)
    check_answer(answer)
    after = snapshot(place, {out})
    changed = [p for p in {*before, *after} if p != str(out) and before.get(p) != after.get(p)]
    if changed:
        raise Fault(f"changed outside the output folder: {changed[:5]}")
    if kind != "earlier":
        check_whole(out)
    if answer.code == 2:
        return
    found = json.loads(answer.out)
    if any("Traceback" in row["error"] or not row["error"] for row in found["failed"]):
        raise Fault(f"a failure without a reason: {found['failed']}")
    unexplained = [
        row["error"]
        for row in found["failed"]
        if row["error"].startswith(("Attribute", "Key", "Index", "Runtime", "Unicode", "Assertion"))
    ]
    if unexplained:
        raise Fault(f"unexplained: {unexplained[:2]}")
    written = [path for path in out.rglob("*.*") if path.suffix in (".wav", ".flac")]
    if len(written) < found["done"] * (1 if "--sources" in options else len(SOURCES)):
        raise Fault(f"{found['done']} songs are done, and there are {len(written)} files")


def _write(world, place, kind, rng):
    fill = lambda text: text.replace("{root}", str(world.root))  # noqa: E731
    draw = lambda choices: fill(choices[rng.integers(0, len(choices))])  # noqa: E731
    if kind in ("folder", "earlier"):
        folder = place / "music"
        folder.mkdir()
        for i in range(rng.integers(0, 4)):
            data = world.song.read_bytes()
            data = DAMAGES[rng.integers(0, len(DAMAGES))](data, rng) if i else data
            with contextlib.suppress(OSError, ValueError):
                (folder / f"{'ab.'[i]}.wav").write_bytes(data)
        return folder
    lines = []
    for _ in range(rng.integers(0, 5)):
        if kind == "txt":
            lines.append(draw(PATHS))
        elif rng.integers(0, 3) == 0:
            lines.append(draw(LINES))
        else:
            lines.append(json.dumps({"path": draw(PATHS), "track": draw(TRACKS)}))
    path = place / f"songs.{kind}"
    path.write_bytes(os.fsencode("\n".join(lines)))
    return path
