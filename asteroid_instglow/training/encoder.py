"""Training of a prior's encoder: own solos against random mixtures of any others."""

import time
from functools import partial
from pathlib import Path

import torch

from ..data import MixDataset, apply_effects, list_sources, split_by_source
from ..encoder.joint import JointEncoder
from ..prior import GlowPrior
from ..weights.base import load_model
from .encoder_loss import encoder_optimizer
from .encoder_system import EncoderSystem
from .fitting import (
    ENDLESS,
    checkpoint_to_resume,
    fit,
    shard_loader,
    stream_loader,
    trained_weights,
)
from .record import ENCODER_RECORD, outcome, write_record

FOLDER = "encoder"
CLIP = 1.0


def train_encoder(
    prior,
    data,
    others=None,
    n_steps=2000,
    batch_size=8,
    segment=3.0,
    lr=0.02,
    validation_data=None,
    validation_items=48,
    val_every=None,
    seed=0,
    resume=True,
    num_workers=0,
    progress=True,
    time_limit=None,
    model=None,
    accelerator="auto",
    checkpoint_minutes=5.0,
    eq_db=0.0,
    init=None,
    precision="32",
):
    """Trains the encoder of a saved prior, and saves it with the prior.

    The background need not be the sources that it will meet: any recordings that are not the
    source's own will do. Adding an instrument trains that instrument's encoder alone; with ``init``
    it starts from what other encoders have learnt.

    The prior's folder gets its new weights, ``encoder.json`` (what was done, how well) and
    ``encoder/`` (checkpoints and TensorBoard logs). Called again, a run that was stopped goes on.

    Args:
        prior (str | Path): Folder of a saved :class:`GlowPrior`.
        data (str, Path or list of them): Folders with the solos of the source and of others.
        others (list[str], optional): Names of the background; by default all others in ``data``.
        n_steps (int): Batches in all; the learning rate falls to zero with the last.
        batch_size (int): Excerpts of a batch.
        segment (float): Length of an excerpt, seconds.
        lr (float): Of the matrices between features (Muon); the rest gets a tenth of it (Adam).
        validation_data (str, Path or list of them, optional): As ``data``; by default a tenth of
            the recordings of each source is set aside.
        validation_items (int): Mixtures of the validation.
        val_every (int, optional): Steps between validations; by default a tenth of ``n_steps``.
        seed (int): Of the weights and the mixtures.
        resume (bool): Go on from an earlier run; False starts anew.
        num_workers (int): Processes that read data.
        progress (bool): Whether to show bars on stderr.
        time_limit (float, optional): Minutes after which to stop (the learning rate is not at
            zero then: better choose ``n_steps``).
        model (dict, optional): Arguments of :class:`~asteroid_instglow.encoder.lstm.SourceEncoder`;
            with ``init`` they are that encoder's.
        accelerator (str): "auto", "cpu", "gpu", ...: as Lightning's.
        checkpoint_minutes (float): Between checkpoints.
        eq_db (float): Spread of a random equaliser on every excerpt, dB.
        init (str | Path, optional): What to start from: a :class:`JointEncoder`, another prior, or
            a separator, in a folder, on the Hub or by the name of one that ships with the package.
            The mask is taken over, too, where it is one of this source.
        precision (str): "32", "bf16-mixed", or "auto": the latter where the processor is fast at
            it.

    Returns:
        dict: The content of ``encoder.json``: "source", "steps", "finished", "loss_before",
        "loss_after" and "loss_last" (validation), "best_step", "skipped" (batches), "seconds" (of
        this call), "arguments", "data" (number of recordings of each source), "history",
        "hardware", "versions".

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range, there are no recordings of another source, or
            there is no encoder in ``init``.
    """
    prior, started = Path(prior), time.monotonic()
    owner = GlowPrior.from_pretrained(prior)
    output = prior / FOLDER
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        encoder = owner.add_encoder(_encoder_of(init, owner.source) if init else model or {})
        arguments = {
            "source": owner.source,
            **recorded(n_steps, batch_size, segment, lr, seed, eq_db, model, init),
        }
        checkpoint = checkpoint_to_resume(output, resume, arguments)
        background = set(others or list_sources(data)) - {owner.source}
        names = [owner.source, *sorted(background)]
        encoder.heard = names
        files, held_out = split_recordings(names, data, validation_data, seed)
        common = {"source": owner.source, "segment": segment, "progress": progress}
        common["sample_rate"] = int(owner.sample_rate)
        train = MixDataset(files=files, n_items=2**16 * ENDLESS, seed=seed, **common)
        validation = MixDataset(
            files=held_out, n_items=validation_items, seed=0, p_speed=0.0, p_silent=(0, 0), **common
        )
        fit_encoder(
            encoder,
            (train, validation),
            output,
            {**arguments, "data": {name: len(found) for name, found in files.items()}},
            checkpoint,
            num_workers=num_workers,
            val_every=val_every,
            progress=progress,
            time_limit=time_limit,
            accelerator=accelerator,
            checkpoint_minutes=checkpoint_minutes,
            precision=precision,
        )
    return save_trained(owner, prior, arguments, started)


def take_encoder(prior, init):
    """Gives a saved prior the encoder that it would start from, as it is.

    Args:
        prior (str | Path): Folder of a saved :class:`GlowPrior`.
        init (str | Path): A :class:`JointEncoder` that knows the source, a prior of it, or a
            separator that has one.

    Returns:
        dict: The content of ``encoder.json``: "source", "steps" (0) and "arguments".

    Raises:
        ValueError: If there is no encoder of the source in ``init``.
    """
    prior = Path(prior)
    owner = GlowPrior.from_pretrained(prior)
    owner.add_encoder(_encoder_of(init, owner.source, known=True))
    owner.eval().save_pretrained(prior)
    record = {"source": owner.source, "steps": 0, "arguments": {"init": str(init)}}
    return write_record(prior / ENCODER_RECORD, record)


def recorded(n_steps, batch_size, segment, lr, seed, eq_db, model, init):
    """The arguments of :func:`train_encoder` that decide what comes of it, as plain types."""
    return {
        "n_steps": n_steps,
        "batch_size": batch_size,
        "segment": float(segment),
        "lr": float(lr),
        "seed": seed,
        "eq_db": float(eq_db),
        "model": model or {},
        "init": None if init is None else str(init),
    }


def fit_encoder(
    encoder,
    datasets,
    output,
    config,
    checkpoint,
    num_workers,
    val_every,
    progress,
    time_limit,
    accelerator,
    checkpoint_minutes,
    precision,
):
    """Fits an encoder, which has the trained weights then.

    Args:
        encoder (SourceEncoder): What to fit.
        datasets (tuple): Mixtures to train and to validate on, see :class:`EncoderSystem`.
        output (Path): Folder of the run.
        config (dict): Saved with the checkpoints; has "n_steps", "batch_size", "lr", "seed".
        checkpoint (Path | None): To go on from.
        num_workers, val_every, progress, time_limit, accelerator, checkpoint_minutes, precision:
            As of :func:`train_encoder`.
    """
    n_steps, batch_size, lr = (config[name] for name in ("n_steps", "batch_size", "lr"))
    train, validation = datasets
    optimizer, scheduler = encoder_optimizer(encoder, n_steps, lr, lr / 10)
    system = EncoderSystem(
        encoder,
        optimizer,
        stream_loader(train, batch_size, num_workers),
        shard_loader(validation, batch_size),
        scheduler,
        config=config,
        augment=partial(apply_effects, eq_db=config["eq_db"]),
    )
    fit(
        system,
        output,
        n_steps,
        max(1, n_steps // 10) if val_every is None else val_every,
        seed=config["seed"],
        resume_from=checkpoint,
        accelerator=accelerator,
        checkpoint_minutes=checkpoint_minutes,
        time_limit=time_limit,
        gradient_clip_val=CLIP,
        precision=precision,
        bar=f"{config.get('source', 'joint')} encoder" if progress else None,
    )
    encoder.load_state_dict(trained_weights(output, "last"))


def save_trained(model, folder, arguments, started):
    """Saves a model whose encoder was trained, and what was done.

    Args:
        model (GlowPrior | JointEncoder): The model.
        folder (Path): Its folder; the run is in ``encoder/`` of it.
        arguments (dict): Of the training, "source" or "sources" first.
        started (float): ``time.monotonic()`` at its beginning.

    Returns:
        dict: The content of ``encoder.json``.
    """
    model.eval().save_pretrained(folder)
    whose = "source" if "source" in arguments else "sources"
    record = {
        whose: arguments[whose],
        **outcome(folder / FOLDER, arguments["n_steps"], "last", loss="loss"),
        "seconds": round(time.monotonic() - started, 1),
        "arguments": arguments,
    }
    return write_record(folder / ENCODER_RECORD, record)


def _encoder_of(init, source, known=False):
    # The encoder to start from in whatever `init` names; `known`: only one of this source.
    model = load_model(init)
    if isinstance(model, JointEncoder):
        names = model.sources
    elif isinstance(model, GlowPrior):
        names = [model.source]
    else:
        priors = dict(zip(model.sources, model.priors))
        names = list(priors)
        model = priors.get(source) or next(iter(priors.values()))
    if known and source not in names:
        raise ValueError(f"init must have an encoder of {source!r}, {init} has {names}")
    if isinstance(model, JointEncoder):
        return model.encoder_of(source)
    if model.encoder is None:
        raise ValueError(f"init must hold an encoder, the prior in {init} has none")
    return model.encoder.alone(0 if source in names else -1)


def split_recordings(names, data, validation_data, seed):
    """As :func:`~asteroid_instglow.data.split_by_source`, of two sources or more."""
    if len(names) < 2:
        raise ValueError(
            f"data must hold recordings of a source besides {names[0]!r}, got {list(names)}"
        )
    return split_by_source(names, data, validation_data, seed)
