"""What priors and separators share: plain-type serialisation, folders, ``from_pretrained``."""

import copy
import pickle
from pathlib import Path

import torch
from asteroid import models
from asteroid.models import BaseModel

from .folder import read_model, write_model


class PretrainedModel(BaseModel):
    """Asteroid model that saves to and loads from a folder without executing code."""

    def serialize(self):
        """As Asteroid's, with plain types only, so that a weights-only load takes it."""
        package = super().serialize()
        versions = package["infos"]["software_versions"]
        package["infos"]["software_versions"] = {k: str(v) for k, v in versions.items()}
        return package

    def save_pretrained(self, folder):
        """Writes ``config.json`` and ``model.safetensors``.

        Args:
            folder (str | Path): Made if need be.

        Returns:
            Path: The folder.
        """
        config = {"model_name": type(self).__name__, "model_args": self.get_model_args()}
        return write_model(folder, config, self.state_dict())

    @classmethod
    def from_pretrained(cls, pretrained, **model_args):
        """Loads a model; nothing that it reads is executed.

        Args:
            pretrained (str | Path | dict): A folder, a file written by ``torch.save`` of
                :meth:`serialize` (weights-only), or the serialised dict itself.
            **model_args: Override the saved arguments of the constructor.

        Returns:
            PretrainedModel: In evaluation mode.

        Raises:
            FileNotFoundError: If there is nothing of that name.
            ValueError: If it is damaged or holds another kind of model.
        """
        if isinstance(pretrained, dict):
            package = copy.copy(pretrained)
        else:
            package = read_package(pretrained)
        missing = [k for k in ("model_name", "model_args", "state_dict") if k not in package]
        if missing:
            raise ValueError(f"pretrained must have {', '.join(missing)}, got {sorted(package)}")
        if package["model_name"] != cls.__name__:
            raise ValueError(
                f"pretrained must hold a {cls.__name__}, got a {package['model_name']}"
            )
        model = cls(**{**package["model_args"], **model_args})
        try:
            model.load_state_dict(package["state_dict"])
        except RuntimeError as error:
            raise ValueError(f"the weights do not fit their configuration: {error}") from error
        return model.eval()


def read_package(path):
    """The serialised dict behind a folder or a ``.pth`` file."""
    path = Path(path)
    if path.is_dir():
        config, state = read_model(path)
        return {**config, "state_dict": state}
    if not path.is_file():
        raise FileNotFoundError(f"there is no folder or file {path}")
    try:
        package = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no saved model: {error}") from error
    if not isinstance(package, dict):
        raise ValueError(f"{path} must hold a serialised model, got {type(package).__name__}")
    return package


def register(model_class):
    """Makes a class known to ``asteroid.models.get``, again without complaint after a reload."""
    if getattr(models, model_class.__name__, None) is None:
        models.register_model(model_class)
    else:
        setattr(models, model_class.__name__, model_class)
