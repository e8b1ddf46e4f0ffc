"""Training of several sources' encoders together, for each to go on from."""

import time
from pathlib import Path

import torch

from ..data import RandomMixtureDataset
from ..encoder.joint import JointEncoder
from .encoder import FOLDER, fit_encoder, recorded, save_trained, split_recordings
from .fitting import ENDLESS, checkpoint_to_resume


def pretrain_encoders(
    sources,
    data,
    output,
    n_steps=4000,
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
    precision="32",
    sample_rate=22050,
    init=None,
):
    """Trains the encoders of several sources together, for each prior's to start from.

    Solo recordings are all it needs: the mixtures are random ones, of pieces of different songs.

    The folder gets a :class:`JointEncoder`, ``encoder.json`` and ``encoder/`` (checkpoints, logs).

    Args:
        sources (list[str]): Their names, two or more.
        data (str, Path or list of them): Folders with solos of them all.
        output (str | Path): Folder, made if need be; what ``init`` of :func:`train_encoder` takes.
        n_steps, batch_size, segment, lr, validation_data, validation_items, val_every, seed: See
            :func:`train_encoder`.
        resume, num_workers, progress, time_limit, model, accelerator: See :func:`train_encoder`.
        checkpoint_minutes, eq_db, precision: See :func:`train_encoder`.
        sample_rate (int): Hz.
        init (str | Path, optional): Folder of a :class:`JointEncoder` of these sources to go on
            from, in another round; ``model`` and ``sample_rate`` are then its own.

    Returns:
        dict: The content of ``encoder.json``, as of :func:`train_encoder`, but "sources".

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range or there are no recordings of a source.
    """
    output, started = Path(output), time.monotonic()
    if len(sources) < 2:
        raise ValueError(f"sources must be two or more that learn together, got {list(sources)}")
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        if init is None:
            joint = JointEncoder(sources, sample_rate, model)
        else:
            joint = _joint_of(init, sources).train()
        sample_rate = int(joint.sample_rate)
        arguments = {
            "sources": list(sources),
            **recorded(n_steps, batch_size, segment, lr, seed, eq_db, model, init),
        }
        checkpoint = checkpoint_to_resume(output / FOLDER, resume, arguments)
        files, held_out = split_recordings(sources, data, validation_data, seed)
        common = {"segment": segment, "progress": progress, "sample_rate": sample_rate, "p_real": 0}
        train = RandomMixtureDataset(
            files, n_items=2**16 * ENDLESS, seed=seed, p_silent=0.1, **common
        )
        validation = RandomMixtureDataset(
            held_out, n_items=validation_items, seed=0, p_speed=0.0, p_silent=0.0, **common
        )
        fit_encoder(
            joint.encoder,
            (train, validation),
            output / FOLDER,
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
    return save_trained(joint, output, arguments, started)


def _joint_of(init, sources):
    joint = JointEncoder.from_pretrained(init)
    if joint.sources != list(sources):
        raise ValueError(f"sources must be those of init, {joint.sources}, got {list(sources)}")
    return joint
