"""What priors and separators share: ``save_pretrained``, ``from_pretrained``, ``push_to_hub``."""

from pathlib import Path
from typing import Any

from asteroid.models import BaseModel

from ..utils.files import scratch_folder
from . import hub
from .building import PACKAGE, build_model
from .card import Card
from .examples import copy_examples, find_examples
from .folder import staged
from .reading import PRIOR, read_package
from .registry import BASELINES, MODELS, model_class, register
from .writing import fill_folder, has_priors


class PretrainedModel(BaseModel):
    """Asteroid model that is saved without code: to a folder, to the Hub, and back.

    Subclasses are registered with Asteroid.

    Attributes:
        card (Card | None): The author's description; saved with the model.
        license (str | None): The licence of the weights, "cc-by-nc-sa-4.0" say.
        licenses (dict[str, str]): Name and text of each licence file; saved with the model.
    """

    card: Card | None = None
    license: str | None = None
    licenses: dict[str, str] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__name__ in (*MODELS, *BASELINES):
            register(cls)

    def serialize(self) -> dict[str, Any]:
        """Returns Asteroid's package, of plain types only, so that a weights-only load takes it."""
        package = super().serialize()
        versions = package["infos"]["software_versions"]
        package["infos"]["software_versions"] = {k: str(v) for k, v in versions.items()}
        if self.card is not None:
            package["card"] = self.card.to_dict()
        if self.license is not None:
            package["license"] = self.license
        return package

    def save_pretrained(
        self,
        folder: str | Path,
        card: Card | dict | None = None,
        half: bool = False,
        with_bin: bool = False,
        hub_name: str | None = None,
    ) -> Path:
        """Writes ``config.json`` and ``model.safetensors``, all at once.

        Equal tensors, such as the body that the encoders of several priors have in common, are
        stored once.

        Args:
            folder (str | Path): The folder, created if it does not exist.
            card (Card | dict, optional): Also write ``README.md``, the model card; by default the
                card that the model was loaded with. It shows the audio and the pictures in the
                folder's ``examples/``.
            half (bool): Store the weights in 16 bits; they load as float32.
            with_bin (bool): Also write ``pytorch_model.bin``, for plain Asteroid.
            hub_name (str, optional): Name on the Hub to use in the card.

        Returns:
            Path: The folder.

        Raises:
            ValueError: If the card is not right, or a weight exceeds 16 bits. Nothing is written.

        Examples:
            >>> from asteroid_instglow import GlowPrior
            >>> prior = GlowPrior.from_pretrained("priors/bass")
            >>> prior.save_pretrained("copies/bass", card={"license": "mit"}).name
            'bass'
        """
        with staged(folder) as stage:
            examples = find_examples(folder)
            fill_folder(stage, self, Card.of(card) or self.card, half, with_bin, hub_name, examples)
        return Path(folder)

    def push_to_hub(
        self,
        repo_id: str,
        private: bool = False,
        token: str | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        card: Card | dict | None = None,
        half: bool = False,
        examples: str | Path | None = None,
    ) -> str:
        """Publishes the model as one commit: all of it or nothing.

        Args:
            repo_id (str): "user/name", created if it does not exist.
            private (bool): Create a private repository.
            token (str, optional): By default that of ``hf auth login`` or ``HF_TOKEN``.
            revision (str, optional): Branch, created if it does not exist; by default "main".
            commit_message (str, optional): By default it names the model.
            card (Card | dict, optional): By default that of the model.
            half (bool): Store the weights in 16 bits.
            examples (str | Path, optional): Folder of audio and pictures to send along, which the
                card shows; see :func:`.examples.copy_examples`.

        Returns:
            str: "user/name@commit", which :meth:`from_pretrained` takes.

        Raises:
            PermissionError, ConnectionError, ValueError: See :func:`.hub.upload`.

        Examples:
            .. code-block:: python

                prior.push_to_hub("user/bass", card={"license": "mit"})
                # 'user/bass@5c9cbb3d7ee0c5b9cbbc7c9ee4a4e5ae9d53c2a1'
        """
        name = hub.hub_name(repo_id, revision)
        with scratch_folder() as folder:
            card = Card.of(card) or self.card or Card()
            if examples is not None:
                copy_examples(examples, folder / "model")
            stage = self.save_pretrained(folder / "model", card, half, True, name)
            message = commit_message or f"Upload {type(self).__name__}"
            return hub.upload(stage, repo_id, private, token, revision, message)

    @classmethod
    def from_pretrained(
        cls,
        pretrained: Any,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **model_args: Any,
    ) -> Any:
        """Loads a model; runs nothing that it reads.

        Args:
            pretrained (str | Path | dict): A folder; a file written by ``torch.save`` of
                :meth:`serialize`; the name of a model that ships with the package; one on the Hub,
                "user/name" or "user/name@revision"; the serialised dict itself; for a separator
                also a dict from the name of each source to its prior (any of these, or a model).
                One prior of a separator is "priors/<source>" below it: "user/name/priors/bass".
            revision (str, optional): Branch, tag or commit on the Hub.
            token (str, optional): For a private or gated repository; by default that of ``hf auth
                login`` or ``HF_TOKEN``.
            cache_dir (str | Path, optional): Folder of downloads.
            local_files_only (bool): Use no network.
            **model_args: Replace saved arguments of the constructor.

        Returns:
            PretrainedModel: In evaluation mode.

        Raises:
            FileNotFoundError: If there is nothing of that name, or not without a network.
            PermissionError: If it is gated, or the token is refused.
            ConnectionError: If it has to be downloaded and cannot be.
            ValueError: If it is damaged, of a newer format, or of another kind.

        Examples:
            >>> from asteroid_instglow import GlowPrior
            >>> GlowPrior.from_pretrained("minislakh/priors/bass").source
            'bass'
        """
        access = hub.Access(revision, token, cache_dir, local_files_only)
        if not isinstance(pretrained, dict):
            package = read_package(pretrained, access)
            return build_model(cls, package, model_args, pretrained)
        if revision is not None:
            raise ValueError(f"revision is for one name on the Hub, got {revision!r} for a dict")
        if not has_priors(cls) or set(PACKAGE) & set(pretrained):
            return build_model(cls, pretrained, model_args)
        priors = {name: _load_prior(name, prior, access) for name, prior in pretrained.items()}
        return cls(priors, **model_args).eval()


def load_model(
    pretrained: str | Path,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Any:
    """Loads the prior or separator behind a name or path.

    Args:
        pretrained, revision, token, cache_dir, local_files_only: See
            :meth:`PretrainedModel.from_pretrained`.

    Examples:
        >>> load_model("minislakh").sources
        ['bass', 'drums', 'guitar', 'piano']
    """
    package = read_package(pretrained, hub.Access(revision, token, cache_dir, local_files_only))
    name = package.get("model_name")
    if not isinstance(name, str) or name not in MODELS:
        kinds = " or ".join(sorted(MODELS))
        raise ValueError(f"{pretrained} must hold a {kinds}, got a {name}")
    return build_model(model_class(name), package, {}, pretrained)


def _load_prior(name: str, prior: Any, access: Any) -> Any:
    if isinstance(prior, dict):
        return build_model(model_class(PRIOR), prior, {}, f"prior {name!r}")
    if not isinstance(prior, (str, Path)):
        return prior
    model = load_model(prior, *access)
    if has_priors(model):
        raise ValueError(
            f"priors: {name!r} must be a prior, got a {type(model).__name__} in {prior}: "
            f"name one of its own, {prior}/priors/<source>"
        )
    return model
