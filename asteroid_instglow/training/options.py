"""Options of a training: one dataclass, from which the functions and the command line read them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..options import check_option_names
from ..utils.checks import check_above_zero, check_between, check_one_of, check_whole
from ..utils.precision import PRECISIONS

if TYPE_CHECKING:
    from ..data import Data

Options = TypeVar("Options", bound="TrainingOptions")


def _option(default: Any, help: str, **argparse: Any) -> Any:
    # ``argparse``: how the command line reads it, where its type does not tell.
    return field(default=default, metadata={"help": help, **argparse})


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options that every training has.

    Args:
        n_steps (int): Number of batches in all, over all resumptions.
        batch_size (int): Pieces in a batch, over all devices.
        segment (float): Length of a piece, seconds.
        lr (float): Learning rate.
        validation_data: Folders of recordings to validate on; by default a tenth of the recordings
            of each source is set aside.
        val_every (int, optional): Steps between validations; by default a tenth of ``n_steps``.
        val_batches (int, optional): Largest number of batches in a validation.
        gain_db (tuple): Range of a random gain on each piece, dB.
        ema (float, optional): Decay of an average of the weights, which is then validated and
            exported, 0.999 say.
        keep (str): Whether to export the weights of the "best" validation or the "last".
        seed (int): Random seed of the initial weights, the data and the dropout.
        precision (str): "32", "bf16-mixed", or "auto": the latter where the device is fast at it.
        devices (int): Number of processes (CPU) or GPUs, of each machine. Several start new
            processes, so that a script needs its ``if __name__ == "__main__":``.
        num_nodes (int): Number of machines, on each of which SLURM or torchrun starts the program.
        accelerator (str): "auto", "cpu", "gpu", ...: as Lightning's.
        num_workers (int): Number of processes that read data; 0 reads between the steps.
        minutes (float, optional): Time that the training shall take; ``n_steps`` is then what fits,
            measured by a few steps before.
        time_limit (float, optional): Minutes after which to stop, validate and export.
        checkpoint_minutes (float): Minutes between checkpoints.
        resume (bool): Go on with an earlier run; False starts anew and replaces what is there.
        other_data (bool): Resume even if the recordings are not those of the earlier run.
        progress (bool): Whether to show bars on stderr.
    """

    n_steps: int = _option(2000, "batches in all", type=int)
    batch_size: int = _option(8, "pieces in a batch", type=int)
    segment: float = _option(3.0, "length of a piece, seconds", type=float)
    lr: float = _option(1e-3, "learning rate", type=float)
    validation_data: Data | None = _option(
        None, "folders to validate on; by default a tenth of data", nargs="+", metavar="DIR"
    )
    val_every: int | None = _option(
        None, "steps between validations; by default a tenth", type=int, metavar="STEPS"
    )
    val_batches: int | None = _option(
        None, "most batches in a validation", type=int, metavar="BATCHES"
    )
    gain_db: tuple[float, float] = _option(
        (0.0, 0.0), "range of a random gain, dB", type=float, nargs=2, metavar="DB"
    )
    ema: float | None = _option(None, "decay of an average of the weights", type=float)
    keep: str = _option("last", "weights to export", choices=("best", "last"))
    seed: int = _option(0, "random seed", type=int)
    precision: str = _option("32", "numeric precision", choices=PRECISIONS)
    devices: int = _option(1, "number of processes or GPUs", type=int)
    num_nodes: int = _option(1, "number of machines, started by SLURM or torchrun", type=int)
    accelerator: str = _option("auto", "cpu, gpu, ...", type=str)
    num_workers: int = _option(0, "processes that read data", type=int)
    minutes: float | None = _option(
        None, "time to take; the steps that fit are measured", type=float
    )
    time_limit: float | None = _option(
        None, "minutes after which to stop, of each part", type=float, metavar="MINUTES"
    )
    checkpoint_minutes: float = _option(5.0, "minutes between checkpoints", type=float)
    resume: bool = _option(True, "start anew", flag="--no-resume", action="store_false")
    other_data: bool = _option(
        False, "go on though the recordings have changed", action="store_true"
    )
    progress: bool = _option(True, "no progress bars", flag="--quiet", action="store_false")

    def __post_init__(self) -> None:
        for name, least in _WHOLE.items():
            value: Any = getattr(self, name, None)
            if value is not None or name not in ("val_every", "val_batches") + _ENCODERS_AND_FLOWS:
                check_whole(name, value, least, _MOST.get(name, 2**31))
        for name in ("segment", "checkpoint_minutes"):
            check_above_zero(name, getattr(self, name))
        check_between("lr", self.lr, 1e-12, 1e6)
        for name in ("minutes", "time_limit"):
            if getattr(self, name) is not None:
                check_above_zero(name, getattr(self, name))
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema must be a decay in (0, 1), got {self.ema!r}")
        low, high = self.gain_db
        if not -math.inf < low <= high < math.inf:
            raise ValueError(f"gain_db must be a range (lowest, highest) in dB, got {self.gain_db}")
        check_one_of("precision", self.precision, PRECISIONS)
        check_one_of("keep", self.keep, ("best", "last"))
        check_one_of("accelerator", self.accelerator, ACCELERATORS)
        if self.batch_size % self.n_processes:
            what = "devices" if self.num_nodes == 1 else "devices x num_nodes"
            raise ValueError(
                f"batch_size must be a multiple of {what} = {self.n_processes}, got "
                f"{self.batch_size}"
            )

    @property
    def n_processes(self) -> int:
        """Number of processes on all machines."""
        return self.devices * self.num_nodes

    def recorded(self) -> dict[str, Any]:
        """Lists the options that decide what is learned, as plain types."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _PLACE}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in kept.items()}


@dataclass(frozen=True, kw_only=True)
class PriorOptions(TrainingOptions):
    """Options of :func:`~asteroid_instglow.training.train_prior`.

    Args:
        init_pieces (int): Number of pieces that the flow is initialised from, see
            :class:`~.prior_system.PriorSystem`.
    """

    n_steps: int = _option(20_000, "batches in all", type=int)
    segment: float = _option(2.0, "length of a piece, seconds", type=float)
    lr: float = _option(1e-4, "learning rate; x 0.3 every 80 000 steps", type=float)
    val_every: int | None = _option(200, "steps between validations", type=int, metavar="STEPS")
    keep: str = _option("best", "weights to export", choices=("best", "last"))
    init_pieces: int = _option(64, "pieces that the flow is initialised from", type=int)


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(TrainingOptions):
    """Options of :func:`~asteroid_instglow.training.train_encoder`.

    The learning rate is that of the matrices between features (Muon); all other parameters have a
    tenth of it (Adam). It falls to zero with the last step.

    Args:
        eq_db (float): Spread of a random equaliser on every excerpt, dB.
        p_effect (float): Chance of each of soft clipping, reverberation and gain ride.
        validation_items (int): Number of mixtures to validate on.
    """

    lr: float = _option(0.02, "learning rate", type=float)
    gain_db: tuple[float, float] = _option(
        (-3.0, 3.0), "range of a random gain, dB", type=float, nargs=2, metavar="DB"
    )
    eq_db: float = _option(0.0, "spread of a random equaliser, dB", type=float)
    p_effect: float = _option(0.0, "chance of clipping, reverb and gain ride", type=float)
    validation_items: int = _option(48, "mixtures to validate on", type=int)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("eq_db", self.eq_db, 0, 100)
        check_between("p_effect", self.p_effect, 0, 1)


@dataclass(frozen=True, kw_only=True)
class JointOptions(EncoderOptions):
    """Options of :func:`~asteroid_instglow.training.pretrain_encoders`.

    Args:
        p_silent (float): Chance that a source is silent in a mixture.
        n_max (int | dict): Largest number of pieces of one source in a mixture, see
            :class:`~asteroid_instglow.data.RandomMixtureDataset`.
    """

    n_steps: int = _option(4000, "batches in all", type=int)
    p_silent: float = _option(0.1, "chance that a source is silent in a mixture", type=float)
    n_max: int | dict[str, int] = _option(1, "most pieces of a source in a mixture", type=int)


def make_options(cls: type[Options], options: Options | None, changes: dict) -> Options:
    """Builds options from an object, or the defaults, and what differs from them.

    Raises:
        TypeError: If there is no such option.
        ValueError: If a value is out of range.

    Examples:
        >>> make_options(EncoderOptions, None, {"n_steps": 100}).n_steps
        100
    """
    options = cls() if options is None else options
    if not isinstance(options, cls):
        raise TypeError(f"options must be {cls.__name__}, got {options!r}")
    check_option_names(changes, [field.name for field in fields(cls)])
    return replace(options, **changes)


ACCELERATORS = ("auto", "cpu", "cuda", "gpu", "mps", "tpu")
_ENCODERS_AND_FLOWS = ("init_pieces", "validation_items")
_WHOLE = {
    "n_steps": 1,
    "batch_size": 1,
    "val_every": 1,
    "val_batches": 1,
    "devices": 1,
    "num_nodes": 1,
    "seed": 0,
    "num_workers": 0,
    "init_pieces": 1,
    "validation_items": 1,
}
# Torch takes no larger seed; so many processes are a mistake, and would exhaust the machine.
_MOST = {"seed": 2**63 - 1, "devices": 1024, "num_nodes": 2**16, "num_workers": 1024}
# Options of the machine and the occasion, which do not change what is learned.
_PLACE = frozenset(
    ("validation_data", "devices", "num_nodes", "accelerator", "num_workers", "time_limit")
    + ("resume", "progress")
    + ("checkpoint_minutes", "other_data", "minutes", "val_batches")
)
