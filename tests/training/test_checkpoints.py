"""The resume point of a training: written whole, by one training at a time, for the same data."""

import errno
import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import prior_runs
import pytest
import torch
from solo_folders import write_solos

from asteroid_instglow.training.checkpoints import AtomicFiles, load_checkpoint, locked
from asteroid_instglow.training.options import EncoderOptions

train = functools.partial(prior_runs.train, n_steps=2)


@pytest.fixture
def solos(tmp_path):
    return write_solos(tmp_path / "solos", n=3)


KILLED = """
import sys
import torch
from asteroid_instglow.training.checkpoints import AtomicFiles
from asteroid_instglow.training.options import EncoderOptions

content = {"weights": torch.zeros(3_000_000), "run": 0}
while True:
    content["run"] += 1
    AtomicFiles().save_checkpoint(content, sys.argv[1])
    print(content["run"], flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "last.ckpt"
    for wait in (0.003, 0.01, 0.02, 0.05, 0.1):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "1\n"
        time.sleep(wait)
        process.kill()
        process.wait()
        checkpoint = load_checkpoint(path)
        assert checkpoint["run"] >= 1 and len(checkpoint["weights"]) == 3_000_000


def test_it_is_written_beside_the_old_one_and_never_copied(tmp_path, monkeypatch):
    seen = []

    def replace(source, target, replaced=os.replace):
        seen.append((Path(source).parent, Path(target)))
        replaced(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    AtomicFiles().save_checkpoint({"a": 1}, tmp_path / "run" / "last.ckpt")
    assert seen == [(tmp_path / "run", tmp_path / "run" / "last.ckpt")]


def test_a_second_training_in_the_same_folder_is_refused(solos, tmp_path):
    with locked(tmp_path / "prior"):
        with pytest.raises(ValueError, match="another training is running in .*prior"):
            train(solos, tmp_path / "prior")
    assert train(solos, tmp_path / "prior")["finished"]


def test_a_killed_training_does_not_keep_the_folder(tmp_path):
    script = "import sys, time\nfrom asteroid_instglow.training.checkpoints import locked\n"
    script += "with locked(__import__('pathlib').Path(sys.argv[1])):\n"
    script += "    print('locked', flush=True)\n    time.sleep(600)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "prior"], stdout=subprocess.PIPE
    )
    process.stdout.readline()
    with pytest.raises(ValueError, match="another training"), locked(tmp_path / "prior"):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked(tmp_path / "prior"):
        pass


def test_a_clock_that_the_logger_cannot_wait_for_is_refused(solos, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: -1e12)
    with pytest.raises(ValueError, match="clock must be set, it says -1e\\+12 s after 1970"):
        train(solos, tmp_path / "prior")


def test_a_folder_that_the_logger_cannot_name_is_refused(solos, tmp_path):
    with pytest.raises(ValueError, match="output must be a path in UTF-8, got"):
        train(solos, tmp_path / "\udcff")
    assert list(tmp_path.iterdir()) == [solos]


def test_other_recordings_are_noticed(solos, tmp_path):
    train(solos, tmp_path / "prior")
    moved = solos.rename(tmp_path / "moved")
    assert train(moved, tmp_path / "prior", n_steps=3)["steps"] == 3
    write_solos(moved, n=4, seed=1)
    with pytest.raises(ValueError, match="the recordings have changed: other_data=True goes on"):
        train(moved, tmp_path / "prior", n_steps=4)
    assert train(moved, tmp_path / "prior", n_steps=4, other_data=True)["steps"] == 4


def test_a_run_without_a_digest_is_resumed(solos, tmp_path):
    train(solos, tmp_path / "prior")
    path = tmp_path / "prior" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["training_config"]["data_digest"]
    torch.save(checkpoint, path)
    assert train(solos, tmp_path / "prior", n_steps=3)["steps"] == 3


@pytest.mark.parametrize(
    "name, value",
    [("seed", 2**63), ("num_workers", 10**9), ("devices", 1025)]
    + [(name, 10**26) for name in ("n_steps", "batch_size", "validation_items", "val_every")],
)
def test_numbers_beyond_the_machine_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at most"):
        EncoderOptions(**{name: value})


@pytest.mark.parametrize("lr", [0.0, -1.0, 1e308, float("nan"), float("inf")])
def test_a_learning_rate_that_no_optimizer_takes_is_refused(lr):
    with pytest.raises(ValueError, match="lr must be a number from"):
        EncoderOptions(lr=lr)


def test_a_full_disk_names_the_folder_of_the_training(tmp_path):
    with pytest.raises(OSError, match="cannot write .*prior: No space"), locked(tmp_path / "prior"):
        raise OSError(errno.ENOSPC, "No space left on device")
