"""Trains the encoder of a prior: its own solos against random mixtures of any others."""

import copy
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..data import Data, MixDataset, apply_effects, data_digest, list_sources, split_by_source
from ..data.recordings import can_be_heard
from ..encoder.build import build_encoder
from ..encoder.joint import JointEncoder
from ..prior import GlowPrior
from ..utils.files import write_json
from .checkpoints import checkpoint_to_resume, locked, trained_weights
from .encoder_optimizer import encoder_optimizer
from .encoder_system import EncoderSystem
from .initial import encoder_to_start_from
from .launch import is_first, write_once
from .loaders import ENDLESS_ITEMS
from .options import EncoderOptions, make_options
from .pace import steps_that_fit
from .record import (
    ENCODER_RUN,
    STRONG_ENCODER_RUN,
    complete_record,
    encoder_record,
    outcome,
)
from .trainer import fit, make_system

CLIP = 1.0


def train_encoder(
    prior: str | Path,
    data: Data,
    others: Iterable[str] | None = None,
    options: EncoderOptions | None = None,
    *,
    model: dict | None = None,
    init: str | Path | None = None,
    background: Data | None = None,
    strong: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    """Trains the encoder of a saved prior, and saves it with the prior.

    The background need not be the sources that it will meet: any recordings that are not the
    source's own will do. Adding an instrument trains that instrument's encoder only; with ``init``
    it starts from what other encoders have learned.

    The prior's folder gets its new weights, ``encoder.json`` (what was done, how well) and
    ``encoder/`` (checkpoints and TensorBoard logs). Called again, a run that was stopped goes on.

    Args:
        prior (str | Path): Folder of a saved :class:`GlowPrior`.
        data: Folders with the solos of the source and of others, see
            :func:`~asteroid_instglow.data.as_folders`.
        others (list[str], optional): Names of the background; by default all others in ``data``.
        options (EncoderOptions, optional): How to train.
        model (dict, optional): Arguments of the encoder; with ``init`` they are that encoder's.
        init (str | Path, optional): Model to start from: a :class:`JointEncoder`, another prior, or
            a separator, in a folder, on the Hub or by the name of one that ships with the package.
            Its mask is kept only if it is one of this source.
        background (optional): Folders with the solos of others; by default those of ``data``.
        strong (bool): Train a mask on the strong encoder's body of ``init``, which stays as it is,
            so that the body still runs once for all sources. The files are ``strong_encoder.json``
            and ``strong_encoder/`` then.
        **changes: Fields of :class:`EncoderOptions` that differ from ``options``.

    Returns:
        dict: The content of ``encoder.json``: "source", "steps", "finished", "loss_before",
        "loss_after" and "loss_last" (validation), "best_step", "skipped" (batches), "seconds" (of
        this call), "arguments", "data" (number of recordings of each source), "history",
        "hardware", "versions".

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range, there are no recordings of another source,
            there is no encoder in ``init``, or another training runs in the folder.

    Examples:
        .. code-block:: python

            train_encoder("priors/bass", "solos", n_steps=2000)
    """
    options = make_options(EncoderOptions, options, changes)
    prior, started = Path(prior), time.monotonic()
    owner = GlowPrior.from_pretrained(prior)
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices), locked(prior, is_first(options)):
        torch.manual_seed(options.seed)
        if strong and init is None:
            raise ValueError("init must name a model with a strong encoder, got None")
        start = encoder_to_start_from(init, owner.source, strong=strong) if init else model or {}
        encoder = owner.add_encoder(start, strong)
        if strong:
            encoder.freeze_body()
        name = STRONG_ENCODER_RUN if strong else ENCODER_RUN
        elsewhere = data if background is None else background
        names = sorted(set(others or list_sources(elsewhere)) - {owner.source})
        encoder.heard = [owner.source, *names]
        rate = int(owner.sample_rate)
        if background is None:
            files, held_out = split_recordings(encoder.heard, data, options, rate)
        else:
            files, held_out = _split_apart(owner.source, data, names, background, options, rate)
        common = {"source": owner.source, "segment": options.segment, "sample_rate": rate}
        common["progress"] = options.progress
        train = MixDataset(
            files=files,
            n_items=ENDLESS_ITEMS,
            seed=options.seed,
            gain_db=options.gain_db,
            **common,
        )
        validation = MixDataset(
            files=held_out, n_items=options.validation_items, p_speed=0.0, p_silent=(0, 0), **common
        )
        whose = {"source": owner.source}
        began_as, run = (model, init), prior / name
        arguments = fit_encoder(encoder, train, validation, run, whose, began_as, options, started)
        return save_trained(owner, prior, arguments, options, started, name)


def recorded(options: EncoderOptions, model: dict | None, init: str | Path | None) -> dict:
    """Lists the arguments that decide what an encoder learns, as plain types."""
    decisive = options.recorded()
    for name in ("val_every", "validation_items", "keep"):
        del decisive[name]
    return {**decisive, "model": model or {}, "init": None if init is None else str(init)}


def split_recordings(
    names: list[str], data: Data, options: EncoderOptions, sample_rate: int
) -> tuple[dict, dict]:
    """Finds the recordings of two sources or more, to train and to validate on."""
    if len(names) < 2:
        raise ValueError(
            f"data must hold recordings of a source besides {names[0]!r}, got {list(names)}"
        )
    is_usable = partial(can_be_heard, sample_rate=sample_rate, segment=options.segment)
    return split_by_source(names, data, options.validation_data, options.seed, is_usable)


def _split_apart(
    source: str,
    data: Data,
    others: Iterable[str],
    background: Data,
    options: EncoderOptions,
    sample_rate: int,
) -> tuple[dict, dict]:
    # The source's recordings in one place, those of others in another.
    if not others:
        raise ValueError(f"background must hold recordings of a source besides {source!r}")
    is_usable = partial(can_be_heard, sample_rate=sample_rate, segment=options.segment)
    own = split_by_source([source], data, options.validation_data, options.seed, is_usable)
    rest = split_by_source(others, background, None, options.seed, is_usable)
    return own[0] | rest[0], own[1] | rest[1]


def fit_encoder(
    encoder: torch.nn.Module,
    train: Any,
    validation: Any,
    output: Path,
    whose: dict[str, Any],
    start: tuple[dict | None, str | Path | None],
    options: EncoderOptions,
    started: float,
) -> dict[str, Any]:
    """Fits an encoder and loads the trained weights into it.

    Args:
        encoder (Encoder): The encoder.
        train, validation (MixtureDataset): Mixtures, see :class:`EncoderSystem`.
        output (Path): Folder of the run.
        whose (dict): "source" or "sources".
        start (tuple): Arguments of the encoder, and what it started from.
        options (EncoderOptions): How to train.
        started (float): ``time.monotonic()`` at the beginning.

    Returns:
        dict: The arguments that a run to resume must have in common; plain types.
    """
    solos = {name: recordings.solos for name, recordings in train.recordings.items()}
    held_out = {f"validation {n}": r.solos for n, r in validation.recordings.items()}
    digest = data_digest({**solos, **held_out})
    counts = {name: len(found) for name, found in solos.items()}
    options = steps_that_fit(
        options,
        output,
        lambda: _make_system(copy.deepcopy(encoder), train, validation, options, {}),
        started,
    )
    arguments = {**whose, **recorded(options, *start)}
    checkpoint = checkpoint_to_resume(output, options, arguments, digest)
    config = {**arguments, "data_digest": digest, "data": counts}
    system = _make_system(encoder, train, validation, options, config)
    fit(system, output, options, checkpoint, CLIP, f"{whose.get('source', 'joint')} encoder")
    encoder.load_state_dict(trained_weights(output, options.keep))
    return arguments


def _make_system(encoder: Any, *parts: Any) -> EncoderSystem:
    options: EncoderOptions = parts[2]
    optimizing = encoder_optimizer(encoder, options.n_steps, options.lr, options.lr / 10)
    build = _build_frozen if encoder.body_is_frozen else build_encoder
    rebuild = _make_system, build, encoder.get_args()
    augment = partial(apply_effects, eq_db=options.eq_db, p_effect=options.p_effect)
    return make_system(EncoderSystem, encoder, optimizing, parts, rebuild, augment=augment)


def _build_frozen(args: dict) -> Any:
    return build_encoder(args).freeze_body()


def save_trained(
    model: GlowPrior | JointEncoder,
    folder: Path,
    arguments: dict[str, Any],
    options: EncoderOptions,
    started: float,
    name: str = ENCODER_RUN,
) -> dict[str, Any]:
    """Saves a model whose encoder was trained, and the record of the training.

    Args:
        model (GlowPrior | JointEncoder): The model.
        folder (Path): Folder of the model; the run lies in its folder ``name``.
        arguments (dict): Arguments of the training, "source" or "sources" among them.
        options (EncoderOptions): Options of the run.
        started (float): ``time.monotonic()`` at its beginning.
        name (str): Name of the run's folder and of the record.

    Returns:
        dict: The content of ``<name>.json``.
    """
    whose = "source" if "source" in arguments else "sources"
    record = {
        whose: arguments[whose],
        **outcome(folder / name, arguments["n_steps"], options.keep),
        "seconds": round(time.monotonic() - started, 1),
        "arguments": arguments,
    }
    record = complete_record(record)

    def write() -> None:
        model.eval().save_pretrained(folder)
        write_json(encoder_record(folder, name), record, indent=2)

    write_once(options, write)
    return record
