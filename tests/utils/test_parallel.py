import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from asteroid_instglow.utils.parallel import run_parallel


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_answered_under_its_number(jobs):
    answers = dict(run_parallel(divmod, [(7, 2), (9, 3), (5, 4)], jobs))

    assert answers == {0: (3, 1), 1: (3, 0), 2: (1, 1)}


def test_new_processes_have_one_thread_each():
    # Built-in functions, because a new process could not import this file.
    assert dict(run_parallel(torch.get_num_threads, [(), ()], jobs=2)) == {0: 1, 1: 1}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_raised_after_what_was_done(jobs):
    found = run_parallel(divmod, [(1, 1), (1, 0)], jobs)

    with pytest.raises(ZeroDivisionError):
        list(found)


def test_a_bar_only_where_it_has_a_name(capsys):
    list(run_parallel(divmod, [(1, 1)]))
    assert capsys.readouterr() == ("", "")
    list(run_parallel(divmod, [(1, 1)], name="dividing", unit="pair"))
    out, err = capsys.readouterr()
    assert "dividing" in err and "1/1" in err and not out


def test_an_interrupt_ends_the_tasks_that_run_and_begins_no_other(tmp_path):
    code = """
import sys, time
from pathlib import Path
from asteroid_instglow.utils.parallel import run_parallel

def work(number):
    Path(sys.argv[1], f"begun{number}").touch()
    try:
        time.sleep(60)
    finally:
        Path(sys.argv[1], f"ended{number}").touch()

if __name__ == "__main__":
    list(run_parallel(work, [(n,) for n in range(4)], jobs=2))
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    command = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("begun*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        # As Ctrl-C in a terminal does: to all processes.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) != 0
    assert sorted(p.name for p in tmp_path.glob("*ed*")) == ["ended0", "ended1"]
    assert len(list(tmp_path.glob("begun*"))) == 2
