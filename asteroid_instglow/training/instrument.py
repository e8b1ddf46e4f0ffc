"""Trains a new instrument in minutes: its encoders, then its flow, at the sizes of the others."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..data import Data, find_by_source, list_sources
from ..data.bundled import bundled_solos
from ..encoder.base import ENCODERS
from ..encoder.joint import JointEncoder
from ..prior import GlowPrior
from ..utils.checks import check_above_zero
from ..utils.extras import check_installed
from ..weights.base import load_model
from ..weights.config import shipped_names
from ..weights.folder import CONFIG
from .checkpoints import check_run_folder
from .encoder import train_encoder
from .prior import train_prior

logger = logging.getLogger(__name__)

_OWN = ("source", *ENCODERS)  # arguments that are not the flow's
ENCODER_SHARE = 0.85  # of the time: the default solver needs the encoders alone
STRONG_SHARE = 0.8  # of the encoders' time, where there is a strong encoder: it is the default
RESERVE = 0.1  # of the time, at most 30 s: reading recordings, saving
# Values for a start from a trained encoder, and for a flow that is trained for few steps.
ENCODER = {"lr": 7e-3, "precision": "auto"}
STRONG = {"lr": 3e-2, "batch_size": 4, "eq_db": 3.0, "p_effect": 0.2, "precision": "auto"}
FLOW = {"lr": 5e-4, "ema": 0.99, "keep": "last", "precision": "auto"}


def train_instrument(
    source: str,
    data: Data,
    output: str | Path,
    minutes: float = 10.0,
    init: str | Path | None = None,
    *,
    others: Iterable[str] | None = None,
    model: dict[str, Any] | None = None,
    encoder: dict[str, Any] | None = None,
    flow: dict[str, Any] | None = None,
    tell: Callable[[str], None] = logger.info,
    **common: Any,
) -> dict[str, Any]:
    """Trains a prior in a given time, at the sizes of existing ones, so that it can join them.

    The encoders come first, from those that are trained already: a mask on the body of the strong
    encoder, if there is one, then the fast encoder. The default solver needs no more. Then comes
    the flow, for the solvers that search. How many steps fit is measured on the machine.
    Called again, a run that was stopped goes on.

    Args:
        source (str): Name of the instrument.
        data: Folders of its solo recordings, see :func:`~asteroid_instglow.data.as_folders`. Solos
            of other instruments there are the background of the encoder's mixtures; without any,
            bundled solos are.
        output (str | Path): Folder of the prior; it is created if it does not exist.
        minutes (float): Time for all.
        init (str | Path, optional): Separator, prior or joint encoder to start from, whose sizes
            the prior takes over; by default one that ships with the package.
        others (Iterable[str], optional): Instruments of the background; by default all but this.
        model (dict, optional): Arguments of :class:`GlowPrior` that differ from those of ``init``.
        encoder (dict, optional): Fields of :class:`~.options.EncoderOptions`, of both encoders.
        flow (dict, optional): Fields of :class:`~.options.PriorOptions`.
        tell (Callable): Gets lines about what is planned.
        **common: Fields of both options, ``seed``, ``progress`` and so on.

    Returns:
        dict: "prior" (its folder), "flow", "encoder" and "strong_encoder" (or None): the records.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range, or there are no recordings.
        ModuleNotFoundError: If TensorBoard is not installed: it comes with the extra [train].

    Examples:
        .. code-block:: python

            train_instrument("strings", "solos", "priors/strings")
            band = GenerativeSeparator.from_pretrained("minislakh")
            band.add_prior("strings", GlowPrior.from_pretrained("priors/strings"))
    """
    began = time.monotonic()
    check_above_zero("minutes", minutes)
    check_installed("tensorboard")
    output, init = Path(output), default_init() if init is None else init
    check_run_folder(output)
    n_recordings = len(find_by_source([source], data)[source])
    names = sorted(set(others or list_sources(data)) - {source})
    background = None
    if not names:
        background = bundled_solos()
        names = sorted(set(list_sources(background)) - {source})
    joined = load_model(init)
    sizes = {**_sizes(joined), **(model or {})}
    if common.get("resume") is False or not (output / CONFIG).is_file():
        GlowPrior(**{**sizes, "source": source}).save_pretrained(output)

    def left() -> float:
        return minutes - (time.monotonic() - began) / 60

    reserve = min(0.5, RESERVE * minutes)
    usable = left() - reserve
    until = time.strftime("%H:%M", time.localtime(time.time() + 60 * left()))
    tell(
        f"{source}: {n_recordings} recordings against {', '.join(names)}"
        f"{' (bundled solos)' if background else ''}, from {init}; encoders, then the flow, "
        f"{minutes:g} minutes in all, until {until}"
    )
    start: dict[str, Any] = {"init": init, "background": background}
    stronger = None
    if _has_strong_encoder(joined):
        options = {**STRONG, **common, **(encoder or {})}
        options["minutes"] = max(0.01, STRONG_SHARE * ENCODER_SHARE * usable)
        stronger = train_encoder(output, data, names, strong=True, **start, **options)
    options = {**ENCODER, **common, **(encoder or {})}
    options["minutes"] = max(0.01, left() - reserve - (1 - ENCODER_SHARE) * usable)
    trained = train_encoder(output, data, names, **start, **options)
    options = {**FLOW, **common, **(flow or {})}
    options["minutes"] = max(0.01, left() - min(0.25, RESERVE * minutes))
    return {
        "prior": str(output),
        "flow": train_prior(source, data, output, model=sizes, **options),
        "encoder": trained,
        "strong_encoder": stronger,
    }


def default_init() -> str:
    """Returns the name of the shipped separator to start from."""
    names = shipped_names()
    return "band" if "band" in names else names[0]


def sizes_of(init: str | Path) -> dict[str, Any]:
    """Reads the arguments of a flow that a prior has in common with those of a model.

    Args:
        init (str | Path): Separator, prior or joint encoder: a folder, a repository or the name of
            one that ships with the package.

    Returns:
        dict: Arguments of :class:`GlowPrior`, of a joint encoder the sample rate only.
    """
    return _sizes(load_model(init))


def _has_strong_encoder(model: Any) -> bool:
    priors = getattr(model, "priors", [model])
    return all(getattr(prior, "strong_encoder", None) is not None for prior in priors)


def _sizes(model: Any) -> dict[str, Any]:
    if isinstance(model, JointEncoder):
        return {"sample_rate": int(model.sample_rate)}
    prior = model if isinstance(model, GlowPrior) else next(iter(model.priors))
    args = prior.get_model_args()
    return {name: value for name, value in args.items() if name not in _OWN}
