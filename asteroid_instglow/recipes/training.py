"""Stage 1 of a recipe: trains the joint encoder, and the prior of one source."""

import logging
import os
from pathlib import Path
from typing import Any

from ..encoder.joint import JointEncoder
from ..training.checkpoints import BEST, LAST, load_checkpoint
from ..training.checkpoints import FOLDER as CHECKPOINTS
from ..training.encoder import train_encoder
from ..training.initial import take_encoder
from ..training.joint import pretrain_encoders
from ..training.prior import train_prior
from ..training.record import ENCODER_RUN

logger = logging.getLogger(__name__)

JOINT = "joint"


def pretrain_sources(
    data: str | Path,
    exp: str | Path,
    sample_rate: int,
    encoder_model: dict[str, Any],
    pretrain: dict[str, Any],
    progress: bool = True,
) -> Path:
    """Trains the encoders of several sources together, or resumes the training.

    ``<exp>/checkpoints/encoders/joint`` is a link to its checkpoints.

    Args:
        data (str | Path): Prepared data set, what :func:`~.data.corpora.prepare.prepare` made.
        exp (str | Path): Folder of the experiment.
        sample_rate (int): Sample rate of the priors in Hz.
        encoder_model (dict): Arguments of :class:`~asteroid_instglow.encoder.lstm.SourceEncoder`.
        pretrain (dict): Arguments of :func:`pretrain_encoders`, "sources" among them.
        progress (bool): Whether bars show on stderr.

    Returns:
        Path: ``<exp>/joint``, which :func:`train_source` takes as ``init``.

    Raises:
        ValueError: If an earlier run to resume had other recordings or arguments.
    """
    output = Path(exp) / JOINT
    run = output / ENCODER_RUN
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
    source: str,
    data: str | Path,
    exp: str | Path,
    model: dict[str, Any],
    training: dict[str, Any],
    encoder_model: dict[str, Any],
    encoder_training: dict[str, Any],
    others: list[str] | None = None,
    progress: bool = True,
    init: str | Path | None = None,
) -> Path:
    """Trains or resumes the prior of one source, and its encoder if that has any steps.

    ``<exp>/checkpoints/<source>`` gets links to the checkpoints of both.

    Args:
        source (str): Name of the source.
        data (str | Path): Prepared data set, what :func:`~.data.corpora.prepare.prepare` made.
        exp (str | Path): Folder of the experiment.
        model (dict): Arguments of :class:`GlowPrior`.
        training (dict): Arguments of :func:`train_prior`.
        encoder_model (dict): Arguments of :class:`~asteroid_instglow.encoder.lstm.SourceEncoder`.
        encoder_training (dict): Arguments of :func:`train_encoder`; with ``n_steps`` 0 the source's
            encoder in ``init`` is taken without training, if there is one.
        others (list[str], optional): Sources of the encoder's background, as far as they are
            prepared; by default all other sources.
        progress (bool): Whether bars show on stderr.
        init (str | Path, optional): Model that the encoder starts from.

    Returns:
        Path: Folder of the prior.

    Raises:
        ValueError: If an earlier run to resume had other recordings or arguments.
    """
    data, train = Path(data), Path(data) / "train"
    output = Path(exp) / "priors" / source
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
        _keep_checkpoints(Path(exp) / CHECKPOINTS / source / ENCODER_RUN, output / ENCODER_RUN)
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
    elif init is not None and source in JointEncoder.from_pretrained(init).sources:
        take_encoder(output, init)
    else:
        logger.info("%s: no encoder, the search separates it", source)
    return output


def _validation(data: Path, sources: list[str]) -> Path | None:
    # The validation set if it has them all; else recordings are set aside for it.
    folder = data / "validation"
    return folder if all((folder / name).is_dir() for name in sources) else None


def _keep_checkpoints(link: Path, run: Path) -> None:
    # Links to the checkpoints of a run; where one is broken, the run begins anew.
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
