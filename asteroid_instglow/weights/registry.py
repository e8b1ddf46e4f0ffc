"""Names of the model classes: found by name, and made known to Asteroid."""

import importlib
import importlib.machinery
import sys
from typing import Any

# Class name to module, imported when asked for.
MODELS = {
    "GlowPrior": "prior",
    "GenerativeSeparator": "separator",
    "JointEncoder": "encoder.joint",
}
BASELINES = {
    "KLNMF": "baselines.nmf",
    "GanPrior": "baselines.gan",
    "ConvTasNetBaseline": "baselines.conv_tasnet",
    "OpenUnmixBaseline": "baselines.open_unmix",
    "DemucsV2": "baselines.demucs_v2",
    "WaveUNet": "baselines.wave_u_net",
}
_PACKAGE = __name__.partition(".")[0]
_ASTEROID = "asteroid.models"


def model_class(name: str) -> Any:
    """Returns the prior, separator or joint encoder class of a name, or None."""
    module = MODELS.get(name)
    return module and getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)


def register(cls: type) -> None:
    """Makes a class known to ``asteroid.models.get``; again after a reload, without complaint."""
    models = importlib.import_module(_ASTEROID)
    if getattr(models, cls.__name__, None) is None:
        models.register_model(cls)
    else:
        setattr(models, cls.__name__, cls)


def register_all() -> None:
    """Imports every model class, which registers it."""
    for module in (*MODELS.values(), *BASELINES.values()):
        importlib.import_module(f"{_PACKAGE}.{module}")


def register_later() -> None:
    """Registers the model classes as soon as Asteroid's models are imported.

    Until then neither Asteroid nor torch is imported, which takes seconds.
    """
    if _ASTEROID in sys.modules:
        register_all()
    elif not any(isinstance(finder, _AfterAsteroid) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterAsteroid())


class _AfterAsteroid:
    """Import hook that calls :func:`register_all` once ``asteroid.models`` is there."""

    def find_spec(self, name, path=None, target=None):
        if name != _ASTEROID:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                # One of our own modules is being imported: its classes register themselves.
                if f"{_PACKAGE}.weights.base" not in sys.modules:
                    register_all()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
