"""Commands that are killed or told to end at a random moment, or before an operation on a file."""

import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from hub_server import HubServer
from huggingface_hub import constants
from safetensors.torch import load_file

from asteroid_instglow.cli import main
from asteroid_instglow.weights.base import load_model

from .corpora import stand_in
from .judge import Case, Fault, check_whole
from .world import RATE, SOURCES

TRAIN = (
    "train bass --data {root}/solos -o {out} --n-steps {n} --batch-size 2 --segment 0.1 "
    "--val-every 2 --sample-rate 4000 --n-fft 32 --hop-length 8 --n-blocks 1 --hidden 4 "
    "--n-layers 1 --accelerator cpu --encoder-steps 2 --encoder-width 2 --quiet "
    "--checkpoint-minutes 1e-6"
)
SEPARATE = "separate {place}/song.wav --priors {root}/models/band -o {out} --overwrite --quiet"
ACTIONS = {
    "separate": SEPARATE,
    "separate by template": SEPARATE + " --name {{stem}}/{{track}} --confidence",
    "train": TRAIN.replace("{n}", "8"),
    "corpus": "corpus {root}/solos -o {out} --priors {root}/models/band --quiet",
    "evaluate": (
        "evaluate {root}/references {root}/estimates -o {out} --protocol si-sdr mdx --quiet"
    ),
    "publish": "publish {root}/models/bass --repo-id tester/bass --push -o {out} --overwrite",
}
NAMES = (*ACTIONS, "two trainings")
ENDED = (130, 143)  # exit codes of SIGINT and SIGTERM
SECONDS = 60  # that a case may take: it runs the command three times
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")


def start(argv, log, events=None, kill_at=None, hub=None) -> int:
    """Forks a process that runs a command; returns its id.

    Args:
        argv (list[str]): Of ``instglow``.
        log (Path): File for what it says.
        events (Path, optional): Folder below which operations on files are counted.
        kill_at (int, optional): The process kills itself before this operation. The number of
            operations is the last line of the log otherwise.
        hub (HubServer, optional): Hub to talk to.
    """
    pid = os.fork()
    if pid:
        return pid
    code, seen = 70, 0

    def hook(event, args):
        nonlocal seen
        if event in EVENTS and str(events) in str(args[:2]):
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1), os.dup2(file, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
        signal.signal(signal.SIGALRM, signal.SIG_DFL), signal.signal(signal.SIGPROF, signal.SIG_DFL)
        torch.set_num_threads(1)
        if hub is not None:
            _use_hub(hub)
        if events is not None:
            sys.addaudithook(hook)
        with stand_in():
            code = main(argv)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 70
    except KeyboardInterrupt:  # before the command began
        code = ENDED[0]
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os.write(2, f"\n{seen}\n".encode())
        os._exit(code)


def _use_hub(hub):
    # The client read its environment when it was imported.
    for name in [n for n in os.environ if n.startswith("HF_") or n.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ["HF_TOKEN"] = hub.token
    constants.ENDPOINT, constants.HF_HUB_DISABLE_XET = hub.endpoint, True
    constants.HF_HOME, constants.HF_HUB_CACHE = hub.home, f"{hub.home}/hub"


def finish(pid, log) -> tuple[int, int]:
    """Waits for a process; returns its exit code and the operations that it counted."""
    try:
        status = os.waitpid(pid, 0)[1]
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    text = log.read_text(errors="replace")
    if "Traceback" in text:
        raise Fault(f"a traceback: {text[-600:]}")
    lines = text.splitlines()
    count = int(lines[-1]) if lines and lines[-1].isdigit() else 0
    return os.waitstatus_to_exitcode(status), count


class Scene:
    """One command in a folder of its own, with what was there before."""

    def __init__(self, world, place, name, hub):
        self.world, self.place, self.name, self.hub = world, place, name, hub
        self.out, self.log = place / "out", world.beside / "child.log"
        self.argv = ACTIONS[name].format(root=world.root, place=place, out=self.out).split()

    def run(self, **how):
        """Starts the command; returns the id of its process."""
        return start(self.argv, self.log, hub=self.hub, **how)

    def complete(self):
        """Runs the command to its end."""
        code, count = finish(self.run(events=self.out.parent), self.log)
        if code:
            raise Fault(f"exit code {code} after the kill: {self.log.read_text()[-600:]}")
        return count

    def prepare(self):
        """Makes what the command finds: older stems, a training to go on with."""
        if self.name.startswith("separate"):
            wav, _ = sf.read(self.world.song)
            sf.write(self.place / "song.wav", wav[: len(wav) // 2], RATE)
            for name in SOURCES:
                stem = f"song/{name}.wav" if self.name == "separate" else f"{name}/song.wav"
                (self.out / stem).parent.mkdir(parents=True, exist_ok=True)
                sf.write(self.out / stem, wav, RATE)
        elif self.name == "train":
            done = self.world.beside / "training"
            if not done.exists():
                argv = TRAIN.format(root=self.world.root, out=done, n=3).split()
                code, _ = finish(start(argv, self.log), self.log)
                if code:
                    raise Fault(f"no training: {self.log.read_text()[-600:]}")
            shutil.copytree(done, self.out)

    def check_killed(self):
        """Holds what a kill left to be whole: the old state or the new."""
        if self.name == "separate":
            stems = {p.name: sf.info(p).frames for p in (self.out / "song").glob("*.wav")}
            if len(stems) != len(SOURCES) or len(set(stems.values())) != 1:
                raise Fault(f"a set of stems is torn: {stems}")
        elif self.name == "separate by template":
            stems = {p.parent.name: sf.info(p).frames for p in self.out.glob("*/song.wav")}
            if len(set(stems.values())) > 1:
                raise Fault(f"old and new stems stand side by side: {stems}")
        elif self.name == "corpus":
            for folder in self.out.glob("?/*"):
                if not folder.name.startswith(".") and len([*folder.iterdir()]) != len(SOURCES):
                    raise Fault(f"a set of stems is torn: {folder}")
        elif self.name == "train":
            last = self.out / "checkpoints" / "last.ckpt"
            if not last.is_file():
                raise Fault("the resume point is lost")
            step = torch.load(last, map_location="cpu", weights_only=True)["global_step"]
            if step < 3:
                raise Fault(f"the resume point fell back to step {step}")
            self.check_model()
        elif self.name == "evaluate":
            for path in self.out.rglob("*.json"):
                if not path.name.startswith("."):
                    json.loads(path.read_text())
        else:
            self.check_published()

    def check_published(self):
        """Holds the repository, and the folder, to hold a whole model or nothing."""
        if self.out.exists() and any(not p.name.startswith(".") for p in self.out.iterdir()):
            self.check_model()
        if "tester/bass" in self.hub.repos:
            names = set(self.hub.files("tester/bass")) - {".gitattributes"}
            if names and not {"config.json", "model.safetensors", "README.md"} <= names:
                raise Fault(f"half published: {sorted(names)}")

    def check_model(self):
        """Holds the model to load."""
        try:
            load_model(self.out)
        except ValueError as error:
            raise Fault(f"half written: {error}") from error

    def check_done(self):
        """Holds the result after the kill to be that of a run without one."""
        check_whole(self.out)
        n_files = {"corpus": 6 * len(SOURCES), "separate by template": len(SOURCES)}
        if len([*self.out.rglob("*.wav")]) < n_files.get(self.name, 0):
            raise Fault("stems are lost")
        if left := [p for p in self.place.iterdir() if p.name not in ("out", "song.wav")]:
            raise Fault(f"left over: {left}")
        self.check_killed()
        if self.name in ("train", "publish"):
            load_model(self.out)
        if self.name in ("train", "evaluate"):
            result = self.result()
            if not same(result, self.world.__dict__.setdefault(f"result_{self.name}", result)):
                raise Fault("the result is not that of a run without a kill")

    def result(self):
        """Returns what a run ends with."""
        if self.name == "train":
            return load_file(self.out / "model.safetensors")
        return json.loads((self.out / "aggregate.json").read_text())


def same(one, other):
    """Compares weights, or plain types."""
    if not any(isinstance(value, torch.Tensor) for value in one.values()):
        return one == other
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


def case(world, seed: int, number: int) -> Case:
    """Returns the kill with this number; the first of each command is without one."""
    rng = np.random.default_rng([seed, number, 4])
    name = NAMES[number % len(NAMES)]
    how = ("at an operation", "told to end", "killed")[number // len(NAMES) % 3]

    def run(place: Path):
        with HubServer() as hub:
            if name == "two trainings":
                _try_two(Scene(world, place, "train", hub))
                return
            operations, seconds = _measure(world, place, name, hub)
            scene = Scene(world, place, name, hub)
            scene.prepare()
            if how == "at an operation":
                kill_at = int(rng.integers(0, operations))
                finish(scene.run(events=scene.out.parent, kill_at=kill_at), scene.log)
                what = f"killed before operation {kill_at} of {operations}"
            else:
                delay = float(rng.uniform(0, seconds))
                signals = (signal.SIGINT, signal.SIGTERM) if how != "killed" else (signal.SIGKILL,)
                number = signals[rng.integers(0, len(signals))]
                what = f"{number.name} after {delay:.2f} s"
                pid = scene.run()
                time.sleep(delay)
                os.kill(pid, number)
                code, _ = finish(pid, scene.log)
                if code not in (0, *ENDED, -number):
                    raise Fault(f"{what}: exit code {code}: {scene.log.read_text()[-600:]}")
                if code in ENDED:
                    check_whole(scene.out)
            try:
                scene.check_killed()
                scene.complete()
                scene.check_done()
            except Fault as fault:
                raise Fault(f"{what}: {fault}") from fault

    return Case(f"{name}, {how}", run)


def _try_two(scene):
    # Two trainings into one folder at once: the second is refused, or comes after the first.
    scene.prepare()
    logs = [scene.world.beside / f"{i}.log" for i in range(2)]
    pids = [start(scene.argv, log) for log in logs]
    codes = [finish(pid, log)[0] for pid, log in zip(pids, logs)]
    told = "".join(log.read_text() for log in logs)
    if 0 not in codes or (2 in codes) != ("another training is running" in told) or max(codes) > 2:
        raise Fault(f"exit codes {codes}: {told[-600:]}")
    scene.check_done()


def _measure(world, place, name, hub):
    # Operations and seconds of a run without a kill, once a command.
    known = world.__dict__.setdefault("measured", {})
    if name not in known:
        scene = Scene(world, place, name, hub)
        scene.prepare()
        begin = time.monotonic()
        count = scene.complete()
        known[name] = count, time.monotonic() - begin
        scene.check_done()
        for path in (scene.out, place / "song.wav"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        hub.repos.clear()
    return known[name]
