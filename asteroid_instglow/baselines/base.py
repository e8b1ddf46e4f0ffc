"""What all systems that the package is compared with have in common."""

import copy
import dataclasses
import importlib
from dataclasses import dataclass

from ..adapter import Separator
from ..utils.checks import check_name
from ..weights.base import PretrainedModel


@dataclass(frozen=True)
class PieceOptions:
    """How a baseline separates; every field can be overridden in a call.

    Args:
        chunk (float): Longest piece that is separated at once, seconds.
        overlap (float): Crossfade between pieces, seconds, at most half of ``chunk``.
    """

    chunk: float = 20.0
    overlap: float = 1.0

    def updated(self, options):
        """A copy with ``options`` (dict) set; unknown names are refused."""
        known = [field.name for field in dataclasses.fields(self)]
        if unknown := sorted(set(options) - set(known)):
            raise TypeError(
                f"unknown option {', '.join(unknown)}; the options are {', '.join(known)}"
            )
        return dataclasses.replace(self, **options)


class Baseline(Separator, PretrainedModel):
    """A system that separates as :class:`~asteroid_instglow.GenerativeSeparator` does.

    It has ``separate``, ``torch_separate``, ``file_separate``, ``forward_wav``, ``sources`` and
    ``sample_rate``, and is saved and loaded like it (a folder with ``config.json`` and
    ``model.safetensors``). Subclasses take plain arguments, ``sources`` and ``sample_rate`` among
    them, and define ``_solve`` and :meth:`fit`.

    Args:
        arguments (dict): Those of the subclass's constructor, see :func:`constructor_arguments`.

    Attributes:
        kind (str): "source-only", "supervised" or "oracle".
        defaults (dict): "n_steps", "batch_size", "segment" (seconds) and "lr", as far as they
            mean something.
        sums_up (bool): Whether the sources sum to the mixture.
    """

    kind = None
    defaults = {}
    sums_up = False

    def __init__(self, arguments):
        sources = list(arguments["sources"])
        if not sources or len(set(sources)) < len(sources):
            raise ValueError(f"sources must be different names, got {sources}")
        for source in sources:
            check_name("source", source)
        super().__init__(sample_rate=arguments["sample_rate"], in_channels=None)
        self._arguments = {**arguments, "sources": sources}
        self.options = PieceOptions()

    @property
    def sources(self):
        """Names of the sources in the order of the output."""
        return self._arguments["sources"]

    @property
    def n_parameters(self):
        """How many numbers are learnt."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def get_model_args(self):
        """Plain arguments that rebuild this model."""
        return copy.deepcopy(self._arguments)

    def _sums_up(self, options):
        return self.sums_up

    @classmethod
    def fit(cls, run):
        """Trains one; stopped, it goes on.

        Args:
            run (Run): On what, how long, and where to.

        Returns:
            tuple: The model, and what is to be known of its training: a dict of plain types, with
            "steps" and "finished".
        """
        raise NotImplementedError


def constructor_arguments(scope):
    """The arguments of a constructor from its ``locals()``, asked for first thing in it."""
    return {n: v for n, v in scope.items() if n not in ("self", "__class__")}


def channels_apart(wav, separate):
    """Runs a mono separator on every channel.

    Args:
        wav (torch.Tensor): (batch, channels, time).
        separate (Callable): (batch, time) to (batch, n_src, time).

    Returns:
        torch.Tensor: (n_src, batch, channels, time).
    """
    return separate(wav.flatten(0, 1)).movedim(1, 0).unflatten(1, wav.shape[:2])


def require(module, package):
    """Imports a module of the extra [baselines].

    Args:
        module (str): Its dotted name.
        package (str): What it is installed as.

    Returns:
        module: The module.

    Raises:
        RuntimeError: If it is not installed; says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RuntimeError(
            f"this system needs the package {package}: pip install 'asteroid_instglow[baselines]' "
            f"({error})"
        ) from error
