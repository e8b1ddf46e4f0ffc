"""Finds the encoder that a training starts from in a prior, separator or joint encoder."""

from pathlib import Path
from typing import Any

from ..encoder.joint import JointEncoder
from ..prior import GlowPrior
from ..weights.base import load_model
from .record import encoder_record, write_record


def encoder_to_start_from(
    init: str | Path, source: str, known: bool = False, strong: bool = False
) -> Any:
    """Returns a new encoder of one source, with the weights of a trained one.

    Args:
        init (str | Path): A :class:`JointEncoder`, a prior or a separator.
        source (str): Name of the source.
        known (bool): Refuse an encoder of other sources.
        strong (bool): Return the strong encoder.

    Raises:
        ValueError: If there is no such encoder in ``init``.
    """
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
    if isinstance(model, JointEncoder) and not strong:
        return model.encoder_of(source)
    encoder = getattr(model, "strong_encoder", None) if strong else model.encoder
    if encoder is None:
        what = "a strong encoder" if strong else "an encoder"
        raise ValueError(f"init must hold {what}, the prior in {init} has none")
    return encoder.alone(0 if source in names else -1)


def take_encoder(prior: str | Path, init: str | Path) -> dict[str, Any]:
    """Gives a saved prior the encoder that it would start from, without training it.

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
    owner.add_encoder(encoder_to_start_from(init, owner.source, known=True))
    owner.eval().save_pretrained(prior)
    record = {"source": owner.source, "steps": 0, "arguments": {"init": str(init)}}
    return write_record(encoder_record(prior), record)
