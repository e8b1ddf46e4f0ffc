"""Writes the files of a model into a folder: configuration, weights, model card, licences."""

import inspect
from pathlib import Path
from typing import Any

from . import hub
from .card import Card
from .card_page import card_text
from .examples import NONE, Examples
from .folder import ASTEROID_FILE, write_model
from .tensors import half_state, write_pickle


def fill_folder(
    folder: Path,
    model: Any,
    card: Card | None = None,
    half: bool = False,
    with_bin: bool = False,
    hub_name: str | None = None,
    examples: Examples = NONE,
) -> None:
    """Writes a model into an empty folder.

    Args:
        folder (Path): The folder.
        model (PretrainedModel): The model.
        card (Card, optional): Card of the model.
        half, with_bin, hub_name: See ``PretrainedModel.save_pretrained``.
        examples (Examples): What the card shows.
    """
    if hub_name is not None and hub.parse_name(hub_name) is None:
        raise ValueError(f'hub_name must be like "user/name" or "user/name@v1", got {hub_name!r}')
    priors = priors_of(model)
    # A prior may be of a class from elsewhere.
    parts = [prior for prior in priors.values() if hasattr(prior, "licenses")]
    config = {"model_name": type(model).__name__, "model_args": model.get_model_args()}
    license_ = (card and card.license) or model.license
    # A separator put together from priors is under the licences of all of them.
    if license_ := license_ or " and ".join(sorted({its for p in parts if (its := p.license)})):
        config["license"] = license_
    for part in (*parts, model):
        for name, text in part.licenses.items():
            (folder / name).write_text(text, encoding="utf-8")
    if card is not None:
        config["card"] = card.to_dict()
        text = card_text(
            card,
            type(model).__name__,
            model.sources if priors else [getattr(model, "source", type(model).__name__)],
            model.sample_rate,
            sum(p.numel() for p in model.parameters()),
            hub_name,
            bool(priors),
            with_bin,
            examples,
        )
        (folder / hub.CARD).write_text(text, encoding="utf-8")
    cards = {name: getattr(prior, "card", None) for name, prior in priors.items()}
    if cards := {name: its.to_dict() for name, its in cards.items() if its is not None}:
        config["cards"] = cards
    write_model(folder, config, model.state_dict(), 16 if half else 32)
    if with_bin:
        package = model.serialize() | ({} if card is None else {"card": card.to_dict()})
        if half:
            package["state_dict"] = half_state(package["state_dict"])
        write_pickle(folder / ASTEROID_FILE, package)


def has_priors(model: Any) -> bool:
    """Returns True if a model, or a class of models, is made of priors."""
    cls = model if isinstance(model, type) else type(model)
    return "priors" in inspect.signature(cls).parameters


def priors_of(model: Any) -> dict[str, Any]:
    """Returns the priors of a separator by name; an empty dict for a prior."""
    return dict(zip(model.get_model_args()["priors"], model.priors)) if has_priors(model) else {}
