"""Stage 1 of a recipe: the prior of one source."""

import json
import logging
import os
from pathlib import Path

from ..data.prepared import MANIFEST, write_json
from ..encoder_training import FOLDER, train_encoder
from ..fitting import load_checkpoint
from ..training import train_prior
from ..training_callbacks import BEST, LAST

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
_DATA = "data.json"


def train_source(
    source, data, exp, model, training, encoder_model, encoder_training, others=None, progress=True
):
    """Trains the prior of one source, and its encoder if that has any steps. Stopped, it goes on.

    ``<exp>/checkpoints/<source>`` gets links to the checkpoints of both.

    Args:
        source (str): Name.
        data (str or Path): Folder that :func:`~asteroid_instglow.data.prepare.prepare` made.
        exp (str or Path): Folder of the experiment.
        model (dict): Arguments of :class:`GlowPrior`.
        training (dict): Arguments of :func:`train_prior`.
        encoder_model (dict): Arguments of :class:`~asteroid_instglow.encoder.SourceEncoder`.
        encoder_training (dict): Arguments of :func:`train_encoder`; ``n_steps`` 0: no encoder.
        others (list[str], optional): Background of the encoder, as far as it is prepared; all other
            sources by default.
        progress (bool): Whether bars show on stderr.

    Returns:
        Path: Folder of the prior.

    Raises:
        ValueError: If an earlier run to go on from had other data or arguments.
    """
    train, validation = Path(data) / "train", Path(data) / "validation"
    output = Path(exp) / "priors" / source
    _check_same_data(Path(data), output)
    _keep_checkpoints(Path(exp) / CHECKPOINTS / source / "prior", output)
    # A part of the data set may lack it: then some of the training recordings are set aside.
    held_out = validation if (validation / source).is_dir() else None
    train_prior(
        source,
        train,
        output,
        validation_data=held_out,
        model=model,
        progress=progress,
        **training,
    )
    if encoder_training["n_steps"]:
        there = {path.name for path in train.iterdir() if path.is_dir()} - {source}
        background = sorted(there & set(others or ())) or sorted(there)
        whole = all((validation / name).is_dir() for name in [source, *background])
        _keep_checkpoints(Path(exp) / CHECKPOINTS / source / "encoder", output / FOLDER)
        train_encoder(
            output,
            train,
            background,
            validation_data=validation if whole else None,
            model=encoder_model,
            progress=progress,
            **encoder_training,
        )
    return output


def _check_same_data(data, output):
    """Refuses to go on with a run on other data than it began with."""
    digest = json.loads((data / MANIFEST).read_text(encoding="utf-8"))["training_digest"]
    path = output / _DATA
    if path.is_file() and (output / CHECKPOINTS / LAST).is_file():
        before = json.loads(path.read_text(encoding="utf-8"))["digest"]
        if before != digest:
            raise ValueError(
                f"data in {data} must be what {output} was trained on so far, they have changed: "
                "give another --tag, or remove that folder"
            )
    write_json(path, {"digest": digest})


def _keep_checkpoints(link, run):
    """Links to the checkpoints of a run; where one is broken, the run begins anew."""
    folder = run / CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(folder, link.parent), target_is_directory=True)
    if (folder / LAST).is_file():
        try:
            for name in (LAST, BEST):
                load_checkpoint(folder / name)
        except ValueError as error:
            logger.warning("%s, as this run does now", error)
            (folder / LAST).unlink()
