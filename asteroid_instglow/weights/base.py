"""What priors and separators share: ``save_pretrained``, ``from_pretrained``, ``push_to_hub``."""

import tempfile
from pathlib import Path

from asteroid import models
from asteroid.models import BaseModel

from . import hub
from .card import Card
from .folder import ASTEROID_FILE, WEIGHTS, staged
from .reading import PRIOR, read_package
from .writing import fill_stage, fingerprint, has_priors, priors_of

KINDS = {}
_PACKAGE = ("model_name", "model_args", "state_dict")


class PretrainedModel(BaseModel):
    """Asteroid model that travels without code: to a folder, to the Hub, and back.

    Attributes:
        card (Card | None): What its author says of it; saved with it.
    """

    card = None
    # Where the weights came from, and their hash then.
    _reference = None

    def serialize(self):
        """As Asteroid's, with plain types only, so that a weights-only load takes it."""
        package = super().serialize()
        versions = package["infos"]["software_versions"]
        package["infos"]["software_versions"] = {k: str(v) for k, v in versions.items()}
        if self.card is not None:
            package["card"] = self.card.to_dict()
        return package

    def save_pretrained(
        self,
        folder,
        card=None,
        half=False,
        with_bin=False,
        split=False,
        embed=True,
        hub_name=None,
    ):
        """Writes ``config.json`` and ``model.safetensors``, all at once.

        Args:
            folder (str | Path): Made if need be.
            card (Card | dict, optional): Also write ``README.md``, the model card; by default the
                card that the model was loaded with.
            half (bool): Store the weights in 16 bits; they load as float32.
            with_bin (bool): Also write ``pytorch_model.bin``, for plain Asteroid.
            split (bool): Store each prior of a separator in a folder of its own, so that one can be
                loaded alone without reading the others.
            embed (bool): False: let a separator refer to those of its priors that came from the
                Hub and have not changed.
            hub_name (str, optional): Name on the Hub to use in the card.

        Returns:
            Path: The folder.

        Raises:
            ValueError: If the card is not right, or a weight exceeds 16 bits. Nothing is written.

        Examples
            >>> prior.save_pretrained("priors/bass", card={"license": "mit"})  # doctest: +SKIP
            PosixPath('priors/bass')
        """
        card = Card.of(card) or self.card
        with staged(folder) as stage:
            fill_stage(stage, self, card, half, with_bin, split, embed, hub_name)
        return Path(folder)

    def push_to_hub(
        self,
        repo_id,
        private=False,
        token=None,
        revision=None,
        commit_message=None,
        card=None,
        half=False,
        embed=False,
    ):
        """Publishes the model as one commit: all of it or nothing.

        A separator refers to those of its priors that came from the Hub, at the commit that they
        came from, and holds the others.

        Args:
            repo_id (str): "user/name", made if need be.
            private (bool): Make it private.
            token (str, optional): By default that of ``hf auth login`` or ``HF_TOKEN``.
            revision (str, optional): Branch, made if need be; by default "main".
            commit_message (str, optional): By default it names the model.
            card (Card | dict, optional): By default that of the model.
            half (bool): Store the weights in 16 bits.
            embed (bool): Hold all priors.

        Returns:
            str: "user/name@commit", what :meth:`from_pretrained` takes.

        Raises:
            PermissionError, ConnectionError, ValueError: See :func:`asteroid_instglow.weights.hub.upload`.

        Examples
            >>> prior.push_to_hub("user/bass", card={"license": "mit"})  # doctest: +SKIP
            'user/bass@5c9cbb3d7ee0c5b9cbbc7c9ee4a4e5ae9d53c2a1'
        """
        hub.check_repo_id(repo_id)
        with tempfile.TemporaryDirectory() as folder:
            stage = Path(folder, "model")
            name = f"{repo_id}@{revision}" if revision else repo_id
            card = Card.of(card) or self.card or Card()
            self.save_pretrained(stage, card, half, with_bin=True, embed=embed, hub_name=name)
            message = commit_message or f"Upload {type(self).__name__}"
            reference = push_folder(stage, repo_id, private, token, revision, message)
        if not half:
            self._reference = (reference, fingerprint(self))
        return reference

    @classmethod
    def from_pretrained(
        cls,
        pretrained,
        revision=None,
        token=None,
        cache_dir=None,
        local_files_only=False,
        **model_args,
    ):
        """Loads a model; nothing that it reads is executed.

        Args:
            pretrained (str | Path | dict): A folder; a file written by ``torch.save`` of
                :meth:`serialize`; the name of a model that ships with the package; one on the Hub,
                "user/name" or "user/name@revision"; the serialised dict itself; for a separator
                also name of each source to its prior (any of these, or the prior itself). One prior
                of a separator is "priors/<source>" below it: "user/name/priors/bass".
            revision (str, optional): Branch, tag or commit on the Hub.
            token (str, optional): For a private or gated repository; by default that of ``hf auth
                login`` or ``HF_TOKEN``.
            cache_dir (str | Path, optional): Where downloads are kept.
            local_files_only (bool): Use no network.
            **model_args: Override the saved arguments of the constructor.

        Returns:
            PretrainedModel: In evaluation mode.

        Raises:
            FileNotFoundError: If there is nothing of that name, or not without a network.
            PermissionError: If it is gated, or the token is refused.
            ConnectionError: If it has to be downloaded and cannot be.
            ValueError: If it is damaged, tampered with, of a newer format, or of another kind.

        Examples
            >>> GlowPrior.from_pretrained("priors/bass").source  # doctest: +SKIP
            'bass'
        """
        access = {"token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
        if isinstance(pretrained, dict):
            if revision is not None:
                raise ValueError(
                    f"revision is for one name on the Hub, got {revision!r} for a dict"
                )
            if has_priors(cls) and not set(_PACKAGE) & set(pretrained):
                priors = {n: _load_prior(n, p, **access) for n, p in pretrained.items()}
                return cls(priors, **model_args).eval()
            return _build(cls, pretrained, model_args)
        return _build(cls, read_package(pretrained, revision, **access), model_args, pretrained)


def load_model(pretrained, revision=None, token=None, cache_dir=None, local_files_only=False):
    """The prior or separator behind a name or path; see :meth:`PretrainedModel.from_pretrained`.

    Examples
        >>> type(load_model("minislakh"))  # doctest: +SKIP
        <class 'asteroid_instglow.separator.GenerativeSeparator'>
    """
    package = read_package(pretrained, revision, token, cache_dir, local_files_only)
    kind = KINDS.get(package.get("model_name"))
    if kind is None:
        kinds = " or ".join(sorted(KINDS))
        raise ValueError(f"{pretrained} must hold a {kinds}, got a {package.get('model_name')}")
    return _build(kind, package, {}, pretrained)


def push_folder(folder, repo_id, private=False, token=None, revision=None, message=None):
    """Sends a folder of :meth:`PretrainedModel.save_pretrained` as one commit.

    It takes the place of the model that was there; see :func:`asteroid_instglow.weights.hub.upload`.

    Returns:
        str: "user/name@commit".

    Examples
        >>> push_folder("priors/bass", "user/bass")  # doctest: +SKIP
        'user/bass@5c9cbb3d7ee0c5b9cbbc7c9ee4a4e5ae9d53c2a1'
    """
    replaces = (WEIGHTS, ASTEROID_FILE, "priors/*")
    commit = hub.upload(folder, repo_id, private, token, revision, message, replaces)
    return f"{repo_id}@{commit}"


def register(model_class):
    """Makes a class known to ``asteroid.models.get``, again without complaint after a reload."""
    KINDS[model_class.__name__] = model_class
    if getattr(models, model_class.__name__, None) is None:
        models.register_model(model_class)
    else:
        setattr(models, model_class.__name__, model_class)


def _build(cls, package, model_args, where="the dict"):
    missing = [k for k in _PACKAGE if k not in package]
    if missing:
        raise ValueError(
            f"pretrained must have {', '.join(missing)}, got {sorted(package)} in {where}"
        )
    saved = package["model_args"]
    if package["model_name"] != cls.__name__:
        raise ValueError(
            f"pretrained must hold a {cls.__name__}, got a {package['model_name']} in {where}"
            + _hint(cls, package, where)
        )
    try:
        model = cls(**{**saved, **model_args})
    except TypeError as error:
        if model_args:
            raise  # It may be these that are wrong.
        raise ValueError(f"{where} was saved with other arguments than this: {error}") from error
    try:
        model.load_state_dict(package["state_dict"])
    except (RuntimeError, TypeError) as error:
        text = " ".join(str(error).split())
        raise ValueError(f"{where}: the weights do not fit their configuration: {text}") from error
    model.eval()
    # With other arguments it is no longer what the repository has.
    _label(model, package | ({"reference": None} if model_args else {}))
    priors = priors_of(model)
    for name, part in package.get("parts", {}).items():
        _label(priors[name], part)
    return model


def _hint(cls, package, where):
    name, saved = package["model_name"], package["model_args"]
    if name not in KINDS:
        return "; asteroid.models.BaseModel.from_pretrained loads what is Asteroid's own"
    if has_priors(cls):
        source = saved.get("source", "source")
        return (
            f"; it is one prior: {name}.from_pretrained loads it, and "
            f'{cls.__name__}.from_pretrained({{"{source}": "{where}", ...}}) makes a separator'
        )
    if has_priors(KINDS[name]):
        names = ", ".join(saved.get("priors", ()))
        return f"; its priors are {where}/priors/<source> of {names}"
    return ""


def _label(model, package):
    model.card = Card.of(package.get("card"))
    if package.get("reference"):
        model._reference = (package["reference"], fingerprint(model))


def _load_prior(name, prior, **access):
    if isinstance(prior, (str, Path)):
        model = load_model(prior, **access)
        if has_priors(model):
            raise ValueError(
                f"priors: {name!r} must be a prior, got a {type(model).__name__} in {prior}: "
                f"name one of its own, {prior}/priors/<source>"
            )
        return model
    return _build(KINDS[PRIOR], prior, {}, f"prior {name!r}") if isinstance(prior, dict) else prior
