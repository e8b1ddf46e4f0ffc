"""Builds a model from a package, whose content is not trusted."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook

from ..utils.text import one_line
from .card import Card
from .reading import Package
from .registry import MODELS
from .writing import has_priors, priors_of

logger = logging.getLogger(__name__)

PACKAGE = ("model_name", "model_args", "state_dict")
_NON_COMMERCIAL = re.compile(r"\bnc\b|non-?commercial", re.IGNORECASE)
# What a constructor may raise on arguments that it was not made for.
_REFUSALS = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError),
    *(RuntimeError, TypeError, ValueError),
)


def build_model(
    cls: Any, package: Package, model_args: dict[str, Any], where: str | Path = "the dict"
) -> Any:
    """Builds a model and loads its weights.

    Args:
        cls (type): Class of the model.
        package (dict): Package of the model, see :mod:`.reading`.
        model_args (dict): Arguments that replace saved ones.
        where (str | Path): Name of the package in messages.

    Returns:
        PretrainedModel: In evaluation mode.

    Raises:
        ValueError: If the package is damaged, or of another class.
    """
    missing = [key for key in PACKAGE if key not in package]
    if missing:
        got = sorted(map(str, package))
        raise ValueError(f"pretrained must have {', '.join(missing)}, got {got} in {where}")
    if package["model_name"] != cls.__name__:
        raise ValueError(
            f"pretrained must hold a {cls.__name__}, got a {package['model_name']} in {where}"
            + _hint(cls, package, where)
        )
    state = package["state_dict"]
    try:
        with _budget(state):
            model = cls(**{**package["model_args"], **model_args})
    except _REFUSALS as error:
        if model_args:
            raise  # These may be the wrong ones.
        is_told = isinstance(error, (RuntimeError, ValueError))
        what = ":" if is_told else " was saved with other arguments than this:"
        raise ValueError(f"{where}{what} {one_line(error)}") from error
    try:
        model.load_state_dict(state)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{where}: the weights do not fit their configuration: {one_line(error)[:500]}"
        ) from error
    _check_finite(model, where)
    try:
        _label(model, package)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if model.license and _NON_COMMERCIAL.search(model.license):
        logger.warning("%s: the licence of these weights is %s", where, model.license)
    return model.eval()


@contextmanager
def _budget(state: Any) -> Iterator[None]:
    """Refuses to build a model of far more parameters than are stored, while it is being built."""
    if not isinstance(state, dict):
        raise ValueError(f"state_dict must be a dict, got {type(state).__name__}")
    # Weight norm registers each weight twice; three times leaves some room.
    left = [3 * sum(v.numel() for v in state.values()) + 10_000, 3 * len(state) + 100]
    thread = threading.get_ident()

    def count(module: Any, name: str, parameter: torch.Tensor | None) -> None:
        # The hook sees the modules of all threads.
        if parameter is not None and threading.get_ident() == thread:
            left[0] -= parameter.numel()
            left[1] -= 1
            if min(left) < 0:
                raise ValueError("the weights do not fit their configuration, which has far more")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _check_finite(model: Any, where: str | Path) -> None:
    priors = {f"priors.{i}.": name for i, name in enumerate(priors_of(model))}
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            prior = [f"prior {prior!r}, " for h, prior in priors.items() if name.startswith(h)]
            what = f"({''.join(prior)}{name})"
            raise ValueError(f"{where}: the weights hold NaN or infinite values {what}")


def _label(model: Any, package: Package) -> None:
    model.card = Card.of(package.get("card"))
    model.license = package.get("license") or (model.card and model.card.license)
    model.licenses = package.get("licenses", {})
    for name, prior in priors_of(model).items():
        prior.card = Card.of(package.get("cards", {}).get(name))
        prior.license = (prior.card and prior.card.license) or model.license
        prior.licenses = model.licenses


def _hint(cls: Any, package: Package, where: str | Path) -> str:
    name, saved = package["model_name"], package["model_args"]
    if name not in MODELS:
        return "; asteroid.models.BaseModel.from_pretrained loads Asteroid's own models"
    if has_priors(cls):
        source = saved.get("source", "source")
        return (
            f"; it is one prior: {name}.from_pretrained loads it, and "
            f'{cls.__name__}.from_pretrained({{"{source}": "{where}", ...}}) makes a separator'
        )
    if "priors" in saved:
        names = ", ".join(saved["priors"])
        return f"; its priors are {where}/priors/<source> of {names}"
    return ""
