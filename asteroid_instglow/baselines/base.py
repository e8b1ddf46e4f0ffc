"""The interface of all systems that the package is compared with."""

import copy
import dataclasses
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ..adapter import Separator
from ..audio.resampling import MAX_RATE, check_rate
from ..audio.stft import check_stft
from ..options import check_option_names
from ..utils.checks import check_above_zero, check_between, check_name, check_whole
from ..utils.extras import check_installed
from ..weights.base import PretrainedModel

MAX_SOURCES = 256
MAX_PARAMETERS = 2**30


@dataclass(frozen=True)
class PieceOptions:
    """Options of a separation; each can be overridden in a call.

    Args:
        chunk (float): Longest piece that is separated at once, in seconds.
        overlap (float): Crossfade between pieces in seconds, at most half of ``chunk``.
    """

    chunk: float = 20.0
    overlap: float = 1.0

    def __post_init__(self) -> None:
        check_above_zero("chunk", self.chunk)
        check_between("overlap", self.overlap, 0, self.chunk / 2)

    def updated(self, options: dict) -> "PieceOptions":
        """Returns a copy with ``options`` set; raises TypeError for unknown names."""
        check_option_names(options, [field.name for field in dataclasses.fields(self)])
        return dataclasses.replace(self, **options)


class Baseline(Separator, PretrainedModel):
    """A system that separates as :class:`~asteroid_instglow.GenerativeSeparator` does.

    It has the methods ``separate``, ``torch_separate``, ``file_separate`` and ``forward_wav``, and
    is saved and loaded like a separator (a folder with ``config.json`` and ``model.safetensors``).
    Subclasses take plain arguments, among them ``sources`` and ``sample_rate``, and define
    ``_solve`` and :meth:`fit`.

    Args:
        arguments (dict): Arguments of the subclass's constructor, see
            :func:`constructor_arguments`.

    Attributes:
        kind (str): "source-only", "supervised" or "oracle".
        defaults (dict): Defaults of the training: "n_steps", "batch_size", "segment" (seconds) and
            "lr", where they apply.
        sums_up (bool): Whether the sources sum to the mixture.
        sizes (dict): Largest value of each argument that is a size; the smallest is 1.
    """

    kind: str = ""
    defaults: dict[str, float] = {}
    sums_up: bool = False
    sizes: dict[str, int] = {}

    def __init__(self, arguments: dict[str, Any]):
        sources = arguments["sources"]
        if not isinstance(sources, (list, tuple)) or not 0 < len(sources) <= MAX_SOURCES:
            raise ValueError(f"sources must be a list of 1 to {MAX_SOURCES} names, got {sources!r}")
        sources = [check_name("source", name) for name in sources]
        if len(set(sources)) < len(sources):
            raise ValueError(f"sources must be different names, got {sources}")
        check_rate("sample_rate", arguments["sample_rate"], MAX_RATE)
        for name, most in self.sizes.items():
            check_whole(name, arguments[name], 1, most)
        if "n_fft" in arguments:
            check_stft(arguments["n_fft"], arguments["hop_length"])
        super().__init__(sample_rate=arguments["sample_rate"], in_channels=None)
        self._arguments = {**arguments, "sources": sources}
        self.options = PieceOptions()

    @property
    def sources(self) -> list[str]:
        """Names of the sources in the order of the output."""
        return self._arguments["sources"]

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def get_model_args(self) -> dict[str, Any]:
        """Returns plain arguments that rebuild this model."""
        return copy.deepcopy(self._arguments)

    def _sums_up(self, options: Any) -> bool:
        return self.sums_up

    @classmethod
    def fit(cls, run: Any) -> tuple["Baseline", dict]:
        """Trains a model, or resumes its training.

        Args:
            run (Run): Data, length and output folder of the training.

        Returns:
            tuple: The model, and a dict of plain types that describes the training, with "steps"
            and "finished".
        """
        raise NotImplementedError


def constructor_arguments(scope: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a constructor from its ``locals()``, taken in its first line."""
    return {n: v for n, v in scope.items() if n not in ("self", "__class__")}


def build_bounded(build: Callable[[], nn.Module], copies: int = 1) -> nn.Module:
    """Builds a network; raises ValueError if its copies would exceed ``MAX_PARAMETERS``.

    They are counted on the meta device, where nothing is allocated.
    """
    with torch.device("meta"):
        size = copies * sum(p.numel() for p in build().parameters())
    if size > MAX_PARAMETERS:
        raise ValueError(f"the sizes must give at most {MAX_PARAMETERS} parameters, got {size}")
    return build()


def channels_apart(
    wav: torch.Tensor, separate: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Runs a separator of (batch, time) on every channel of (batch, channels, time).

    Returns:
        torch.Tensor: (n_src, batch, channels, time).
    """
    return separate(wav.flatten(0, 1)).movedim(1, 0).unflatten(1, wav.shape[:2])


def require(module: str) -> ModuleType:
    """Imports a module of the extra [baselines]; if it is missing, says what to install."""
    check_installed(module.partition(".")[0])
    return importlib.import_module(module)
