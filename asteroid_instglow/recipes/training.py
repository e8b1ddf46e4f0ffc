"""Stage 1 of a recipe: the prior of one source."""

import argparse
import json
from pathlib import Path

import yaml

from ..data.prepared import MANIFEST, write_json
from ..encoder_training import train_encoder
from ..folder import CONFIG, WEIGHTS
from ..prior import GlowPrior
from ..training import train_prior

_DATA = "data.json"


def read_stage(description, *arguments):
    """Reads the command line of a stage: --conf, --data, --exp, and what else it needs.

    Args:
        description (str): For ``--help``.
        *arguments (str): Further arguments, texts all of them; with dashes they are optional.

    Returns:
        tuple: The arguments, and the configuration: a dict of dicts.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--conf", type=Path, required=True, help="conf.yml")
    parser.add_argument("--data", type=Path, help="what stage 0 made")
    parser.add_argument("--exp", type=Path, help="folder of the experiment")
    for argument in arguments:
        parser.add_argument(argument)
    args = parser.parse_args()
    return args, yaml.safe_load(args.conf.read_text(encoding="utf-8"))


def train_source(
    source, data, exp, model, training, encoder_model, encoder_training, others=None, progress=True
):
    """Trains the prior of one source, and its encoder if that has any steps. Stopped, it goes on.

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
    _remove_if_broken(output)
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
    digest = json.loads((data / MANIFEST).read_text(encoding="utf-8"))["digest"]
    path = output / _DATA
    if path.is_file() and (output / "checkpoints").is_dir():
        before = json.loads(path.read_text(encoding="utf-8"))["digest"]
        if before != digest:
            raise ValueError(
                f"data in {data} must be what {output} was trained on so far, they have changed: "
                "give another --tag, or remove that folder"
            )
    write_json(path, {"digest": digest})


def _remove_if_broken(output):
    """Removes the weights of a prior that cannot be loaded: its checkpoints have them."""
    if (output / CONFIG).is_file() or (output / WEIGHTS).is_file():
        try:
            GlowPrior.from_pretrained(output)
        except (ValueError, OSError):
            (output / CONFIG).unlink(missing_ok=True)
            (output / WEIGHTS).unlink(missing_ok=True)
