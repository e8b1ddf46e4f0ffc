"""Reads a model, whatever it is stored as, into one *package*: the dict that Asteroid serialises.

"model_name", "model_args" and "state_dict"; and where they are known "card", "reference" (the
repository and commit that it came from) and "parts" (those two of each prior of a separator).
"""

import re
from importlib import resources
from pathlib import Path

from . import hub
from .folder import (
    ASTEROID_FILE,
    CONFIG,
    WEIGHTS,
    load_pickle,
    part_folder,
    read_config,
    read_model,
)

SHIPPED = Path(str(resources.files(__package__))) / "shipped"
# What a separator rebuilds from plain arguments.
PRIOR = "GlowPrior"


def read_package(where, revision=None, token=None, cache_dir=None, local_files_only=False):
    """The package behind a path or a name; nothing in it is run.

    A string is looked for among files, then among what ships with the package, then on the Hub; a
    Path among files only.

    Args:
        where, revision, token, cache_dir, local_files_only: See
            :meth:`~asteroid_instglow.weights.base.PretrainedModel.from_pretrained`.

    Returns:
        dict: The package.

    Examples
        >>> read_package("user/bass@v1")["model_name"]  # doctest: +SKIP
        'GlowPrior'
    """
    access = {"token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
    path, part = _find(where)
    if path is not None:
        if revision is not None:
            raise ValueError(f"revision is for the Hub, got {revision!r} with the local {where}")
        if path.is_file():
            return _from_pickle(path, part)
        return _read(_LocalFolder(path, str(where)), part, access)
    name = hub.parse_name(where) if isinstance(where, str) else None
    if name is None:
        raise FileNotFoundError(f"there is no folder or file {where}" + _list_shipped(where))
    if name.revision and revision not in (None, name.revision):
        raise ValueError(f"revision must be that of {where}, or not given, got {revision!r}")
    try:
        return _read_hub(name._replace(revision=name.revision or revision), access)
    except (hub.NoRepository, hub.NotCached) as error:
        raise type(error)(f"there is no folder or file {where}, and {error}") from error
    except ConnectionError as error:
        raise ConnectionError(f"there is no folder or file {where}, and {error}") from error


def shipped_names():
    """Names of the models that ship with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))


class _LocalFolder:
    """Files of a folder."""

    reference = None

    def __init__(self, path, label):
        self.path, self.label = path, label

    def get(self, *names):
        for name in names:
            if not (self.path / name).is_file():
                raise hub.NoFile(f"{self.label} has no {name}")
        return self.path

    def names(self):
        return [path.name for path in self.path.iterdir()]


class _HubFolder:
    """Files of a repository, all of the commit that the first of them had."""

    def __init__(self, repo_id, revision, access):
        self.repo_id, self.revision, self.access = repo_id, revision, access
        self.label = f"{repo_id}@{revision}" if revision else repo_id

    @property
    def reference(self):
        return f"{self.repo_id}@{self.revision}"

    def get(self, *names):
        folder = hub.download(self.repo_id, names, self.revision, **self.access)
        self.revision = folder.name
        return folder

    def names(self):
        return hub.list_files(self.repo_id, self.revision, self.access["token"])


def _find(where):
    """Folder or file of a path or of what ships with the package, and the part of it."""
    text = str(where)
    if not text:
        raise FileNotFoundError("pretrained must be a path or a name, got an empty string")
    whole = re.fullmatch(r"(.+)/priors/([^/]+)", text)
    for name, part in ((text, None), whole.groups() if whole else (text, None)):
        path, shipped = Path(name), SHIPPED / name
        is_shipped = (
            isinstance(where, str)
            and re.fullmatch(r"\w[\w-]*", name)
            and (shipped / CONFIG).is_file()
        )
        # A data set of the same name may well lie here: only a model goes before what ships.
        if path.exists() and ((path / CONFIG).is_file() or not (is_shipped or part)):
            return path, part
        if is_shipped:
            return shipped, part
    return None, None


def _list_shipped(where):
    if not isinstance(where, str) or "/" in where:
        return ""
    names = ", ".join(shipped_names()) or "none"
    return f", and no model of that name ships with the package (these do: {names})"


def _read_hub(name, access):
    folder = _HubFolder(name.repo_id, name.revision, access)
    return _read(folder, name.part, access)


def _read(folder, part, access):
    try:
        path = folder.get(CONFIG)
    except hub.NoFile as error:
        names = folder.names()
        if ASTEROID_FILE in names and WEIGHTS not in names:
            return _from_pickle(folder.get(ASTEROID_FILE) / ASTEROID_FILE, part)
        raise FileNotFoundError(
            f"{folder.label} has no {CONFIG}: it is not a prior or separator"
        ) from error
    config = read_config(path, folder.label)
    if "priors" not in config:
        folder.get(WEIGHTS)
        package = _package(*read_model(path, folder.label), folder.reference)
        return _pick(package, part, folder.label) if part else package
    places = config["priors"]
    _check_part(part, places, folder.label)
    wanted = {n: place for n, place in places.items() if part in (None, n)}
    parts = {n: _read_part(folder, n, place, access) for n, place in wanted.items()}
    return parts[part] if part else _join(config, parts, folder.reference)


def _read_part(folder, name, place, access):
    """The package of one prior that a separator in ``folder`` holds or refers to."""
    where = part_folder(place)
    if where is None:
        repository = hub.parse_name(place)
        if repository is None:
            raise ValueError(f"{folder.label}: priors: {place!r} is not the name of a repository")
        package = _read_hub(repository, access)
    else:
        path = folder.get(f"{where}/{CONFIG}", f"{where}/{WEIGHTS}")
        reference = _part_reference(folder.reference, name)
        package = _package(*read_model(path / where, f"{folder.label}/{where}"), reference)
    if package["model_name"] != PRIOR:
        raise ValueError(
            f"{folder.label}: {place} must hold a {PRIOR}, got a {package['model_name']}"
        )
    return package


def _package(config, state, reference):
    package = {"model_name": config["model_name"], "model_args": config.get("model_args", {})}
    package |= {"state_dict": state, "card": config.get("card"), "reference": reference}
    package["parts"] = {name: {"card": card} for name, card in config.get("cards", {}).items()}
    return package


def _from_pickle(path, part):
    package = load_pickle(path)
    if not isinstance(package.get("model_args", {}), dict):
        raise ValueError(f"{path}: model_args must be a dict, got {package['model_args']!r}")
    # Only what was read from the Hub came from there, whatever a file says.
    package = {k: v for k, v in package.items() if k not in ("reference", "parts")}
    return _pick(package, part, path) if part else package


def _join(config, parts, reference):
    """A separator's package from those of its priors."""
    args = {"priors": {name: part["model_args"] for name, part in parts.items()}}
    state = {
        f"priors.{i}.{name}": value
        for i, part in enumerate(parts.values())
        for name, value in part["state_dict"].items()
    }
    package = _package(
        {**config, "model_args": {**config.get("model_args", {}), **args}}, state, reference
    )
    package["parts"] = {
        name: {key: part.get(key) for key in ("card", "reference")} for name, part in parts.items()
    }
    return package


def _pick(package, name, label):
    """One prior's package out of its separator's."""
    priors = package.get("model_args", {}).get("priors", {})
    _check_part(name, priors, label)
    head = f"priors.{list(priors).index(name)}."
    state = package["state_dict"]
    return {
        "model_name": PRIOR,
        "model_args": priors[name],
        "state_dict": {k.removeprefix(head): v for k, v in state.items() if k.startswith(head)},
        "card": package.get("parts", {}).get(name, {}).get("card"),
        "reference": _part_reference(package.get("reference"), name),
    }


def _part_reference(reference, name):
    reference = reference and reference.replace("@", f"/priors/{name}@", 1)
    return reference if reference and hub.parse_name(reference) else None


def _check_part(name, priors, label):
    if name is not None and name not in priors:
        known = ", ".join(priors) or "none"
        raise FileNotFoundError(f"{label} has no prior {name}; its priors are {known}")
