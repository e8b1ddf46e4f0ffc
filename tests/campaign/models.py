"""Model folders whose names are paths, whose sizes are absurd, whose weights are something else."""

import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
from saved_models import Malicious

from .corpora import stand_in
from .damaged_files import DAMAGES
from .judge import Case, Fault, check_answer, check_whole, command

VALUES = (
    *(None, True, False, 0, -1, 1, 10**9, 10**30, 2**31 - 1, 1.5, float("nan"), float("inf"), ""),
    *("x", "../../evil", "/etc/passwd", "a\nb", "a\0b", "\udcff", "x" * 10_000, "__class__", []),
    *([1], [[]], {}, {"a": 1}, [10**9] * 4, {"../../evil": 1}, "NaN", "os.system"),
)
KEYS = ("../../evil", "/abs", "x", "", "self", "__init__", "a\0b", "..", "sample_rate", "sources")
DTYPES = ("F32", "F16", "I8", "BF16", "F8_E4M3", "X", "BOOL", "I64")


def mutate_config(folder, rng, place):
    """Replaces, removes or adds one entry, however deep."""
    config = json.loads((folder / "config.json").read_text())
    spots = []

    def walk(node):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            spots.append((node, key))
            if isinstance(value, (dict, list)):
                walk(value)

    walk(config)
    node, key = spots[rng.integers(0, len(spots))]
    value, how = VALUES[rng.integers(0, len(VALUES))], rng.integers(0, 4)
    if how == 0:
        del node[key]
    elif how == 1 and isinstance(node, dict):
        node[KEYS[rng.integers(0, len(KEYS))]] = value if rng.integers(0, 2) else node.pop(key)
    else:
        node[key] = value
    (folder / "config.json").write_text(json.dumps(config))
    return f"{key}: {str(value)[:30]!r} ({how})"


def damage_config(folder, rng, place):
    damage = DAMAGES[rng.integers(0, len(DAMAGES))]
    path = folder / "config.json"
    path.write_bytes(damage(path.read_bytes(), rng))
    return damage.__name__


def damage_weights(folder, rng, place):
    """Damages the weights; half the time without the hash that would tell."""
    damage = DAMAGES[rng.integers(0, len(DAMAGES))]
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes(), rng))
    return damage.__name__ + _forget_hash(folder, rng)


def lie_in_weights(folder, rng, place):
    """Changes dtype, shape, offsets or name of one tensor."""
    path = folder / "model.safetensors"
    data = path.read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    name = str(rng.choice([k for k in header if k != "__metadata__"]))
    what = str(rng.choice(["dtype", "shape", "data_offsets", "name", "metadata", "drop"]))
    if what == "dtype":
        header[name]["dtype"] = str(rng.choice(DTYPES))
    elif what == "shape":
        header[name]["shape"] = [[2**40], [0], [-1], [2**62, 4], []][rng.integers(0, 5)]
    elif what == "data_offsets":
        header[name]["data_offsets"] = [[0, 2**50], [5, 1], [0, 0], [-1, 4]][rng.integers(0, 4)]
    elif what == "name":
        header[KEYS[rng.integers(0, len(KEYS))]] = header.pop(name)
    elif what == "drop":
        header.pop(name)
    else:
        header["__metadata__"] = {"format": "pt", name: str(rng.choice([*header, "none"]))}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + n :])
    return f"{what} of {name}" + _forget_hash(folder, rng, always=True)


def spoil_values(folder, rng, place):
    """Puts NaN, infinity or huge numbers among the weights."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    (n,) = struct.unpack("<Q", data[:8])
    n_values = (len(data) - 8 - n) // 4
    value = float(rng.choice([np.nan, np.inf, -np.inf, 3e38, -3e38]))
    at = 8 + n + 4 * int(rng.integers(0, n_values))
    data[at : at + 4] = struct.pack("<f", value)
    path.write_bytes(bytes(data))
    return f"{value}" + _forget_hash(folder, rng, always=True)


def pickled(folder, rng, place):
    """Puts a pickle that runs code where weights are looked for."""
    name = str(rng.choice(["pytorch_model.bin", "model.safetensors", "config.json", "model.pth"]))
    if rng.integers(0, 2):
        (folder / "model.safetensors").unlink()
        (folder / "config.json").unlink()
    (folder / name).write_bytes(pickle.dumps({"model_args": Malicious(place / "ran")}))
    return name + _forget_hash(folder, rng)


def irregular(folder, rng, place):
    """Replaces a file by a folder, a pipe, a device, a link into nowhere or in a circle."""
    path = folder / str(rng.choice(["config.json", "model.safetensors"]))
    whole = path.read_bytes()
    path.unlink()
    what = str(rng.choice(["folder", "pipe", "zero", "nowhere", "circle", "out", "gone", "empty"]))
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "empty":
        path.write_bytes(b"")
    elif what != "gone":
        (place / "elsewhere").write_bytes(whole)
        targets = {"zero": "/dev/zero", "nowhere": place / "none", "circle": path}
        path.symlink_to(targets.get(what, place / "elsewhere"))
    return f"{path.name}: {what}"


def _forget_hash(folder, rng, always=False):
    path = folder / "config.json"
    if not (always or rng.integers(0, 2)) or not path.is_file():
        return ""
    try:
        config = json.loads(path.read_bytes())
    except ValueError:
        return ""
    config["sha256"] = {}
    path.write_text(json.dumps(config))
    return ", no hash"


HURTS = (
    *(mutate_config, mutate_config, mutate_config, damage_config, damage_weights, lie_in_weights),
    *(spoil_values, pickled, irregular),
)

COMMANDS = (
    *("separate", "separate", "sample", "list", "publish", "diagnose", "detect", "add", "export"),
    *("confidence", "corpus"),
)


def case(world, seed: int, number: int) -> Case:
    """Returns the model folder with this number."""
    rng = np.random.default_rng([seed, number, 3])
    hurt = HURTS[number % len(HURTS)]
    which = str(rng.choice(["bass", "band"]))
    name = str(rng.choice(COMMANDS))

    def run(place: Path):
        folder = place / "model"
        shutil.copytree(world.root / "models" / which, folder)
        what = hurt(folder, rng, place)
        try:
            _try(world, place, folder, name)
        except Fault as fault:
            raise Fault(f"{what}: {fault}") from fault

    return Case(f"{hurt.__name__} {which}, {name}", run)


def _try(world, place, folder, name):
    out = place / "out"
    argv = {
        "separate": [world.song, "--priors", folder, "-o", out, "--quiet"],
        "confidence": [
            *(world.song, "--priors", folder, "-o", out, "--quiet", "--confidence"),
            *("--sources", "auto"),
        ],
        "detect": [world.song, "--priors", folder, "--quiet"],
        "add": [f"new={folder}", "--to", world.prior, "-o", out],
        "export": [folder, "-o", out / "x.onnx"],
        "corpus": [world.root / "solos" / "a", "-o", out, "--priors", folder, "--quiet"],
        "sample": [folder, "-o", out, "--seconds", "0.1"],
        "list": [place],
        "publish": [folder, "--repo-id", "user/x", "-o", out],
        "diagnose": [world.song, "--priors", folder, "--n-iter", "1", "--solver", "paper"],
    }[name]
    before = sorted(place.iterdir())
    with stand_in():
        answer = command(["separate" if name == "confidence" else name, *argv])
    if (place / "ran").exists():
        raise Fault("code in the model was run")
    check_answer(answer)
    if sorted(path for path in place.iterdir() if path != out) != before:
        raise Fault(f"wrote beside the output folder: {sorted(place.iterdir())}")
    check_whole(out)
    if answer.code == 2 and out.exists():
        raise Fault(f"failed, and left {sorted(out.rglob('*'))[:4]}")
