"""Trains the flow of a prior on folders of solo recordings: one call, one folder, resumable."""

import copy
import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..data import Data, SoloDataset, as_folders, data_digest, split_by_source
from ..data.recordings import can_be_heard
from ..encoder.base import ENCODERS
from ..prior import GlowPrior
from ..utils.files import write_json
from ..weights.config import CONFIG
from .checkpoints import checkpoint_to_resume, locked, trained_weights
from .launch import is_first, write_once
from .loaders import ENDLESS_ITEMS
from .options import PriorOptions, make_options
from .pace import steps_that_fit
from .prior_system import PriorSystem, paper_optimizer
from .record import PRIOR_RECORD, complete_record, outcome
from .trainer import fit, make_system

logger = logging.getLogger(__name__)


def train_prior(
    source: str,
    data: Data,
    output: str | Path,
    options: PriorOptions | None = None,
    *,
    model: dict | GlowPrior | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Trains the flow of one source's prior as the paper does, and exports it to a folder.

    The folder gets ``config.json`` and ``model.safetensors`` (for
    :meth:`GlowPrior.from_pretrained`), ``training.json`` (what was done, with what, how well),
    ``checkpoints/`` (``last.ckpt``, ``best.ckpt``) and ``logs/`` (TensorBoard). Called again, a run
    that was stopped goes on where it stopped, bit for bit; with a larger ``n_steps`` a finished one
    goes on, too. Ctrl-C finishes the step, writes a checkpoint and raises KeyboardInterrupt;
    SIGTERM does the same and ends the program with exit code 143.

    Args:
        source (str): Name of the source, "bass" say.
        data: Folders of solo recordings: a path, several, or a dict of paths to weights, see
            :func:`~asteroid_instglow.data.as_folders`.
        output (str | Path): Folder of the prior; it is created if it does not exist.
        options (PriorOptions, optional): How to train.
        model (dict | GlowPrior, optional): Arguments of :class:`GlowPrior`, or a prior to train on.
        **changes: Fields of :class:`PriorOptions` that differ from ``options``, ``n_steps=600``.

    Returns:
        dict: The content of ``training.json``: "source", "steps", "finished", "nll_before",
        "nll_after" (of what was exported) and "nll_last" (validation, nats/dim), "best_step",
        "skipped" (batches), "seconds" (of this call), "arguments", "data", "history", "hardware",
        "versions".

    Raises:
        FileNotFoundError: If a folder of recordings does not exist.
        ValueError: If an argument is out of range, there are no recordings, another training runs
            in the folder, or the run to resume was made with other arguments or recordings.
        RuntimeError: If the loss does not stay finite.

    Examples:
        .. code-block:: python

            train_prior("bass", "musdb18hq/train", "priors/bass")
    """
    options = make_options(PriorOptions, options, changes)
    output, started = Path(output), time.monotonic()
    # The caller's random numbers are left alone.
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(options.seed)
        if not isinstance(model, GlowPrior):
            model = GlowPrior(**{**(model or {}), "source": source})
        elif model.source != source:
            raise ValueError(f"model must be a prior of {source!r}, got one of {model.source!r}")
        is_usable = partial(
            can_be_heard, sample_rate=int(model.sample_rate), segment=options.segment
        )
        files, held_out = split_by_source(
            [source], data, options.validation_data, options.seed, is_usable
        )
        with locked(output, is_first(options)):
            digest = data_digest({**files, "validation": held_out[source]})
            # The number of steps may grow, and what is exported may change.
            decisive = {"source": source, **options.recorded(), "model": model.get_model_args()}
            for name in ("n_steps", "val_every", "keep"):
                del decisive[name]
            checkpoint = checkpoint_to_resume(output, options, decisive, digest)
            train, validation = _datasets(model, files[source], held_out[source], options)
            options = steps_that_fit(
                options,
                output,
                lambda: _make_system(copy.deepcopy(model), train, validation, options, {}),
                started,
            )
            held_out_from = options.validation_data or data
            described = {"train": _describe(data, train)}
            described["validation"] = _describe(held_out_from, validation)
            config = {**decisive, "n_steps": options.n_steps, "data_digest": digest}
            config["data"] = described
            system = _make_system(model, train, validation, options, config)
            fit(system, output, options, checkpoint, name=source)
            model.load_state_dict(trained_weights(output, options.keep))
            record = {
                "source": source,
                **outcome(output, options.n_steps, options.keep, loss="nll"),
                "seconds": round(time.monotonic() - started, 1),
                "arguments": {
                    "source": source,
                    **options.recorded(),
                    "model": decisive["model"],
                    "devices": options.devices,
                },
            }
            record = complete_record(record)

            def write() -> None:
                _with_its_encoder(model.eval(), output, options.resume).save_pretrained(output)
                write_json(output / PRIOR_RECORD, record, indent=2)

            write_once(options, write)
            return record


def _make_system(model: GlowPrior, *parts: Any) -> PriorSystem:
    options: PriorOptions = parts[2]
    optimizing = paper_optimizer(model, options.lr)
    rebuild, pieces = (_make_system, _build, model.get_model_args()), options.init_pieces
    return make_system(PriorSystem, model, optimizing, parts, rebuild, init_pieces=pieces)


def _build(model_args: dict[str, Any]) -> GlowPrior:
    return GlowPrior(**model_args)


def _datasets(
    model: GlowPrior, files: list, held_out: list, options: PriorOptions
) -> tuple[SoloDataset, SoloDataset]:
    common: dict[str, Any] = {
        "segment": options.segment,
        "sample_rate": int(model.sample_rate),
        "seed": options.seed,
        "progress": options.progress,
    }
    train = SoloDataset(files=files, n_items=ENDLESS_ITEMS, gain_db=options.gain_db, **common)
    return train, SoloDataset(files=held_out, random=False, **common)


def _with_its_encoder(model: GlowPrior, output: Path, resume: bool) -> GlowPrior:
    # Keeps the encoder that is already saved in this folder.
    if not resume or not (output / CONFIG).is_file():
        return model
    try:
        before = GlowPrior.from_pretrained(output)
    except (OSError, ValueError) as error:
        logger.warning("the prior in %s is broken and is written anew: %s", output, error)
        return model
    flow, flow_before = model.get_model_args(), before.get_model_args()
    own, kept = ([args.pop(name, None) for name in ENCODERS] for args in (flow, flow_before))
    if any(own) or not any(kept) or flow != flow_before:
        return model
    before.flow.load_state_dict(model.flow.state_dict())
    return before


def _describe(data: Data, dataset: SoloDataset) -> dict[str, Any]:
    recordings = dataset.recordings
    return {
        "roots": [str(root) for root in as_folders(data)],
        "recordings": len(recordings),
        "seconds": round(recordings.seconds, 1),
    }
