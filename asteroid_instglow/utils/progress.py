"""Shows the progress of a separation: a bar for people, a callback for programs."""

import math
from collections.abc import Callable
from typing import Any

from tqdm import tqdm


class SeparationProgress:
    """Counts pieces and iterations of a search; a context manager, which closes the bar.

    Args:
        progress (bool | Callable, optional): True shows a bar on stderr. A callable gets
            (iteration, loss) after each iteration of a search, or step of learning, and stops that
            by returning True. Solvers without a search call it after each piece, with the number
            of pieces that are done and NaN.

    Attributes:
        fraction (float): Part of the work that is done, 0 to 1.
        name (str): What is being done.
        evidence (Evidence, optional): Gathers what the errors are guessed from, if they are wanted,
            see :mod:`~asteroid_instglow.uncertainty.evidence`.
        estimates (KeptEstimates, optional): Keeps the solver's estimates, or returns kept ones, see
            :mod:`~asteroid_instglow.utils.kept`.
        is_result_used (bool): False if only the evidence and the estimates are wanted.

    Examples:
        >>> progress = SeparationProgress(lambda iteration, loss: print(progress.fraction))
        >>> progress.start(n_pieces=2)
        >>> progress.next_piece()
        0.5
    """

    def __init__(self, progress: bool | Callable | None = None):
        if progress is not None and not isinstance(progress, bool) and not callable(progress):
            raise TypeError(f"progress must be True, False or callable, got {progress!r}")
        self._callback = progress if callable(progress) else None
        self._show = progress is True
        self._bar = None
        self._pieces = 0
        self.fraction, self.name = 0.0, ""
        self.evidence: Any = None
        self.estimates: Any = None
        self.is_result_used = True

    def __enter__(self) -> "SeparationProgress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, n_pieces: int, n_iter: int = 0, name: str = "separating") -> None:
        """Sets the number of pieces, of iterations in each (0: no search), and the bar's name."""
        self._n_pieces, self._n_iter, self._pieces = n_pieces, n_iter, 0
        self.fraction, self.name = 0.0, name
        if self._bar is not None:
            self._bar.close()
        if self._show:
            self._bar = tqdm(total=n_pieces * (n_iter or 1), desc=name, leave=False)

    def step(self, iteration: int, loss: float) -> bool:
        """Reports an iteration of the search; returns True if the search is to stop."""
        self.fraction = (self._pieces + min(1, iteration / self._n_iter)) / self._n_pieces
        if self._bar is not None and iteration < self._n_iter:
            self._bar.set_postfix(loss=f"{loss:.4g}", refresh=iteration == 1)
            self._bar.update()
        return bool(self._callback and self._callback(iteration, loss))

    def next_piece(self) -> None:
        """Reports that a piece is done, also one whose search stopped early."""
        self._pieces += 1
        self.fraction = self._pieces / self._n_pieces
        if self._bar is not None:
            self._bar.update(self._pieces * (self._n_iter or 1) - self._bar.n)
        if self._callback and not self._n_iter:
            self._callback(self._pieces, math.nan)


def as_progress(progress: bool | Callable | SeparationProgress | None) -> SeparationProgress:
    """Returns ``progress`` itself, or a :class:`SeparationProgress` made from it."""
    return progress if isinstance(progress, SeparationProgress) else SeparationProgress(progress)
