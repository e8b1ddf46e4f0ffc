"""benchmarks/separation.py on a second of audio, and the memory that a long separation takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "separation.py"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc"
)


def python(*arguments):
    command = [sys.executable, "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_default_is_measured_in_a_fresh_process(tmp_path):
    out = python(
        SCRIPT, "--lengths", 1, "--files", 1, "--no-paper", "--results", tmp_path / "cost.json"
    )

    results = json.loads((tmp_path / "cost.json").read_text())
    (row,) = results["default"]
    assert row["seconds"] == 1 and results["paper"] == []
    assert row["cpu_seconds"] > row["floor"] > 0 and row["wall_seconds"] > 0
    # A second of one channel, and of four stems, 22 050 Hz, 4 bytes.
    assert row["audio_mib"] == pytest.approx(5 * 22050 * 4 / 2**20, rel=1e-3)
    assert row["peak_mib"] >= row["loaded_mib"] > row["audio_mib"]
    (row,) = results["files"]
    assert row["peak_mib"] >= row["loaded_mib"] > 0 and row["cpu_seconds_per_second"] > 0
    assert "CPU s" in out and results["machine"]["threads"] == 1


def test_a_step_of_the_paper_is_counted(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import separation

    threads = torch.get_num_threads()
    try:
        row = separation.measure_paper(None, 1.0, "32", 2, 1)
    finally:
        torch.set_num_threads(threads)
    assert row["parameters_of_a_prior"] == 11_695_440
    # Nearly all weights are those of convolutions over 43 squeezed frames; a step goes there and
    # back, with four priors. Two thirds have a kernel of 5, which Winograd's algorithm does with
    # two fifths of the products.
    assert row["macs"] == pytest.approx(0.6 * 8 * 43 * 11_695_440, rel=0.08)
    assert row["cpu_seconds_a_step"] >= row["fastest_step"] > 0 and row["floor"] > 0


def test_what_a_search_costs_without_preparation(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import separation

    threads = torch.get_num_threads()
    try:
        row = separation.measure_plain(0.2, 2, 1)
    finally:
        torch.set_num_threads(threads)
    assert row["cpu_seconds_a_step"] >= row["fastest_step"] > 0
    assert row["peak_mib"] >= row["loaded_mib"]


LONG = """
import torch
from asteroid_instglow.options import SeparationOptions
from asteroid_instglow.adapter import Separator

class Parts(Separator):
    sources, sample_rate, options = ["a", "b", "c", "d"], 22050, SeparationOptions()
    def parameters(self): return iter(())
    buffers = parameters
    def _solve(self, wav, options, report): return wav.expand(4, *wav.shape) / 4
    def _sums_up(self, options): return True

def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

model = Parts()
model.torch_separate(torch.ones(1, 22050 * 60))
before = peak()
wav = torch.full((1, 22050 * 600), 1.5)
out = model.torch_separate(wav)
highest = peak()
assert (out - 0.375).abs().max() < 1e-6
print((highest - before - wav.nbytes - out.nbytes) / wav.nbytes)
"""


def test_memory_beyond_the_audio_does_not_grow():
    # In mixtures of ten minutes, loud ones, that are scaled: less than half of one.
    assert float(python("-c", LONG)) < 0.5
