"""Keeps the encoders' estimates of a long recording in a temporary file, to use them again."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .files import naming, nearest_folder


class KeptEstimates:
    """Keeps estimates one after the other, and gives those of some sources back in that order.

    The file has no name, so that nothing is left of it if the process is killed. A context manager,
    which closes it.

    Args:
        folder (Path): Where the file takes its space, or the folder above that exists.

    Examples:
        >>> with KeptEstimates(Path("songs")) as kept:
        ...     kept.keep(torch.tensor([1 + 2j, 3 + 4j]).view(2, 1, 1, 1))
        ...     kept.give_back([1])
        ...     kept.next().flatten()
        tensor([3.+4.j])
    """

    def __init__(self, folder: Path):
        self._folder = nearest_folder(folder)
        self._file: Any = None
        self._shapes: list[tuple[int, ...]] = []
        self._indices: list[int] | None = None

    def __enter__(self) -> "KeptEstimates":
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def is_complete(self) -> bool:
        """Whether :meth:`give_back` was called."""
        return self._indices is not None

    def keep(self, estimates: torch.Tensor) -> None:
        """Appends estimates, complex (..., n_src, n, n_freq, n_frames)."""
        with naming(self._folder):
            self._file = self._file or tempfile.TemporaryFile(dir=self._folder)
            self._file.write(np.ascontiguousarray(estimates.cpu().to(torch.complex64).numpy()))
        self._shapes.append(tuple(estimates.shape))

    def give_back(self, indices: Sequence[int]) -> None:
        """Starts to give back the estimates of these sources."""
        self._indices = list(indices)
        if self._file is not None:
            self._file.seek(0)

    def next(self) -> torch.Tensor:
        """Returns the next estimates, of the sources that were asked for."""
        estimates = np.empty(self._shapes.pop(0), dtype=np.complex64)
        self._file.readinto(estimates)
        return torch.from_numpy(estimates)[..., self._indices, :, :, :]
