"""Commands with one option missing, doubled or of a hostile value; every option in turn."""

import argparse
import json
from pathlib import Path

import numpy as np

from asteroid_instglow.cli.main import build_parser

from .judge import Case, Fault, check_answer, check_outside, check_whole, command, snapshot

# What makes a command work, by its name; {root} is the world's folder, {place} the
# case's, in which a song lies, and {out} that of the output.
FLOW = (
    "--sample-rate 4000 --n-fft 32 --hop-length 8 --n-blocks 1 --hidden 4 --n-layers 1 --n-steps 1 "
    "--batch-size 2 --segment 0.1 --accelerator cpu --quiet"
)
SOUND = {
    "separate": "{place}/song.wav --priors {root}/models/band -o {out} --quiet",
    "list": "{root}/models",
    "adapt": "{place}/song.wav --priors {root}/models/band -o {out} --steps 1 --quiet",
    "add": "{root}/models/bass --to {root}/models/drums -o {out}",
    "completion": "bash",
    "train": "bass --data {root}/solos -o {out} --encoder-steps 0 " + FLOW,
    "pretrain": (
        "--data {root}/solos -o {out} --n-steps 1 --width 2 --batch-size 2 --validation-items 2 "
        "--accelerator cpu --quiet"
    ),
    "sample": "{root}/models/bass -o {out} --seconds 0.1",
    "evaluate": "{root}/references {root}/estimates -o {out} --protocol si-sdr --quiet",
    "baseline train": (
        "nmf train --data {root}/solos -o {out} --n-steps 1 --accelerator cpu --quiet"
    ),
    "baseline separate": (
        "nmf separate {place}/song.wav --model {root}/models/band -o {out} --quiet"
    ),
    "demo": "--priors {root}/models/band --output {out} --quiet",
    "detect": "{place}/song.wav --priors {root}/models/band --quiet",
    "diagnose": "{root}/song.wav --priors {root}/models/band --solver paper --n-iter 1",
    "report": "{root}/experiment -o {out}/report.html --quiet",
    "publish": "{root}/models/bass --repo-id user/bass -o {out}",
    "export": "{root}/models/bass -o {out}/encoder.onnx",
    "import-published": "{root}/models/bass/model.safetensors -o {out}",
}
NUMBERS = ("0", "-1", "nan", "inf", "-inf", "1e-320", "1e308", "1e400", "", "x", "1.5", "True", "é")
WHOLE = ("0", "-1", "99999999999999999999999999", "1.5", "", "x", "0x10", "-9223372036854775809")
WORDS = ("", "x", "../../evil", "/", "\n", "a\x1bb", "residual", "é" * 300, "=", "a=b=c", ":", "*")
PATHS = (
    *("", ".", "{root}/none", "{root}/song.wav", "{root}/models", "{root}/fifo", "\n"),
    *("{root}/none/x/y", "x" * 300, "{root}/song.wav/x", "{root}/loop", "{root}/\udcff", "~"),
    *("/dev/null", "{root}/empty", "minislakh", "user/none@v1", "{root}/solos:nan", "{root}/text"),
)
# Where to write: whatever is there already is not the program's. {place} is the case's folder.
OUTPUTS = (
    *("", ".", "{root}/song.wav", "{root}/fifo", "{root}/loop", "{root}/text/x", "/dev/null"),
    *("\n", "/proc/none", "x" * 300, "{place}/\udcff", "{place}/a/b/c"),
    *("{place}/out/", "{place}/-o"),
)
# Longer work is what these ask for, so that a large number is no mistake; and one core is enough.
LONG = {
    *("n_steps", "n_iter", "encoder_steps", "joint_steps", "jobs", "devices", "num_workers"),
    *("num_nodes", "n", "batch_size", "tracks", "seconds", "segment", "max_size"),
    *("time_limit", "hidden", "steps"),
}


def leaves():
    """Returns the parser of each command, by name; ``baseline train`` is one."""
    found = {}
    (commands,) = (a for a in build_parser()._actions if a.dest == "command")
    for name, parser in commands.choices.items():
        nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        for action in nested:
            found |= {f"{name} {leaf}": sub for leaf, sub in action.choices.items()}
        # The app serves until it is stopped, and a corpus takes a cluster of processes.
        if not nested and name not in ("app", "corpus"):
            found[name] = parser
    return found


def mutations():
    """Returns (command, option, hostile values) for every option of every command."""
    found = []
    for name, parser in leaves().items():
        for action in parser._actions:
            option = action.option_strings[-1] if action.option_strings else None
            # The demo trains for minutes.
            if action.dest in ("help", "debug", "json") or (name, option) == ("demo", "--train"):
                continue
            if action.nargs == 0:
                found.append((name, option, action, [None]))
                continue
            values = WORDS
            if action.type is int:
                values = WHOLE
            elif action.type is float:
                values = NUMBERS
            elif action.type is Path or action.metavar and "DIR" in str(action.metavar):
                values = OUTPUTS if action.dest == "output" else PATHS
            if action.dest in LONG:
                values = [v for v in values if v in ("0", "-1", "nan", "", "x", "1.5", "-inf")]
            if name == "adapt":  # training those takes gigabytes
                values = [v for v in values if v != "minislakh"]
            found.append((name, option, action, list(values)))
    return found


def case(world, seed: int, number: int) -> Case:
    """Returns the invocation with this number; the first ones go through all options in turn."""
    rng = np.random.default_rng([seed, number, 2])
    options = mutations()
    # A prime beyond their number, so that few cases reach many commands, and many cases all.
    name, option, action, values = options[number * 10007 % len(options)]
    value = values[rng.integers(0, len(values))]
    how = str(rng.choice(["replace"] * 6 + ["twice", "drop", "cut", "add"]))

    def run(place):
        (place / "song.wav").write_bytes(world.song.read_bytes())
        _try(world, place, _argv(world, place, name, option, action, value, how), name)

    return Case(f"{name} {option or action.dest} {how} {value!r}", run)


def _argv(world, place, name, option, action, value, how):
    places = {"root": world.root, "place": place, "out": place / "out"}
    words = [word.format(**places) for word in SOUND[name].split()]
    head = [name.split()[0]]
    if value is not None:
        value = value.replace("{root}", str(world.root)).replace("{place}", str(place))
    if how == "cut":
        return [*head, *words[: len(words) // 2]]
    if how == "add":
        return [*head, *words, "--no-such-option"]
    if option is None:  # positional
        at = 0 if not name.startswith("baseline") else 2
        return [*head, *words[:at], *([] if how == "drop" else [value]), *words[at + 1 :]]
    if option in words:
        at = words.index(option)
        if how != "twice":
            del words[at : at + 2]
    if how == "drop":
        return [*head, *words]
    # With "=", a value that begins with a dash is one.
    given = [option] if value is None else [f"{option}={value}"]
    if value is not None and action.nargs == 2:
        given = [option, value, "1"]
    return [*head, *words, *given]


def _try(world, place, argv, name):
    before = snapshot(place)
    answer = command(argv)
    check_answer(answer)
    out = place / "out"
    rest = {k: v for k, v in snapshot(place, {out}).items() if k != str(out)}
    # Without -o, some commands write to a folder that they name in their answer.
    if name not in ("demo", "report") and answer.code == 2:
        check_outside(before, rest)
    if answer.code == 2 and name in ("separate", "sample", "publish", "import-published", "export"):
        left = sorted(out.rglob("*")) if out.exists() else []
        if left:
            raise Fault(f"failed, and left {left[:4]}")
    check_whole(out)
    if "NaN" in answer.out and name != "list":
        _check_numbers(answer)


def _check_numbers(answer):
    try:
        json.loads(answer.out)
    except ValueError:
        raise Fault(f"NaN in the answer: {answer.out[:300]}") from None
