"""Training of a prior from folders of solo recordings: one call, one folder, resumable."""

import logging
import time
from pathlib import Path

import torch

from ..data import SoloDataset, as_folders, find_by_source, validation_split
from ..prior import GlowPrior
from ..utils.checks import check_above_zero, check_one_of, check_whole
from ..utils.precision import PRECISIONS
from ..weights.folder import CONFIG
from .callbacks import Stop
from .fitting import (
    ENDLESS,
    checkpoint_to_resume,
    fit,
    shard_loader,
    stream_loader,
    trained_weights,
)
from .processes import run_processes
from .record import PRIOR_RECORD, outcome, write_record
from .system import PriorSystem, paper_optimizer

logger = logging.getLogger(__name__)


def train_prior(
    source,
    data,
    output,
    n_steps=20_000,
    batch_size=8,
    segment=2.0,
    lr=1e-4,
    validation_data=None,
    val_every=200,
    seed=0,
    precision="32",
    ema=None,
    resume=True,
    devices=1,
    num_workers=0,
    progress=True,
    time_limit=None,
    model=None,
    accelerator="auto",
    keep="best",
    checkpoint_minutes=5.0,
    gain_db=(0.0, 0.0),
    init_pieces=64,
):
    """Trains the prior of one source as the paper does, and exports it to a folder.

    The folder gets ``config.json`` and ``model.safetensors`` (for
    :meth:`GlowPrior.from_pretrained`), ``training.json`` (what was done, with what, how well),
    ``checkpoints/`` (``last.ckpt``, ``best.ckpt``) and ``logs/`` (TensorBoard). Called again, a run
    that was stopped goes on where it stopped, bit for bit; with a larger ``n_steps`` a finished one
    goes on, too. Ctrl-C finishes the step, writes a checkpoint and raises
    KeyboardInterrupt; SIGTERM does the same and ends the program with exit code 143.

    Args:
        source (str): Name of the source, "bass" say.
        data (str, Path or list of them): Folders of solo recordings, see :func:`find_solos`.
        output (str | Path): Folder of the prior, made if need be.
        n_steps (int): Batches in all.
        batch_size (int): Pieces of a batch, over all devices.
        segment (float): Length of a piece, seconds.
        lr (float): Adam's learning rate; x 0.3 every 80 000 steps.
        validation_data (str, Path or list of them, optional): As ``data``; by default a tenth of
            the recordings is set aside.
        val_every (int): Steps between validations; there is one at the start and at the end, too.
        seed (int): Of the weights, the pieces and the dropout.
        precision (str): "32" or "bf16-mixed".
        ema (float, optional): Decay of an average of the weights to validate and export, 0.999 say.
        resume (bool): Go on from ``output``; False starts anew and replaces what is there.
        devices (int): Processes (CPU) or GPUs; several start processes, so that a script needs
            its ``if __name__ == "__main__"``.
        num_workers (int): Processes that read data; 0 reads between the steps.
        progress (bool): Whether to show bars on stderr.
        time_limit (float, optional): Minutes after which to stop, validate and export.
        model (dict | GlowPrior, optional): Arguments of :class:`GlowPrior`, or a prior to train on.
        accelerator (str): "auto", "cpu", "gpu", ...: as Lightning's.
        keep (str): Export the weights of the "best" validation, or the "last".
        checkpoint_minutes (float): Between checkpoints.
        gain_db (tuple): Range of a random gain on the pieces, dB.
        init_pieces (int): Pieces that the flow is initialised from, see :class:`PriorSystem`.

    Returns:
        dict: The content of ``training.json``: "source", "steps", "finished", "nll_before",
        "nll_after" (of what was exported) and "nll_last" (validation, nats/dim), "best_step",
        "skipped" (batches), "seconds" (of this call), "arguments", "data", "history", "hardware",
        "versions".

    Raises:
        FileNotFoundError: If a folder of recordings does not exist.
        ValueError: If an argument is out of range, there are no recordings, or the run to resume
            was made with other arguments.
        RuntimeError: If the loss does not stay finite.

    Examples
        >>> train_prior("bass", "musdb18hq/train", "priors/bass")  # doctest: +SKIP
    """
    for name, value, least in [
        ("n_steps", n_steps, 1),
        ("batch_size", batch_size, 1),
        ("val_every", val_every, 1),
        ("devices", devices, 1),
        ("seed", seed, 0),
        ("num_workers", num_workers, 0),
        ("init_pieces", init_pieces, 1),
    ]:
        check_whole(name, value, least)
    check_above_zero("lr", lr)
    check_above_zero("checkpoint_minutes", checkpoint_minutes)
    check_one_of("precision", precision, PRECISIONS)
    check_one_of("keep", keep, ("best", "last"))
    if batch_size % devices:
        raise ValueError(f"batch_size must be a multiple of devices = {devices}, got {batch_size}")
    output, started = Path(output), time.monotonic()
    # The caller's random numbers are left alone.
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        if not isinstance(model, GlowPrior):
            model = GlowPrior(**{**(model or {}), "source": source})
        elif model.source != source:
            raise ValueError(f"model must be a prior of {source!r}, got one of {model.source!r}")
        arguments = {
            "source": source,
            "batch_size": batch_size,
            "segment": float(segment),
            "lr": float(lr),
            "seed": seed,
            "ema": ema,
            "precision": precision,
            "gain_db": [float(bound) for bound in gain_db],
            "init_pieces": init_pieces,
            "model": model.get_model_args(),
        }
        options = {
            "n_steps": n_steps,
            "val_every": val_every,
            "seed": seed,
            "ema": ema,
            "resume_from": checkpoint_to_resume(output, resume, arguments),
            "precision": precision,
            "devices": devices,
            "accelerator": accelerator,
            "checkpoint_minutes": checkpoint_minutes,
            "time_limit": time_limit,
            "bar": source if progress else None,
        }
        job = (arguments, data, validation_data, num_workers, progress, output, options)
        if devices == 1:
            _fit_prior(None, model, *job)
        else:
            # What is missing is said here, not by each process.
            find_by_source([source], data)
            weights = model.state_dict()
            with Stop(n_steps) as stop:
                run_processes(_fit_prior, devices, weights, *job, stop=stop)
            stop.raise_for_signal()
    model.load_state_dict(trained_weights(output, keep))
    _with_its_encoder(model.eval(), output, resume).save_pretrained(output)
    arguments = {**arguments, "n_steps": n_steps, "val_every": val_every, "keep": keep}
    record = {
        "source": source,
        **outcome(output, n_steps, keep),
        "seconds": round(time.monotonic() - started, 1),
        "arguments": {**arguments, "devices": devices},
    }
    return write_record(output / PRIOR_RECORD, record)


def _fit_prior(
    environment, model, arguments, data, validation_data, num_workers, progress, output, options
):
    # In a process of its own the weights come instead of the model.
    if not isinstance(model, GlowPrior):
        weights, model = model, GlowPrior(**arguments["model"])
        model.load_state_dict(weights)
    batch_size, devices = arguments["batch_size"], options["devices"]
    if environment is not None and environment.global_rank() > 0:
        progress = False
    train, validation = _datasets(model, data, validation_data, arguments, progress)
    optimizer, scheduler = paper_optimizer(model, arguments["lr"])
    system = PriorSystem(
        model,
        optimizer,
        stream_loader(train, batch_size, num_workers),
        shard_loader(validation, batch_size // devices),
        scheduler,
        config={
            **arguments,
            "data": {
                "train": _describe(data, train),
                "validation": _describe(validation_data or data, validation),
            },
        },
        init_pieces=arguments["init_pieces"],
    )
    fit(system, output, environment=environment, **options)


def _datasets(model, data, validation_data, arguments, progress):
    files = find_by_source([model.source], data)[model.source]
    if validation_data is None:
        files, validation_files = validation_split(files, seed=arguments["seed"])
    else:
        validation_files = find_by_source([model.source], validation_data)[model.source]
    common = {
        "segment": arguments["segment"],
        "sample_rate": int(model.sample_rate),
        "seed": arguments["seed"],
        "progress": progress,
    }
    n_items = 2**16 * ENDLESS
    train = SoloDataset(files=files, n_items=n_items, gain_db=arguments["gain_db"], **common)
    return train, SoloDataset(files=validation_files, random=False, **common)


def _with_its_encoder(model, output, resume):
    # An encoder that was trained since stays with the prior: the flow is none of its business.
    if not resume or not (output / CONFIG).is_file():
        return model
    try:
        before = GlowPrior.from_pretrained(output)
    except (OSError, ValueError) as error:
        logger.warning("the prior in %s is broken and is written anew: %s", output, error)
        return model
    flow, flow_before = model.get_model_args(), before.get_model_args()
    encoder = flow.pop("encoder"), flow_before.pop("encoder")
    if encoder[0] is not None or encoder[1] is None or flow != flow_before:
        return model
    before.flow.load_state_dict(model.flow.state_dict())
    return before


def _describe(roots, dataset):
    recordings = dataset.recordings
    return {
        "roots": [str(root) for root in as_folders(roots)],
        "recordings": len(recordings),
        "seconds": round(recordings.seconds, 1),
    }
