"""Trains the encoders of several sources together; each source's own training starts from them."""

import time
from pathlib import Path
from typing import Any

import torch

from ..data import Data, RandomMixtureDataset
from ..encoder.joint import JointEncoder
from .checkpoints import locked
from .encoder import fit_encoder, save_trained, split_recordings
from .launch import is_first
from .loaders import ENDLESS_ITEMS
from .options import JointOptions, make_options
from .record import ENCODER_RUN


def pretrain_encoders(
    sources: list[str],
    data: Data,
    output: str | Path,
    options: JointOptions | None = None,
    *,
    model: dict | None = None,
    init: str | Path | None = None,
    sample_rate: int = 22050,
    **changes: Any,
) -> dict[str, Any]:
    """Trains the encoders of several sources together, from which :func:`train_encoder` starts.

    It needs solo recordings only: the mixtures are random ones, of pieces of different songs.

    The folder gets a :class:`JointEncoder`, ``encoder.json`` and ``encoder/`` (checkpoints, logs).

    Args:
        sources (list[str]): Their names, two or more.
        data: Folders with solos of all sources, see :func:`~asteroid_instglow.data.as_folders`.
        output (str | Path): Folder, created if it does not exist; it is what ``init`` of
            :func:`train_encoder` takes.
        options (JointOptions, optional): How to train.
        model (dict, optional): Arguments of the encoder.
        init (str | Path, optional): Folder of a :class:`JointEncoder` of these sources to go on
            from, in another round; ``model`` and ``sample_rate`` are then its own.
        sample_rate (int): Sample rate in Hz.
        **changes: Fields of :class:`JointOptions` that differ from ``options``.

    Returns:
        dict: The content of ``encoder.json``, as of :func:`train_encoder`, but "sources".

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range, there are no recordings of a source, or another
            training runs in the folder.
    """
    options = make_options(JointOptions, options, changes)
    output, started = Path(output), time.monotonic()
    if len(sources) < 2:
        raise ValueError(f"sources must be two or more that learn together, got {list(sources)}")
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(options.seed)
        if init is None:
            joint = JointEncoder(sources, sample_rate, model)
        else:
            joint = _joint_of(init, sources).train()
        sample_rate = int(joint.sample_rate)
        files, held_out = split_recordings(sources, data, options, sample_rate)
        common: dict[str, Any] = {
            "segment": options.segment,
            "sample_rate": sample_rate,
            "p_real": 0.0,
        }
        common["progress"] = options.progress
        train = RandomMixtureDataset(
            files,
            n_items=ENDLESS_ITEMS,
            seed=options.seed,
            gain_db=options.gain_db,
            p_silent=options.p_silent,
            n_max=options.n_max,
            **common,
        )
        validation = RandomMixtureDataset(
            held_out, n_items=options.validation_items, p_speed=0.0, p_silent=0.0, **common
        )
        with locked(output, is_first(options)):
            whose = {"sources": list(sources)}
            start, run = (model, init), output / ENCODER_RUN
            arguments = fit_encoder(
                joint.encoder, train, validation, run, whose, start, options, started
            )
            return save_trained(joint, output, arguments, options, started)


def _joint_of(init: str | Path, sources: list[str]) -> JointEncoder:
    joint = JointEncoder.from_pretrained(init)
    if joint.sources != list(sources):
        raise ValueError(f"sources must be those of init, {joint.sources}, got {list(sources)}")
    return joint
