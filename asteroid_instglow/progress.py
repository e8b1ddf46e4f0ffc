"""Progress of a separation: a bar for people, a callback for programs."""

from tqdm import tqdm


class SeparationProgress:
    """Counts pieces and iterations; as a context manager it closes its bar.

    Args:
        progress (bool | Callable | None): True shows a bar on stderr; a callable gets
            (iteration, loss) and stops the search of the piece by returning True.
    """

    def __init__(self, progress=None):
        if progress is not None and not isinstance(progress, bool) and not callable(progress):
            raise TypeError(f"progress must be True, False or callable, got {progress!r}")
        self._callback = progress if callable(progress) else None
        self._show = progress is True
        self._bar = None
        self._done = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.close()

    def start(self, n_pieces, n_iter=1):
        """Says how much there is to do."""
        self._n_iter = n_iter
        if self._show:
            self._bar = tqdm(total=n_pieces * n_iter, desc="separating", leave=False)

    def step(self, iteration, loss):
        """Called after each iteration; True asks the search to stop."""
        if self._bar is not None and iteration < self._n_iter:
            self._bar.set_postfix(loss=f"{loss:.4g}", refresh=iteration == 1)
            self._bar.update()
        return bool(self._callback and self._callback(iteration, loss))

    def next_piece(self):
        """Called when a piece is done, also one whose search stopped early."""
        self._done += self._n_iter
        if self._bar is not None:
            self._bar.update(self._done - self._bar.n)
