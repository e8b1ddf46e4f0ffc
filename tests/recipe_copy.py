"""A recipe as a user has it, with a tiny configuration and a small data set."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
TINY = {
    "data": {"sample_rate": 8000, "piece_seconds": [0.5, 1.0], "min_seconds": 0.3},
    "model": {
        **{"sample_rate": 8000, "n_fft": 64, "hop_length": 16, "n_blocks": 2, "hidden": 4},
        "n_layers": 1,
    },
    "training": {
        **{"n_steps": 3, "batch_size": 2, "segment": 0.5, "val_every": 3, "num_workers": 0}
    },
    "encoder_model": {"n_fft": 64, "hop_length": 16, "width": 4},
    "pretrain": {"segment": 0.5, "num_workers": 0, "validation_items": 4},
    "encoder_training": {"segment": 0.5, "num_workers": 0, "validation_items": 4},
    "separation": {"n_iter": 2},
    "evaluation": {"n_examples": 1, "example_seconds": 1.0},
}


class Recipe:
    """A copy of a recipe in ``root``, for the data set in ``<root>/in``.

    Args:
        name (str): "musdb" or "slakh".
        root (Path): Folder.
        sources (list[str]): Two.
        changes (dict): To the configuration, besides ``TINY``.
    """

    def __init__(self, name, root, sources=("bass", "drums"), changes=None):
        self.name, self.root, self.sources = name, root, list(sources)
        ignored = shutil.ignore_patterns("exp", "data*")
        shutil.copytree(RECIPES, root / "recipes", symlinks=True, ignore=ignored)
        self.folder = root / "recipes" / f"{name}_glow"
        self.exp = self.folder / "exp" / "tiny"
        self.data = root / "in"
        conf = yaml.safe_load((self.folder / "local" / "conf.yml").read_text())
        named = {
            section: {"sources": self.sources} for section in ("data", "pretrain", "evaluation")
        }
        for change in (TINY, named, changes or {}):
            for section, values in change.items():
                conf[section].update(values)
        (self.folder / "tiny.yml").write_text(yaml.safe_dump(conf))

    def start(self, *options, env=None):
        """Starts ``run.sh`` in a process group of its own."""
        command = ["./run.sh", "--python_path", sys.executable, f"--{self.name}_dir", self.data]
        command += ["--conf", "tiny.yml", "--tag", "tiny", *options]
        return subprocess.Popen(
            list(map(str, command)),
            cwd=self.folder,
            env={**(env or os.environ), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *options, torch=True, env=None):
        """Exit code, and what it said; ``torch=False``: it must do without that slow import."""
        env = dict(env or os.environ)
        if not torch:
            (self.root / "without").mkdir(exist_ok=True)
            (self.root / "without" / "torch.py").write_text("raise SystemExit('imports torch')")
            env["PYTHONPATH"] = str(self.root / "without")
        process = self.start(*options, env=env)
        output = finish(process)
        return process.returncode, output


def finish(process, timeout=900):
    """Waits for a run; gives what it said. One that takes too long is ended with all it started."""
    try:
        return process.communicate(timeout=timeout)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def states(folder):
    """Digest and time of change of each file; logs and markers apart."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in files
        if path.suffix != ".log" and ".done" not in path.parts
    }
