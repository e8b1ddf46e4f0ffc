"""Training of any baseline: one call, one folder, resumable."""

import time
from pathlib import Path
from typing import Any

import torch

from ..data import Data, as_folders, list_sources, split_by_source
from ..options import check_option_names
from ..training.checkpoints import locked
from ..training.options import TrainingOptions
from ..training.record import PRIOR_RECORD, write_record
from .runs import Run
from .systems import TRAINING_OPTIONS, system_class


def train_baseline(
    name: str,
    data: Data,
    output: str | Path,
    sources: list[str] | None = None,
    model: dict[str, Any] | None = None,
    **options: Any,
) -> dict:
    """Trains a system, or resumes its training, and saves it with ``training.json``.

    Args:
        name (str): Key of :data:`~asteroid_instglow.baselines.SYSTEMS`.
        data (str, Path or list of them): Folders with the solos of all sources, see
            :func:`~asteroid_instglow.data.find_solos`. The supervised systems are trained on random
            mixtures of them, and on real ones where a folder holds all stems of a song.
        output (str | Path): Folder of the model; it is created if it does not exist.
        sources (list[str], optional): Names, in the order of the output; by default all in
            ``data``.
        model (dict, optional): Arguments of the constructor that differ from the authors'.
        **options: Those of :class:`~asteroid_instglow.training.TrainingOptions` that are in
            ``TRAINING_OPTIONS``. If not given or None, "n_steps" (for NMF: iterations),
            "batch_size", "segment" and "lr" are the class's ``defaults``. "time_limit" is that of
            all sources together.

    Returns:
        dict: The content of ``training.json``: "system", "kind", "sources", "parameters", "steps",
        "finished", "seconds" and "cpu_seconds" (of this call), "arguments", "hardware", "versions",
        and losses before and after with their history (one record per source in "priors" where each
        has its own model).

    Raises:
        FileNotFoundError: If a folder does not exist.
        TypeError: If there is no such option.
        ValueError: If an argument is out of range, there are no recordings, or the run to resume
            was made with other arguments.
        ModuleNotFoundError: If a package of the extra [baselines] is missing.
        RuntimeError: If the loss is not finite.

    Examples:
        >>> record = train_baseline("irm", "solos", "exp/irm", validation_data="solos")
        >>> record["kind"]
        'oracle'
    """
    cls = system_class(name)
    output, started, cpu = Path(output), time.monotonic(), time.process_time()
    check_option_names(options, TRAINING_OPTIONS)
    given = {option: value for option, value in options.items() if value is not None}
    chosen = TrainingOptions(**{**cls.defaults, **given})
    sources = sources or list_sources(data)
    if not sources:
        raise ValueError(f"data must hold recordings, got none in {as_folders(data)}")
    files, held_out = split_by_source(sources, data, chosen.validation_data, chosen.seed)
    # The caller's random state is restored.
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(chosen.seed)
        args = cls(**{**(model or {}), "sources": list(files)}).get_model_args()
        run = Run(files, held_out, output, args, chosen)
        with locked(output):
            trained, done = cls.fit(run)
    trained.eval().save_pretrained(output)
    record = {
        "system": name,
        "kind": cls.kind,
        "sources": trained.sources,
        "parameters": trained.n_parameters,
        **done,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "arguments": run.arguments,
    }
    return write_record(output / PRIOR_RECORD, record)
