"""Tests that freed memory is kept where the C library can, and that nothing breaks elsewhere."""

import ctypes
import platform
import subprocess
import sys

import pytest

from asteroid_instglow.utils.memory import keep_freed_memory

COUNT = """
import resource, torch
from asteroid_instglow.utils.memory import keep_freed_memory
kept = {keep} and keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**24)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_blocks_are_used_again():
    faults = []
    for keep in (False, True):
        code = [sys.executable, "-c", COUNT.format(keep=keep)]
        kept, count = subprocess.run(
            code, capture_output=True, text=True, check=True
        ).stdout.split()
        assert kept == str(keep)
        faults.append(int(count))
    assert faults[1] < faults[0] / 10, faults


@pytest.mark.parametrize("error", [OSError, AttributeError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert not keep_freed_memory()
