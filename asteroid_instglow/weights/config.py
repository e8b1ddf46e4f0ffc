"""``config.json`` of a model folder: read and checked without torch, and found in the package."""

from importlib import resources
from pathlib import Path
from typing import Any

from ..utils.files import read_json

CONFIG = "config.json"
FORMAT = 2
MAX_CONFIG = 16 << 20  # bytes
# What a model's arguments may be, wherever they occur: more is a mistake or an attack.
LIMITS = {
    "sample_rate": (1, 768_000),
    "n_fft": (2, 1 << 17),
    "hop_length": (1, 1 << 17),
    "n_iter": (1, 1_000_000),
}
SHIPPED = Path(str(resources.files(__package__))) / "shipped"


def shipped_names() -> list[str]:
    """Returns the names of the models that ship with the package.

    Examples:
        >>> "minislakh" in shipped_names()
        True
    """
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))


def read_config(folder: str | Path, label: str | Path | None = None) -> dict[str, Any]:
    """Reads and checks the ``config.json`` of a model folder; see :func:`.folder.read_model`."""
    path = Path(folder) / CONFIG
    label = label or folder
    if not path.is_file():
        raise FileNotFoundError(f"{label} has no {CONFIG}: it is not a prior or separator")
    if path.stat().st_size > MAX_CONFIG:
        raise ValueError(f"{label}: {CONFIG} is damaged: it is larger than {MAX_CONFIG} bytes")
    try:
        config = read_json(path)
    except ValueError as error:
        raise ValueError(f"{label}: {CONFIG} is damaged: {error}") from error
    if not isinstance(config.get("model_name"), str):
        raise ValueError(f"{label} is not a prior or separator: its {CONFIG} describes none")
    version = config.get("format", 1)
    if not isinstance(version, int) or version > FORMAT:
        raise ValueError(
            f"{label} has format {version!r}, this version reads up to {FORMAT}: "
            "upgrade asteroid_instglow"
        )
    for name in ("model_args", "sha256", "priors", "cards", "card"):
        if not isinstance(config.get(name, {}), dict):
            raise ValueError(f"{label}: {CONFIG}: {name} must be an object, got {config[name]!r}")
    if not isinstance(config.get("license", ""), str):
        raise ValueError(f"{label}: {CONFIG}: license must be a string, got {config['license']!r}")
    check_model_args(config.get("model_args", {}), f"{label}: {CONFIG}")
    return config


def check_model_args(value: Any, label: str, name: str = "model_args") -> None:
    """Refuses saved arguments that no model has: NaN, and numbers beyond :data:`LIMITS`."""
    if isinstance(value, dict):
        for key, item in value.items():
            check_model_args(item, label, str(key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_model_args(item, label, name)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        least, most = LIMITS.get(name, (-(1 << 63), 1 << 64))
        if not least <= value <= most:
            raise ValueError(f"{label}: {name} must be from {least} to {most}, got {value!r}")
