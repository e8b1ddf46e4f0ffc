"""A training that is told to end, as `kill`, `timeout` and batch systems do."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch

STEPS = r"\d(step/s|s/step)"

SCRIPT = """
import sys
import time
from torch.utils.data._utils import signal_handling
from asteroid_instglow.training.prior import train_prior

# Workers that are slow to start: a signal finds them there.
set_handlers = signal_handling._set_worker_signal_handlers
signal_handling._set_worker_signal_handlers = lambda: (set_handlers(), time.sleep(1))

if __name__ == "__main__":
    data, output, devices, num_workers = sys.argv[1:]
    model = {"sample_rate": 4000, "n_fft": 32, "hop_length": 8, "n_blocks": 1, "hidden": 4}
    train_prior("tone", data, output, n_steps=10**7, batch_size=2, segment=0.1,
                model={**model, "n_layers": 1}, val_every=10**6, devices=int(devices),
                num_workers=int(num_workers), accelerator="cpu")
"""


@pytest.fixture
def start(tmp_path):
    """Starts a long training in a process group of its own; gives it once it has said so much."""
    (tmp_path / "tone").mkdir()
    for i in range(4):
        noise = 0.1 * np.random.default_rng(i).standard_normal(4000)
        soundfile.write(tmp_path / "tone" / f"{i}.wav", noise, 4000)
    script, said = tmp_path / "train.py", tmp_path / "said.txt"
    script.write_text(SCRIPT)
    processes = []

    def begin(devices, num_workers, told):
        output = tmp_path / f"prior-{devices}-{num_workers}"
        with said.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, script, tmp_path, output, str(devices), str(num_workers)],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        processes.append(process)
        deadline = time.monotonic() + 300
        while not re.search(told, said.read_text()):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return process, output, said

    yield begin
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def kill_group(process):
    os.killpg(process.pid, signal.SIGTERM)


def kill_group_twice(process):
    # What passes a signal on sends it once more.
    kill_group(process)
    process.terminate()


@pytest.mark.parametrize(
    "kill, devices, num_workers, told",
    [
        (subprocess.Popen.terminate, 1, 0, STEPS),
        # Its workers are of the group, too.
        (kill_group_twice, 1, 1, STEPS),
        (kill_group_twice, 1, 1, r"0/10000000 "),
        pytest.param(subprocess.Popen.terminate, 2, 0, STEPS, marks=pytest.mark.slow),
        pytest.param(kill_group, 2, 0, STEPS, marks=pytest.mark.slow),
    ],
    ids=["process", "group", "group, before the first step", "two processes", "their group"],
)
def test_checkpoint_exit_code_and_one_line(start, kill, devices, num_workers, told):
    process, output, said = start(devices, num_workers, told)
    kill(process)

    assert process.wait(timeout=60) == 143
    lines = [line for line in said.read_text().splitlines() if "SIGTERM" in line]
    step = torch.load(output / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert lines == [f"ended by SIGTERM at step {step}, to go on from there"]
    assert step > 0 and "Traceback" not in said.read_text()
    assert not (output / "model.safetensors").exists()
