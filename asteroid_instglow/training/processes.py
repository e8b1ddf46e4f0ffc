"""Several processes for one training: they start with it and end with it."""

import signal
import socket

import torch
from pytorch_lightning.plugins.environments import ClusterEnvironment
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from .callbacks import Terminated


def run_processes(function, n_processes, *args, stop):
    """Calls ``function(environment, *args)`` in new processes and waits for all of them.

    Lightning's own ways do not serve here: one pickles the model, which weight norm forbids, the
    other runs the whole calling program again.

    Args:
        function (Callable): Of a module, so that a new process finds it.
        n_processes (int): How many.
        *args: Anything that can be pickled.
        stop (Stop): Which catches signals here; SIGTERM is passed on, Ctrl-C they all get.

    Raises:
        RuntimeError: If a process fails; the others are ended.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = max(1, torch.get_num_threads() // n_processes)
    context = torch.multiprocessing.spawn(
        _start, (n_processes, port, threads, function, args), nprocs=n_processes, join=False
    )
    told = False
    try:
        while not context.join(timeout=0.5):
            if stop.received == signal.SIGTERM and not told:
                told = True
                for process in context.processes:
                    process.terminate()
    except (ProcessRaisedException, ProcessExitedException) as error:
        if stop.received == signal.SIGTERM:
            # One that had not begun, or had ended already.
            return
        reason = str(error).strip().splitlines()[-1]
        raise RuntimeError(f"a training process failed: {reason}") from error


class LocalProcesses(ClusterEnvironment):
    """Tells Lightning about processes that :func:`run_processes` started.

    Args:
        rank (int): Of this process.
        n_processes (int): How many there are.
        port (int): Where they meet.
    """

    def __init__(self, rank, n_processes, port):
        super().__init__()
        self._rank = rank
        self._n_processes = n_processes
        self._port = port

    @property
    def creates_processes_externally(self):
        """They are there."""
        return True

    @property
    def main_address(self):
        """This machine."""
        return "127.0.0.1"

    @property
    def main_port(self):
        """Where the processes meet."""
        return self._port

    @staticmethod
    def detect():
        """Never chosen by itself."""
        return False

    def world_size(self):
        """Number of processes."""
        return self._n_processes

    def set_world_size(self, size):
        """Is known."""

    def global_rank(self):
        """Rank of this process."""
        return self._rank

    def set_global_rank(self, rank):
        """Is known."""

    def local_rank(self):
        """Rank on the only machine."""
        return self._rank

    def node_rank(self):
        """The only machine."""
        return 0


def _start(rank, n_processes, port, threads, function, args):
    torch.set_num_threads(threads)
    try:
        function(LocalProcesses(rank, n_processes, port), *args)
    except Terminated:
        # The calling process ends the program, as after Ctrl-C; what it passes on came here before.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
