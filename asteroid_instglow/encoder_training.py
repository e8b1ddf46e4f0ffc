"""Training of a prior's encoder: own solos against random mixtures of any others."""

import time
from pathlib import Path

import torch

from .data import MixDataset, find_solos, list_sources, validation_split
from .encoder_system import EncoderSystem, encoder_optimizer
from .fitting import (
    ENDLESS,
    checkpoint_to_resume,
    fit,
    shard_loader,
    stream_loader,
    trained_weights,
)
from .prior import GlowPrior
from .training_record import ENCODER_RECORD, outcome, write_record

FOLDER = "encoder"
CLIP = 1.0


def train_encoder(
    prior,
    data,
    others=None,
    n_steps=3000,
    batch_size=3,
    segment=2.0,
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
):
    """Trains the encoder of a saved prior, and saves it with the prior.

    The background need not be the sources that it will meet: any recordings that are not the
    source's own will do. Adding an instrument trains that instrument's encoder alone.

    The prior's folder gets its new weights, ``encoder.json`` (what was done, how well) and
    ``encoder/`` (checkpoints and TensorBoard logs). Called again, a run that was stopped goes on.

    Args:
        prior (str | Path): Folder of a saved :class:`GlowPrior`.
        data (str, Path or list of them): Folders with the solos of the source and of others.
        others (list[str], optional): Names of the background; by default all others in ``data``.
        n_steps (int): Batches in all; the learning rate falls to zero with the last.
        batch_size (int): Excerpts of a batch.
        segment (float): Length of an excerpt, seconds.
        lr (float): Of the weight matrices (Muon); the rest gets a tenth of it (Adam).
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
        model (dict, optional): Arguments of :class:`~asteroid_instglow.encoder.SourceEncoder`.
        accelerator (str): "auto", "cpu", "gpu", ...: as Lightning's.
        checkpoint_minutes (float): Between checkpoints.
        eq_db (float): Spread of a random equaliser on every excerpt, dB.

    Returns:
        dict: The content of ``encoder.json``: "source", "steps", "finished", "loss_before",
        "loss_after" and "loss_last" (validation), "best_step", "skipped" (batches), "seconds" (of
        this call), "arguments", "data" (number of recordings of each source), "history",
        "hardware", "versions".

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range or there are no recordings of another source.
    """
    prior, started = Path(prior), time.monotonic()
    owner = GlowPrior.from_pretrained(prior)
    output = prior / FOLDER
    val_every = max(1, n_steps // 10) if val_every is None else val_every
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        encoder = owner.add_encoder(model or {})
        arguments = {
            "source": owner.source,
            "n_steps": n_steps,
            "batch_size": batch_size,
            "segment": float(segment),
            "lr": float(lr),
            "seed": seed,
            "eq_db": float(eq_db),
            "model": model or {},
        }
        checkpoint = checkpoint_to_resume(output, resume, arguments)
        files, held_out = _files(owner.source, data, others, validation_data, seed)
        common = {"source": owner.source, "segment": segment, "progress": progress}
        common["sample_rate"] = int(owner.sample_rate)
        train = MixDataset(files=files, n_items=2**16 * ENDLESS, seed=seed, eq_db=eq_db, **common)
        validation = MixDataset(
            files=held_out, n_items=validation_items, seed=0, p_speed=0.0, p_silent=(0, 0), **common
        )
        optimizer, scheduler = encoder_optimizer(encoder, n_steps, lr, lr / 10)
        system = EncoderSystem(
            encoder,
            optimizer,
            stream_loader(train, batch_size, num_workers),
            shard_loader(validation, batch_size),
            scheduler,
            config={**arguments, "data": {name: len(found) for name, found in files.items()}},
        )
        fit(
            system,
            output,
            n_steps,
            val_every,
            seed=seed,
            resume_from=checkpoint,
            accelerator=accelerator,
            checkpoint_minutes=checkpoint_minutes,
            time_limit=time_limit,
            gradient_clip_val=CLIP,
            bar=f"{owner.source} encoder" if progress else None,
        )
    encoder.load_state_dict(trained_weights(output, "last"))
    owner.eval().save_pretrained(prior)
    record = {
        "source": owner.source,
        **outcome(output, n_steps, "last", loss="loss"),
        "seconds": round(time.monotonic() - started, 1),
        "arguments": arguments,
    }
    return write_record(prior / ENCODER_RECORD, record)


def _files(source, data, others, validation_data, seed):
    # Recordings of each source, for training and for validation.
    files = _find(source, data, others)
    if validation_data is not None:
        return files, _find(source, validation_data, others)
    split = {name: validation_split(found, seed=seed) for name, found in files.items()}
    return ({name: pair[i] for name, pair in split.items()} for i in (0, 1))


def _find(source, roots, others):
    roots = list(roots) if isinstance(roots, (list, tuple)) else [roots]
    files = {}
    for root in roots:
        for name in {source, *(list_sources(root) if others is None else others)}:
            files.setdefault(name, []).extend(find_solos(root, name))
    if len(files) < 2:
        raise ValueError(
            f"data must hold recordings of a source besides {source!r}, got {sorted(files)}"
        )
    return files
