"""Writes the files of a model into a folder: configuration, weights, priors, model card."""

import hashlib
import inspect
import json
import re

import torch

from . import hub
from .card import card_text
from .folder import ASTEROID_FILE, fill_folder, half_state


def fill_stage(stage, model, card, half, with_bin, split, embed, hub_name):
    """Writes a model into an empty folder.

    Args:
        stage (Path): The folder.
        model (PretrainedModel): The model.
        card (Card | None): Its card.
        half, with_bin, split, embed, hub_name: See ``PretrainedModel.save_pretrained``.
    """
    target = hub_name and hub.parse_name(hub_name)
    if hub_name is not None and target is None:
        raise ValueError(f'hub_name must be like "user/name" or "user/name@v1", got {hub_name!r}')
    priors = priors_of(model)
    places = dict.fromkeys(priors)
    if not embed:
        places = {name: _reference_of(prior, target) for name, prior in priors.items()}
    config, state = _config(model, card), model.state_dict()
    if card is not None:
        text = _card_text(model, card, places, hub_name, with_bin)
        (stage / hub.CARD).write_text(text, encoding="utf-8")
    if priors and (split or any(places.values())):
        del config["model_args"]["priors"]
        config["priors"], state = _fill_parts(stage, priors, places, half), None
    elif cards := {n: p.card.to_dict() for n, p in priors.items() if _card_of(p) is not None}:
        config["cards"] = cards
    fill_folder(stage, config, state, half)
    if with_bin:
        package = model.serialize() | ({} if card is None else {"card": card.to_dict()})
        if half:
            package["state_dict"] = half_state(package["state_dict"])
        torch.save(package, stage / ASTEROID_FILE)


def has_priors(model):
    """Whether a model, or a class of models, is made of priors."""
    cls = model if isinstance(model, type) else type(model)
    return "priors" in inspect.signature(cls).parameters


def priors_of(model):
    """Name of each prior of a separator to the prior; of a prior, nothing."""
    return dict(zip(model.get_model_args()["priors"], model.priors)) if has_priors(model) else {}


def fingerprint(model):
    """Hash of arguments and weights, whatever device or precision they are in."""
    digest = hashlib.sha256(json.dumps(model.get_model_args(), sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _config(model, card):
    config = {"model_name": type(model).__name__, "model_args": model.get_model_args()}
    return config if card is None else config | {"card": card.to_dict()}


def _card_of(model):
    # A prior need not be one of our classes.
    return getattr(model, "card", None)


def _card_text(model, card, places, hub_name, with_bin):
    return card_text(
        card,
        type(model).__name__,
        model.sources if places else [getattr(model, "source", type(model).__name__)],
        model.sample_rate,
        sum(p.numel() for p in model.parameters()),
        hub_name,
        places or None,
        with_bin,
    )


def _fill_parts(stage, priors, places, half):
    """Writes the priors that are to be held here; gives the places of all."""
    found = {}
    for i, (name, prior) in enumerate(priors.items()):
        found[name] = places[name]
        if places[name] is None:
            folder = f"priors/{re.sub('[^0-9A-Za-z_-]', '_', name)}"
            if f"./{folder}" in found.values():
                folder += f"_{i}"
            fill_folder(stage / folder, _config(prior, _card_of(prior)), prior.state_dict(), half)
            found[name] = f"./{folder}"
    return found


def _reference_of(prior, target):
    """The repository of a prior that is still what came from there; None for the target itself."""
    reference, was = getattr(prior, "_reference", None) or (None, None)
    if reference is None or was != fingerprint(prior):
        return None
    # A repository that refers to its own past would grow a chain with each upload.
    is_target = target is not None and target.repo_id == hub.parse_name(reference).repo_id
    return None if is_target else reference
