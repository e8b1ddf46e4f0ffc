"""Lets a separator learn the sounds of an album, or of any recordings, without their stems."""

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..audio.reading import check_file
from ..encoder.adaptation import adapt_encoders
from ..inference import open_mixture
from ..options import ALBUM_STEPS
from ..separator import N_EXCERPTS, GenerativeSeparator
from ..utils.checks import check_whole
from ..utils.progress import SeparationProgress, as_progress
from ..weights.card import Card

MOST_EXCERPTS = 60  # of all recordings together


def adapt_separator(
    separator: GenerativeSeparator,
    recordings: Sequence[str | Path],
    steps: int = ALBUM_STEPS,
    *,
    progress: bool | Callable | SeparationProgress | None = None,
    **options: Any,
) -> GenerativeSeparator:
    """Trains the encoders of a separator on recordings, see :mod:`~.encoder.adaptation`.

    What :meth:`~GenerativeSeparator.separate` with ``adapt`` does for a song each time, this does
    once for many: an hour of music is read in excerpts, 20 minutes at most.

    Args:
        separator (GenerativeSeparator): Stays as it is. All its priors need an encoder.
        recordings (Sequence[str | Path]): Files like those that are to be separated, best these.
        steps (int): Steps of training, one or more; each takes some seconds of a core.
        progress: As for :meth:`~GenerativeSeparator.torch_separate`.
        **options: Of :class:`~asteroid_instglow.SeparationOptions`, such as seed.

    Returns:
        GenerativeSeparator: A new one, with the options that ``separator`` has.

    Raises:
        FileNotFoundError: If a recording is not there.
        ValueError: If it is no audio, an option is out of range, or a prior has no encoder.
    """
    if isinstance(recordings, (str, Path)) or not recordings:
        raise ValueError(f"recordings must be a list of files, at least one, got {recordings!r}")
    check_whole("steps", steps, 1, 10**6)
    chosen = separator.resolved(separator.options.updated({**options, "adapt": steps}))
    paths = [check_file(path) for path in recordings]
    if len(paths) > MOST_EXCERPTS:
        paths = random.Random(chosen.seed).sample(paths, MOST_EXCERPTS)
    n_each = min(N_EXCERPTS, MOST_EXCERPTS // len(paths))
    found = []
    with as_progress(progress) as report:
        report.start(len(paths), name="listening")
        for path in paths:
            with open_mixture(path) as mixture:
                found.append(separator.estimated_sources(mixture, n_each, **options))
            report.next_piece()
        model = copy.deepcopy(separator)
        report.start(1, steps, "learning")
        adapt_encoders(model.priors, found, chosen, report)
    # The scores of the card were those of other weights.
    card, entry = model.card or Card(), f"{steps} steps on {len(paths)} recordings without stems"
    training = {**card.training, "adaptation": entry}
    model.card = replace(card, training=training, results={}, results_on="")
    return model
