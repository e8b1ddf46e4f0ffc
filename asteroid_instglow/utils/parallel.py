"""Runs independent tasks, one after the other or in several processes, with a progress bar."""

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

import torch
from tqdm import tqdm


def run_parallel(
    function: Callable[..., Any],
    tasks: Sequence[tuple],
    jobs: int = 1,
    name: str | None = None,
    unit: str = "track",
) -> Iterator[tuple[int, Any]]:
    """Yields (index of the task, ``function(*task)``) as tasks are done.

    When a task fails, those that have not begun do not begin.

    Args:
        function (Callable): A function of a module, so that a new process can import it.
        tasks (list[tuple]): Arguments, which can be pickled.
        jobs (int): Number of processes, of one thread each; with 1, or a single task, none is
            started. A script that asks for more needs the usual ``if __name__ == "__main__":``.
        name (str, optional): Label of a progress bar on stderr; None: no bar.
        unit (str): Unit of the bar.

    Yields:
        tuple: Index in ``tasks``, and the function's result.

    Examples:
        >>> dict(run_parallel(pow, [(2, 3), (3, 2)]))
        {0: 8, 1: 9}
    """
    with tqdm(total=len(tasks), desc=name, unit=unit, disable=name is None) as bar:
        if jobs == 1 or len(tasks) < 2:
            for number, task in enumerate(tasks):
                yield number, function(*task)
                bar.update()
            return
        # Spawned: a fork after torch has used its threads can hang.
        pool = ProcessPoolExecutor(
            max_workers=min(jobs, len(tasks)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
        )
        waiting = iter(enumerate(tasks))
        running: dict[Future, int] = {}
        try:
            while True:
                # Only as many as run at once: a pool cannot give back what it has taken.
                for number, task in itertools.islice(waiting, jobs - len(running)):
                    running[pool.submit(_run_task, function, task)] = number
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
                    bar.update()
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                os.kill(process.pid or 0, signal.SIGINT)
            raise
        finally:
            pool.shutdown(cancel_futures=True)


_is_running = False  # in a worker: whether there is a task to interrupt


def _start_worker() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(*_: object) -> None:
    # Once a task: its cleaning up is not interrupted, nor is a worker that has nothing to do.
    global _is_running
    if _is_running:
        _is_running = False
        raise KeyboardInterrupt


def _run_task(function: Callable[..., Any], task: tuple) -> Any:
    global _is_running
    _is_running = True
    try:
        return function(*task)
    finally:
        _is_running = False
