"""Packages that separating does not need, and the extra that installs each."""

from importlib.util import find_spec

EXTRAS = {
    "gradio": "app",
    "jinja2": "evaluation",
    "librosa": "evaluation",
    "matplotlib": "evaluation",
    "museval": "evaluation",
    "musdb": "recipes",
    "tensorboard": "train",
    "openunmix": "baselines",
    "demucs": "baselines",
    "onnx": "export",
    "fsspec": "ray",
    "ray": "ray",
}


def install_hint(name: str) -> str:
    """Returns the command that installs a package of :data:`EXTRAS`, or "".

    Examples:
        >>> install_hint("librosa")
        "install it with: pip install 'asteroid-instglow[evaluation]'"
    """
    extra = EXTRAS.get(name.partition(".")[0])
    return f"install it with: pip install 'asteroid-instglow[{extra}]'" if extra else ""


def check_installed(*names: str) -> None:
    """Raises ModuleNotFoundError if a package of :data:`EXTRAS` is missing; imports none.

    Examples:
        >>> check_installed("matplotlib")
    """
    for name in names:
        if find_spec(name) is None:
            raise ModuleNotFoundError(install_hint(name), name=name)
