"""The options of a separation, checked once."""

from dataclasses import dataclass, fields, replace

from .utils.checks import check_above_zero, check_at_least, check_one_of
from .utils.precision import PRECISIONS

SOLVERS = ("auto", "posterior", "encoder", "paper")
SEARCHES = {"posterior": (40, 0.05), "paper": (150, 0.01)}  # n_iter, lr


@dataclass(frozen=True)
class SeparationOptions:
    """How to separate; every field can be set in the constructor and overridden in a call.

    Args:
        solver (str): "encoder": what the priors' amortised encoders guess, made to sum to the
            mixture; fast. "posterior": from there a short search for sources that the flows find
            likely. "paper": the published latent search. "auto": "encoder" if every prior has one,
            else "paper".
        n_iter (int or None): Iterations of the search; None: 40 ("posterior") or 150 ("paper").
        lr (float or None): Adam's learning rate in it; None: 0.05 or 0.01.
        precision (str): Of the flows' networks in it: "32", "bf16-mixed", or "auto": the latter
            where the processor is fast at it. Latents and likelihoods always have 32 bits.
        prior_weight (float): The paper's alpha2; 0 is MLE, above is MAP.
        space (str): "latent" or "data": where the prior term is measured.
        init_scale (float): The paper's sigma: standard deviation of the first latents.
        frame_mask (bool): From the fifth iteration on, scale each frame of a source by the ratio of its
            level to the mixture's, which makes quiet frames quieter; louder ones are left alone.
        wiener (bool or None): Final filter, after which the sources sum to the mixture; None: on,
            save with solver "paper", whose published default is off.
        early_stop (float): Stop when the loss fell by less than this fraction of itself over the
            last 20 iterations; 0: never.
        stereo (str): "mid": the priors run once on the mean of the channels, whose shares are
            applied to each channel; "channels": on every channel; "auto": "mid" for "paper" with
            the final filter, else "channels".
        chunk (float): Longest piece that is separated at once, seconds.
        overlap (float): Crossfade between pieces, seconds, at most half of ``chunk``.
        seed (int): Of everything random.
    """

    solver: str = "auto"
    n_iter: int | None = None
    lr: float | None = None
    precision: str = "32"
    prior_weight: float = 0.0
    space: str = "latent"
    init_scale: float = 0.0
    frame_mask: bool = False
    wiener: bool | None = None
    early_stop: float = 0.0
    stereo: str = "auto"
    chunk: float = 20.0
    overlap: float = 1.0
    seed: int = 0

    def __post_init__(self):
        check_one_of("solver", self.solver, SOLVERS)
        check_one_of("precision", self.precision, PRECISIONS)
        check_one_of("space", self.space, ("latent", "data"))
        check_one_of("stereo", self.stereo, ("auto", "mid", "channels"))
        if self.n_iter is not None:
            check_at_least("n_iter", self.n_iter, 1)
        check_at_least("prior_weight", self.prior_weight, 0)
        check_at_least("init_scale", self.init_scale, 0)
        check_at_least("early_stop", self.early_stop, 0)
        check_at_least("overlap", self.overlap, 0)
        if self.lr is not None:
            check_above_zero("lr", self.lr)
        check_above_zero("chunk", self.chunk)
        if self.solver == "posterior" and self.wiener is False:
            raise ValueError('solver="posterior" sums to the mixture: wiener must not be False')
        if self.overlap > self.chunk / 2:
            raise ValueError(
                f"overlap must be at most half of chunk = {self.chunk} s, got {self.overlap}"
            )

    @property
    def sums_up(self):
        """Whether the sources sum to the mixture."""
        return self.solver != "paper" if self.wiener is None else self.wiener

    def resolved(self, solver):
        """A copy for one solver, with that solver's own numbers where none are given."""
        n_iter, lr = SEARCHES.get(solver, (1, 1.0))
        return replace(
            self,
            solver=solver,
            wiener=self.sums_up,
            n_iter=n_iter if self.n_iter is None else self.n_iter,
            lr=lr if self.lr is None else self.lr,
        )

    def updated(self, options):
        """A copy with ``options`` (dict) set; unknown names are refused."""
        check_option_names(options)
        return replace(self, **options)


OPTION_NAMES = tuple(field.name for field in fields(SeparationOptions))


def check_option_names(options):
    """Refuses names that are no option."""
    unknown = sorted(set(options) - set(OPTION_NAMES))
    if unknown:
        raise TypeError(
            f"unknown option {', '.join(unknown)}; the options are {', '.join(OPTION_NAMES)}"
        )
