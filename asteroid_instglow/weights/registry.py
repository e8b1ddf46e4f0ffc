"""Names of the model classes: found by name, and made known to Asteroid."""

import functools
import importlib
import importlib.machinery
import sys
from typing import Any

# Class name to module, imported when asked for.
MODELS = {"GlowPrior": "prior", "GenerativeSeparator": "separator", "JointEncoder": "encoder.joint"}
BASELINES = {
    "KLNMF": "baselines.nmf",
    "GanPrior": "baselines.gan",
    "ConvTasNetBaseline": "baselines.conv_tasnet",
    "OpenUnmixBaseline": "baselines.open_unmix",
    "DemucsV2": "baselines.demucs_v2",
    "WaveUNet": "baselines.wave_u_net",
}
# Bounds, which Asteroid need not know.
ORACLES = dict.fromkeys(
    ("EqualShares", "IdealRatioMask", "IdealWiener", "IdealMultichannelWiener"), "baselines.oracles"
)
_PACKAGE = __name__.partition(".")[0]
_ASTEROID = "asteroid.models"


def model_class(name: str) -> Any:
    """Returns the class of a name in one of the tables above; imports its module."""
    module = {**MODELS, **BASELINES, **ORACLES}[name]
    return getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)


def register(cls: type) -> None:
    """Makes a class known to ``asteroid.models.get``; again after a reload, without complaint."""
    models = importlib.import_module(_ASTEROID)
    if getattr(models, cls.__name__, None) is None:
        models.register_model(cls)
    else:
        setattr(models, cls.__name__, cls)


def register_later() -> None:
    """Lets ``asteroid.models.get`` find our models, now or as soon as Asteroid is imported.

    Until then neither Asteroid nor torch is imported, which takes seconds; a model's module is
    imported when the model is asked for.
    """
    if _ASTEROID in sys.modules:
        _extend(sys.modules[_ASTEROID])
    elif not any(isinstance(finder, _AfterAsteroid) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterAsteroid())


def _extend(models: Any) -> None:
    # Asteroid looks names up among the classes that have been registered.
    get, names = models.get, {name.lower(): name for name in (*MODELS, *BASELINES)}
    if hasattr(get, "__wrapped__"):
        return

    @functools.wraps(get)
    def get_or_import(identifier: Any) -> Any:
        if isinstance(identifier, str) and identifier.lower() in names:
            register(model_class(names[identifier.lower()]))
        return get(identifier)

    models.get = get_or_import


class _AfterAsteroid:
    """Import hook that calls :func:`_extend` once ``asteroid.models`` has been imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _ASTEROID:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_extend(module: Any) -> None:
                execute(module)
                _extend(module)

            setattr(spec.loader, "exec_module", execute_and_extend)  # noqa: B010
        return spec
