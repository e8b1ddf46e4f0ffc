"""Output folders in which something lies already, templates of names, sets that a kill has torn."""

import json
import os
import re
from pathlib import Path

import numpy as np
import soundfile as sf

from .judge import Case, Fault, check_answer, check_audio, command, snapshot
from .world import RATE, SOURCES

TEMPLATES = (
    *("{track}/{stem}", "{stem}", "{stem}/{track}", "{track} ({stem})", "{track}/{stem}.{ext}"),
    *("a/b/c/{stem}", "{stem}/{track}/{stem}", ".{stem}", "{track}.{stem}.wav", "~{stem}"),
    *("-{stem}", "{stem}" * 30, "{track}" * 40 + "{stem}", "{stem}/" * 60 + "x", "{track}", ""),
    *("{", "{}", "{0}", "../{stem}", "/{stem}", "{stem}/../x", "x//{stem}", "{stem}\0"),
    *("{stem}\n", "{stem}\x1b[1m", "{stem!r}", "{track.__class__}{stem}", "{stem}/", "./{stem}"),
    *("{STEM}", "%s{stem}", "{stem}\\x", "\udcff{stem}", "{track}/.{track}.partial/{stem}"),
    *(".song.partial/{stem}", "{stem}/song"),
)
NAMES = (
    "song",
    "song",
    "song",
    "lock",
    "confidence",
    "a b",
    ".song",
    "song.wav",
    "é" * 100,
    "{stem}",
)
# What is at the place of a stem.
THERE = (
    *("nothing", "nothing", "old", "old", "old", "folder", "full folder", "nowhere", "circle"),
    *("fifo", "link to a file", "link to a folder", "empty", "read-only", "text"),
)
# What a killed process has left in the stage.
STAGES = (
    *("none", "none", "none", "empty", "file", "link", "torn", "torn", "no journal", "junk"),
    *("list", "deep", "outside", "missing", "lock is a folder", "journal is a folder"),
)
OPTIONS = (
    *((), (), ("--confidence",), ("--sources", "auto"), ("--sources", "bass"), ("--residual",)),
    *(("--two-stems", "bass"), ("--sources", "auto", "--confidence"), ("--suffix", ".flac")),
    *(("--clip", "clamp"), ("--subtype", "FLOAT")),
)
MODES = (
    (),
    ("--overwrite",),
    ("--overwrite",),
    ("--skip-existing",),
    ("--overwrite", "--skip-existing"),
)


def case(world, seed: int, number: int) -> Case:
    """Returns the output folder with this number."""
    rng = np.random.default_rng([seed, number, 6])

    def draw(choices):
        return choices[rng.integers(0, len(choices))]

    template, name, there, stage = draw(TEMPLATES), draw(NAMES), draw(THERE), draw(STAGES)
    options, mode = draw(OPTIONS), draw(MODES)
    what = f"{template!r} {name!r} on {there}, stage {stage}, {' '.join((*options, *mode))}"

    def run(place: Path):
        _try(world, place, template, name, there, stage, [*options, *mode])

    return Case(what, run)


def _try(world, place, template, name, there, stage, options):
    out, song = place / "out", place / f"{name}.wav"
    out.mkdir()
    song.write_bytes(world.song.read_bytes())
    (place / "mine").mkdir()
    for file in (place / "mine.wav", place / "mine" / "file", out / "notes.txt"):
        file.write_text("mine")
    # A song may be called "{stem}".
    parts = re.split(r"(\{stem\})", template.removesuffix(".{ext}"))
    targets = [
        out / f"{''.join(s if p == '{stem}' else p.replace('{track}', name) for p in parts)}.wav"
        for s in (*SOURCES, "confidence")
    ]
    for target in targets[:2]:
        if ".." not in template and "\0" not in template and not template.startswith("/"):
            _put(target, there, place)
    _leave(out / f".{name}.partial", stage, targets, place)
    before = snapshot(place, {out})
    argv = ["separate", song, "--priors", world.band, "-o", out, "--quiet", "--json", *options]
    answer = command([*argv, f"--name={template}"])
    check_answer(answer)
    after = snapshot(place, {out})
    keep = str(out)
    changed = [p for p in {*before, *after} if p != keep and before.get(p) != after.get(p)]
    if changed:
        raise Fault(f"changed outside the output folder: {changed[:5]}")
    if answer.code == 0:
        written = [p for stems in json.loads(answer.out)["files"].values() for p in stems.values()]
        if gone := [path for path in written if not os.path.isfile(path)]:
            raise Fault(f"not written: {gone}")
    if (out / "notes.txt").read_text() != "mine":
        raise Fault("a file of the user's is lost")
    if there == "full folder" and targets[0].is_dir() and not (targets[0] / "mine").exists():
        raise Fault("a folder of the user's is emptied")
    lengths = set()
    for path in out.rglob("*.wav"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 10:
            lengths.add(check_audio(path))
    is_whole = "bass" not in options and stage == "none"
    if answer.code == 0 and len(lengths) > 1 and is_whole:
        raise Fault(f"old and new stems: {sorted(lengths)}")
    if answer.code == 0 and options[-1:] != ["--skip-existing"]:
        left = [p for p in out.rglob("*") if p.name.endswith((".partial", ".tmp", ".old"))]
        if left and stage not in ("file", "link") and ".partial" not in template:
            raise Fault(f"left over: {left[:3]}")


def _put(target, there, place):
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if there in ("old", "read-only", "link to a file"):
            path = target if there != "link to a file" else place / "linked.wav"
            sf.write(os.fsencode(path), np.zeros(1000), RATE)
            if there == "read-only":
                path.chmod(0o400)
            if path != target:
                target.symlink_to(path)
        elif there == "folder":
            target.mkdir()
        elif there == "full folder":
            target.mkdir()
            (target / "mine").write_text("mine")
        elif there == "fifo":
            os.mkfifo(target)
        elif there in ("empty", "text"):
            target.write_text("" if there == "empty" else "text")
        elif there != "nothing":
            links = {
                "nowhere": place / "none",
                "circle": target,
                "link to a folder": place / "mine",
            }
            target.symlink_to(links[there])
    except (OSError, ValueError, TypeError, sf.LibsndfileError):
        pass  # no such file can be


def _leave(stage, kind, targets, place):
    if kind == "none" or len(os.fsencode(stage.name)) > 255:
        return
    if os.path.lexists(stage) and kind in ("file", "link"):
        return
    if kind in ("file", "link"):
        stage.write_text("x") if kind == "file" else stage.symlink_to(place / "mine")
        return
    stage.mkdir(parents=True, exist_ok=True)
    if kind == "empty":
        return
    moves = [[str(stage / f"{s}.wav"), str(t)] for s, t in zip(SOURCES, targets)]
    for source, _ in moves:
        if not os.path.lexists(source):
            sf.write(os.fsencode(source), np.zeros(500), RATE)
    text = json.dumps({"moves": moves})
    if kind == "outside":
        text = json.dumps({"moves": [[moves[0][0], str(place / "mine.wav")]]})
    elif kind == "missing":
        Path(moves[0][0]).unlink()
    elif kind in ("junk", "list", "deep"):
        text = {"junk": text[: len(text) // 2], "list": "[1]", "deep": "[" * 100_000}[kind]
    elif kind == "lock is a folder":
        (stage / "lock").mkdir()
    if kind == "journal is a folder":
        (stage / "journal.json").mkdir()
    elif kind != "no journal":
        (stage / "journal.json").write_text(text)
