"""Stage 1 of a recipe: what the encoders of all start from, and the prior of one source."""

import json
import logging
import os
from pathlib import Path

from ..data.corpora.manifest import MANIFEST
from ..training.callbacks import BEST, LAST
from ..training.encoder import FOLDER, take_encoder, train_encoder
from ..training.fitting import load_checkpoint
from ..training.joint import pretrain_encoders
from ..training.prior import train_prior
from ..utils.files import write_json

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
JOINT = "joint"
_DATA = "data.json"


def pretrain_sources(data, exp, sample_rate, encoder_model, pretrain, progress=True):
    """Trains the encoders of several sources together. Stopped, it goes on.

    ``<exp>/checkpoints/encoders/joint`` is a link to its checkpoints.

    Args:
        data (str or Path): Folder that :func:`~asteroid_instglow.data.corpora.prepare.prepare` made.
        exp (str or Path): Folder of the experiment.
        sample_rate (int): Of the priors, Hz.
        encoder_model (dict): Arguments of :class:`~asteroid_instglow.encoder.lstm.SourceEncoder`.
        pretrain (dict): Arguments of :func:`pretrain_encoders`.
        progress (bool): Whether bars show on stderr.

    Returns:
        Path: ``<exp>/joint``, which :func:`train_source` takes as ``init``.

    Raises:
        ValueError: If an earlier run to go on from had other data or arguments.
    """
    output = Path(exp) / JOINT
    run = output / FOLDER
    _check_same_data(Path(data), output, run)
    _keep_checkpoints(Path(exp) / CHECKPOINTS / "encoders" / JOINT, run)
    pretrain_encoders(
        data=Path(data) / "train",
        output=output,
        validation_data=_validation(Path(data), pretrain["sources"]),
        sample_rate=sample_rate,
        model=encoder_model,
        progress=progress,
        **pretrain,
    )
    return output


def train_source(
    source,
    data,
    exp,
    model,
    training,
    encoder_model,
    encoder_training,
    others=None,
    progress=True,
    init=None,
):
    """Trains the prior of one source, and its encoder if that has any steps. Stopped, it goes on.

    ``<exp>/checkpoints/<source>`` gets links to the checkpoints of both.

    Args:
        source (str): Name.
        data (str or Path): Folder that :func:`~asteroid_instglow.data.corpora.prepare.prepare` made.
        exp (str or Path): Folder of the experiment.
        model (dict): Arguments of :class:`GlowPrior`.
        training (dict): Arguments of :func:`train_prior`.
        encoder_model (dict): Arguments of :class:`~asteroid_instglow.encoder.lstm.SourceEncoder`.
        encoder_training (dict): Arguments of :func:`train_encoder`; ``n_steps`` 0: that of ``init``
            as it is, or none.
        others (list[str], optional): Background of the encoder, as far as it is prepared; all other
            sources by default.
        progress (bool): Whether bars show on stderr.
        init (str or Path, optional): What the encoder starts from.

    Returns:
        Path: Folder of the prior.

    Raises:
        ValueError: If an earlier run to go on from had other data or arguments.
    """
    data, train = Path(data), Path(data) / "train"
    output = Path(exp) / "priors" / source
    _check_same_data(data, output, output)
    _keep_checkpoints(Path(exp) / CHECKPOINTS / source / "prior", output)
    train_prior(
        source,
        train,
        output,
        validation_data=_validation(data, [source]),
        model=model,
        progress=progress,
        **training,
    )
    if encoder_training["n_steps"]:
        there = {path.name for path in train.iterdir() if path.is_dir()} - {source}
        background = sorted(there & set(others or ())) or sorted(there)
        _keep_checkpoints(Path(exp) / CHECKPOINTS / source / "encoder", output / FOLDER)
        train_encoder(
            output,
            train,
            background,
            validation_data=_validation(data, [source, *background]),
            model=encoder_model,
            progress=progress,
            init=init,
            **encoder_training,
        )
    elif init is not None:
        take_encoder(output, init)
    return output


def _validation(data, sources):
    """The validation set, if it has them all; else training recordings are set aside."""
    folder = data / "validation"
    return folder if all((folder / name).is_dir() for name in sources) else None


def _check_same_data(data, output, run):
    """Refuses to go on with a run on other data than it began with."""
    digest = json.loads((data / MANIFEST).read_text(encoding="utf-8"))["training_digest"]
    path = output / _DATA
    if path.is_file() and (run / CHECKPOINTS / LAST).is_file():
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
