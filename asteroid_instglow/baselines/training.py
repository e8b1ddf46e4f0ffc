"""Training of any baseline: one call, one folder, resumable."""

import time
from pathlib import Path

import torch

from ..training.checkpoints import locked
from ..training.record import PRIOR_RECORD, write_record
from .runs import Run, find_files
from .systems import system_class


def train_baseline(
    name,
    data,
    output,
    sources=None,
    n_steps=None,
    batch_size=None,
    segment=None,
    lr=None,
    validation_data=None,
    val_every=None,
    seed=0,
    resume=True,
    precision="32",
    num_workers=0,
    progress=True,
    time_limit=None,
    model=None,
    accelerator="auto",
    checkpoint_minutes=5.0,
):
    """Trains a system and saves it, with ``training.json``: what was done, on what, how well.

    Called again, a run that was stopped goes on where it stopped.

    Args:
        name (str): Of :data:`~asteroid_instglow.baselines.SYSTEMS`.
        data (str, Path or list of them): Folders with the solos of all sources, see
            :func:`~asteroid_instglow.data.find_solos`. The supervised systems are trained on random
            mixtures of them, and on real ones where a folder holds all stems of a song.
        output (str | Path): Folder of the model, made if need be.
        sources (list[str], optional): Names, in the order of the output; by default all in
            ``data``.
        n_steps (int, optional): Batches (of NMF: iterations) in all. This, ``batch_size``,
            ``segment`` (seconds) and ``lr`` are the class's ``defaults`` if not given.
        batch_size, segment, lr: See there.
        validation_data (str, Path or list of them, optional): As ``data``; by default a tenth of
            the recordings of each source is set aside.
        val_every (int, optional): Steps between validations; by default a tenth of ``n_steps``.
        seed (int): Of the weights and the data.
        resume (bool): Go on from ``output``; False starts anew.
        precision (str): "32" or "bf16-mixed".
        num_workers (int): Processes that read data.
        progress (bool): Whether to show bars on stderr.
        time_limit (float, optional): Minutes after which to stop and save.
        model (dict, optional): Arguments of the constructor that differ from the authors'.
        accelerator (str): "auto", "cpu", "gpu", ...: as Lightning's.
        checkpoint_minutes (float): Between checkpoints.

    Returns:
        dict: The content of ``training.json``: "system", "kind", "sources", "parameters", "steps",
        "finished", "seconds" and "cpu_seconds" (of this call), "arguments", "hardware", "versions",
        and losses before and after with their history (one record a source in "priors" where each
        has a model of its own).

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range, there are no recordings, or the run to resume
            was made with other arguments.
        RuntimeError: If a package of the extra [baselines] is missing, or the loss is not finite.

    Examples
        >>> train_baseline("nmf", "minislakh/train", "exp/nmf")  # doctest: +SKIP
    """
    cls = system_class(name)
    output, started, cpu = Path(output), time.monotonic(), time.process_time()
    given = {"n_steps": n_steps, "batch_size": batch_size, "segment": segment, "lr": lr}
    given = {**cls.defaults, **{n: v for n, v in given.items() if v is not None}}
    files, held_out = find_files(data, sources, validation_data, seed)
    given.setdefault("n_steps", 1)
    # The caller's random numbers are left alone.
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        args = cls(**{**(model or {}), "sources": list(files)}).get_model_args()
        run = Run(
            files,
            held_out,
            output,
            args,
            val_every=max(1, given["n_steps"] // 10) if val_every is None else val_every,
            seed=seed,
            resume=resume,
            precision=precision,
            num_workers=num_workers,
            progress=progress,
            time_limit=time_limit,
            accelerator=accelerator,
            checkpoint_minutes=checkpoint_minutes,
            **given,
        )
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
