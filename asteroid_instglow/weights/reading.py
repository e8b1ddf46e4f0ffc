"""Finds a model by path or name and reads it into a *package*, the dict that Asteroid serialises.

A package holds "model_name", "model_args" and "state_dict", and where they are known "license",
"licenses" (files), "card" and "cards" (those of a separator's priors).
"""

import difflib
import os
import re
from pathlib import Path
from typing import Any

from . import config, hub
from .config import CONFIG, check_model_args, read_config
from .folder import ASTEROID_FILE, LICENSES, WEIGHTS, part_folder, read_licenses, read_model
from .tensors import load_pickle

PRIOR = "GlowPrior"  # the class of a separator's saved priors
Package = dict[str, Any]


def read_package(where: str | Path, access: hub.Access = hub.DEFAULT) -> Package:
    """Reads the package behind a path or a name; runs nothing in it.

    A string is looked up among files, then among the models that ship with the package, then on
    the Hub; a Path among files only.

    Args:
        where (str | Path): See :meth:`~.base.PretrainedModel.from_pretrained`.
        access (Access): Token, revision, cache and network use.

    Examples:
        >>> read_package("minislakh/priors/bass")["model_name"]
        'GlowPrior'
    """
    path, part = _find(where)
    revision = access.revision
    if path is not None:
        if revision is not None:
            raise ValueError(f"revision is for the Hub, got {revision!r} with the local {where}")
        return _read_pickle(path, part) if path.is_file() else _read_folder(path, part, where)
    name = hub.parse_name(where) if isinstance(where, str) else None
    beside = _models_beside(where)
    if name is None or beside:
        raise FileNotFoundError(f"there is no folder or file {where}{_suggest(where, beside)}")
    if name.revision and revision not in (None, name.revision):
        raise ValueError(f"revision must be that of {where}, or not given, got {revision!r}")
    access = access._replace(revision=name.revision or revision)
    try:
        try:
            folder = hub.download(name.repo_id, (CONFIG, WEIGHTS), access, LICENSES)
        except hub.NoFile:
            folder = hub.download(name.repo_id, [ASTEROID_FILE], access)
            return _read_pickle(folder / ASTEROID_FILE, name.part)
    except hub.NoFile as error:
        raise FileNotFoundError(
            f"{name.repo_id} has no {CONFIG} and {WEIGHTS}: it is not a prior or separator"
        ) from error
    except (FileNotFoundError, ConnectionError) as error:
        raise type(error)(f"there is no folder or file {where}, and {error}") from error
    return _read_folder(folder, name.part, name.repo_id)


def _find(where: str | Path) -> tuple[Path | None, str | None]:
    # Folder or file of a path or of what ships with the package, and the prior in it.
    text = str(where)
    if not text or "\0" in text:
        raise FileNotFoundError(f"pretrained must be a path or a name, got {text!r}")
    whole = re.fullmatch(r"(.+)/priors/([^/]+)", text)
    for name, part in ((text, None), whole.groups() if whole else (text, None)):
        path, shipped = Path(name), config.SHIPPED / name
        is_shipped = isinstance(where, str) and name in config.shipped_names()
        # A data set of the same name may well lie here: only a model goes before what ships.
        if os.path.exists(path) and ((path / CONFIG).is_file() or not (is_shipped or part)):
            return path, part
        if is_shipped:
            return shipped, part
    return None, None


def _models_beside(where: str | Path) -> list[str]:
    folder = Path(where).parent
    # A single name may be anything.
    if "/" not in str(where) or not os.path.isdir(folder):
        return []
    return [str(path) for path in sorted(folder.iterdir()) if (path / CONFIG).is_file()]


def _suggest(where: str | Path, beside: list[str]) -> str:
    names = beside if "/" in str(where) else config.shipped_names()
    close = difflib.get_close_matches(str(where), names, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    if "/" not in str(where):
        return f", and no model of that name ships with the package (these do: {', '.join(names)})"
    return ""


def _read_folder(path: Path, part: str | None, label: str | Path) -> Package:
    if not (path / CONFIG).is_file() and not (path / WEIGHTS).exists():
        if (path / ASTEROID_FILE).is_file():
            return _read_pickle(path / ASTEROID_FILE, part)
    settings = read_config(path, label)
    if "priors" in settings:
        package = _read_parts(path, settings, part, label)
    else:
        priors = settings.get("model_args", {}).get("priors", {})
        _check_part(part, priors, label)
        prefix = f"priors.{list(priors).index(part)}." if part else ""
        settings, state = read_model(path, label, prefix)
        kept = ("model_name", "license", "card", "cards")
        package = {key: settings[key] for key in kept if key in settings}
        package |= {"model_args": settings.get("model_args", {}), "state_dict": state}
        package = _pick(package, part) if part else package
    return package | {"licenses": read_licenses(path)}


def _read_parts(
    path: Path, settings: dict[str, Any], part: str | None, label: str | Path
) -> Package:
    # A separator of format 1 whose priors lie in folders of their own.
    places = settings["priors"]
    _check_part(part, places, label)
    args: Package = {}
    cards: Package = {}
    state: Package = {}
    for i, (name, place) in enumerate(places.items()):
        if part in (None, name):
            folder = part_folder(path, place, label)
            prior, tensors = read_model(folder, f"{label}/priors/{folder.name}")
            if prior["model_name"] != PRIOR:
                raise ValueError(f"{label}: {place} must hold a {PRIOR}, got {prior['model_name']}")
            args[name] = prior.get("model_args", {})
            cards |= {name: prior["card"]} if "card" in prior else {}
            state |= {f"priors.{i}.{key}": value for key, value in tensors.items()}
    kept = ("model_name", "license", "card")
    package: Package = {key: settings[key] for key in kept if key in settings}
    package["model_args"] = {**settings.get("model_args", {}), "priors": args}
    package |= {"state_dict": state, "cards": cards}
    if part:
        state = {key.split(".", 2)[2]: value for key, value in state.items()}
        return _pick(package | {"state_dict": state}, part)
    return package


def _read_pickle(path: Path, part: str | None) -> Package:
    package = load_pickle(path)
    args = package.get("model_args", {})
    if not isinstance(args, dict):
        raise ValueError(f"{path}: model_args must be a dict, got {args!r}")
    check_model_args(args, str(path))
    if not part:
        return package
    priors = args.get("priors", {})
    _check_part(part, priors, path)
    head = f"priors.{list(priors).index(part)}."
    state = package.get("state_dict", {}).items()
    state = {key.removeprefix(head): value for key, value in state if key.startswith(head)}
    return _pick(package | {"state_dict": state}, part)


def _pick(package: Package, part: str) -> Package:
    # The package of one prior, from its separator's with the weights of that prior alone.
    picked = {"model_name": PRIOR, "model_args": package["model_args"]["priors"][part]}
    card = package.get("cards", {}).get(part)
    of_all = package.get("license") or (package.get("card") or {}).get("license")
    license_ = (card or {}).get("license") or of_all
    return picked | {"state_dict": package["state_dict"], "card": card, "license": license_}


def _check_part(part: str | None, priors: Any, label: str | Path) -> None:
    if part is not None and (not isinstance(priors, dict) or part not in priors):
        known = ", ".join(map(str, priors)) if isinstance(priors, dict) and priors else "none"
        raise FileNotFoundError(f"{label} has no prior {part}; its priors are {known}")
