"""Data loaders that can resume at any batch and share a batch among processes."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset, Sampler

# Batch k is items k * batch_size onwards of one endless epoch, so that a position is one number.
ENDLESS = 2**31
ENDLESS_ITEMS = 2**16 * ENDLESS  # of a dataset that serves so many batches of any size


class StreamBatches(Sampler):
    """Endless batches: number k is items k * batch_size onwards, shared among the processes.

    Args:
        batch_size (int): Size over all processes.

    Attributes:
        start (int): Number of the first batch.
    """

    def __init__(self, batch_size: int):
        self.batch_size = batch_size
        self.start = 0

    def __iter__(self) -> Iterator[list[int]]:
        rank, n_ranks = _rank()
        share = self.batch_size // n_ranks
        for batch in range(self.start, ENDLESS):
            first = batch * self.batch_size + rank * share
            yield list(range(first, first + share))

    def __len__(self) -> int:
        return ENDLESS


class Shard(Sampler):
    """Every item once, shared among the processes.

    Args:
        n_items (int): Number over all processes.
    """

    def __init__(self, n_items: int):
        self.n_items = n_items

    def __iter__(self) -> Iterator[int]:
        return iter(self._mine())

    def __len__(self) -> int:
        return len(self._mine())

    def _mine(self) -> range:
        rank, n_ranks = _rank()
        return range(rank, self.n_items, n_ranks)


def stream_loader(dataset: Dataset, batch_size: int, num_workers: int = 0) -> DataLoader:
    """Makes this process's share of an endless training loader that can resume at any batch.

    Args:
        dataset (Dataset): Dataset whose item i depends on i alone, up to ``ENDLESS * batch_size``.
        batch_size (int): Size over all processes.
        num_workers (int): Number of processes that read.
    """
    return _Loader(
        dataset,
        batch_sampler=StreamBatches(batch_size),
        num_workers=num_workers,
        # Its own, for the global generator belongs to the steps.
        generator=torch.Generator(),
        worker_init_fn=_leave_the_group,
    )


def shard_loader(dataset: Dataset, batch_size: int) -> DataLoader:
    """Makes this process's share of a loader that walks through a dataset once."""
    sampler = Shard(len(dataset))  # type: ignore[arg-type]  # torch does not say Sized
    return DataLoader(dataset, batch_size, sampler=sampler, generator=torch.Generator())


class _Loader(DataLoader):
    # A signal to the group is for the training, which ends its workers once it needs them no more:
    # they leave the group, and SIGTERM waits until they have.
    def __iter__(self) -> Any:
        if not hasattr(os, "setpgrp"):
            return super().__iter__()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _leave_the_group(worker: int) -> None:
    if hasattr(os, "setpgrp"):
        os.setpgrp()
        # Ignoring a signal drops the one that waits.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _rank() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
