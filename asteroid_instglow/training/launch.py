"""Runs of several processes: how they were started, and what only the first of them does."""

from collections.abc import Callable

import torch.distributed as dist
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from .options import TrainingOptions


def environment(options: TrainingOptions) -> ClusterEnvironment | None:
    """Returns how the processes of a run were started; None if this one starts them itself.

    Args:
        options (TrainingOptions): With ``devices`` and ``num_nodes``.

    Returns:
        ClusterEnvironment: That of torchrun or SLURM.

    Raises:
        ValueError: If several machines are wanted, and neither started this process.
    """
    if options.n_processes == 1:
        return None
    for kind in (TorchElasticEnvironment, SLURMEnvironment):
        if kind.detect():
            return kind()
    if options.num_nodes > 1:
        raise ValueError(
            f"num_nodes must be 1 unless SLURM or torchrun starts the program on each machine, got "
            f"{options.num_nodes}"
        )
    return None


def is_first(options: TrainingOptions) -> bool:
    """Returns True in the process that locks the folder and writes to it."""
    place = environment(options)
    return place is None or place.node_rank() == place.local_rank() == 0


def write_once(options: TrainingOptions, write: Callable[[], object]) -> None:
    """Calls a function in the first process; the others wait until it is done."""
    if is_first(options):
        write()
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
