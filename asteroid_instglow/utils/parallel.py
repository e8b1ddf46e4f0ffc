"""Independent tasks, one after the other or in several processes, with a bar."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch
from tqdm import tqdm


def run_parallel(function, tasks, jobs=1, name=None, unit="track"):
    """Yields (number of the task, ``function(*task)``) as tasks are done.

    When a task fails, those that have not begun do not begin.

    Args:
        function (Callable): Of a module, so that a new process finds it.
        tasks (list[tuple]): Arguments, which can be pickled.
        jobs (int): Processes, of one thread each; with 1, or a single task, there is no new one. A
            script that asks for more needs the usual ``if __name__ == "__main__":``.
        name (str, optional): On a bar on stderr; None for no bar.
        unit (str): What the bar counts.

    Yields:
        tuple: Index in ``tasks``, and what the function returned.

    Examples
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
            initializer=torch.set_num_threads,
            initargs=(1,),
        )
        try:
            futures = {pool.submit(function, *task): number for number, task in enumerate(tasks)}
            for future in as_completed(futures):
                yield futures[future], future.result()
                bar.update()
        finally:
            pool.shutdown(cancel_futures=True)
