"""The options of a separation, checked once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from .utils.checks import check_at_least, check_between, check_one_of, check_whole
from .utils.precision import PRECISIONS

SOLVERS = ("auto", "encoder", "paper")
QUALITIES = ("fast", "default", "best")
STEREO = ("auto", "spatial", "mid", "channels")
MIN_CHUNK, MAX_CHUNK = 0.01, 1e9  # seconds; shorter pieces would be padding alone
ADAPT_STEPS = 10  # more gain little on real songs
ALBUM_STEPS = 30  # of learning from many recordings at once
N_ITER, LR = 150, 0.01  # of the search of the paper


@dataclass(frozen=True)
class SeparationOptions:
    """Options of a separation; each can be set in the constructor and overridden in a call.

    Args:
        solver (str): "encoder" takes the estimates of the priors' encoders and makes them sum to
            the mixture (fast). "paper" is the published search over latents, whose result depends
            on the level of the mixture; only a piece with a peak below 0.01 is raised to full
            scale. "auto" is "encoder" if every prior has an encoder, else "paper".
        quality (str): Encoders to use where a prior has two: "fast" takes the LSTM, "default" the
            band-split transformer, "best" a weighted mean of both.
        fast_share (float): Weight of the LSTM's estimates in "best", 0 to 1.
        retune (bool): Let the encoders hear a piece that is out of tune at the pitch of 440 Hz,
            played slower or faster, as they learnt from solos in tune.
        adapt (int): Steps in which the encoders learn the sounds of the recording before they
            separate it, see :mod:`~asteroid_instglow.encoder.adaptation`; 10 are enough, a minute
            of one processor core. Each recording starts from the encoders as they are.
        n_iter (int, optional): Iterations of the search; by default 150.
        lr (float, optional): Learning rate of Adam; by default 0.01.
        precision (str): Precision of the flows' networks: "32", "bf16-mixed", or "auto", which is
            "bf16-mixed" on processors that are fast at it. Latents and likelihoods stay in float32.
        prior_weight (float): The paper's alpha2; 0 is maximum likelihood, more is MAP.
        space (str): Where the prior term is measured, "latent" or "data".
        init_scale (float): The paper's sigma, the standard deviation of the first latents.
        frame_mask (bool): From the fifth iteration on, scale each frame of a source by the ratio of
            its level to the mixture's, which makes quiet frames quieter; leave louder ones alone.
        wiener (bool, optional): Apply the final filter, after which the sources sum to the mixture;
            by default on, except with solver "paper", where the published default is off.
        early_stop (float): Stop when the loss fell by less than this fraction of itself over the
            last 20 iterations; 0 never stops early.
        stereo (str): "spatial" separates each of two channels and uses where each source stands
            between them, see :func:`~asteroid_instglow.encoder.stereo.use_places`; "channels"
            separates each channel alone; "mid" separates the mean of the channels and applies its
            masks to each. "auto", with the final filter, is "spatial" for "encoder" and "mid" for
            "paper", else "channels".
        chunk (float): Longest piece that is separated at once, seconds, at least 0.01.
        overlap (float): Crossfade between pieces, seconds, at most half of ``chunk``.
        seed (int): Random seed for initial latents and dither.

    Examples:
        >>> SeparationOptions(solver="paper", n_iter=50).updated({"lr": 0.02}).lr
        0.02
    """

    solver: str = "auto"
    quality: str = "default"
    fast_share: float = 0.1
    retune: bool = True
    adapt: int = 0
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

    def __post_init__(self) -> None:
        check_one_of("solver", self.solver, SOLVERS)
        check_one_of("quality", self.quality, QUALITIES)
        check_between("fast_share", self.fast_share, 0, 1)
        check_one_of("precision", self.precision, PRECISIONS)
        check_one_of("space", self.space, ("latent", "data"))
        check_one_of("stereo", self.stereo, STEREO)
        if self.n_iter is not None:
            check_whole("n_iter", self.n_iter, 1)
        check_whole("adapt", self.adapt, 0, 10**6)
        check_whole("seed", self.seed, 0, 2**63 - 1)
        for name in ("prior_weight", "init_scale", "early_stop", "overlap"):
            check_at_least(name, getattr(self, name), 0)
            if getattr(self, name) == float("inf"):
                raise ValueError(f"{name} must be finite, got inf")
        if self.lr is not None:
            check_between("lr", self.lr, 1e-12, 1e6)
        check_between("chunk", self.chunk, MIN_CHUNK, MAX_CHUNK)
        if self.overlap > self.chunk / 2:
            raise ValueError(
                f"overlap must be at most half of chunk = {self.chunk} s, got {self.overlap}"
            )

    def resolved(self, solver: str) -> "SeparationOptions":
        """Returns a copy for one solver with every default filled in.

        Args:
            solver (str): "encoder" or "paper".

        Returns:
            SeparationOptions: With ``solver``, and no "auto" or None, ``precision`` aside.

        Examples:
            >>> SeparationOptions().resolved("paper").n_iter
            150
        """
        n_iter, lr = (N_ITER, LR) if solver == "paper" else (1, 1.0)
        wiener = solver != "paper" if self.wiener is None else self.wiener
        # An LSTM without a share need not run.
        quality = "default" if self.quality == "best" and not self.fast_share else self.quality
        stereo = self.stereo
        if stereo == "auto":
            usual = "mid" if solver == "paper" else "spatial"
            stereo = usual if wiener else "channels"
        if self.adapt and solver == "paper":
            raise ValueError('adapt needs solver="encoder", got "paper"')
        if stereo == "spatial" and solver == "paper":
            raise ValueError('stereo="spatial" needs solver="encoder", got "paper"')
        if stereo != "channels" and not wiener:
            raise ValueError(f'stereo="{stereo}" needs the final filter: wiener must not be False')
        return replace(
            self,
            solver=solver,
            quality=quality,
            wiener=wiener,
            stereo=stereo,
            n_iter=n_iter if self.n_iter is None else self.n_iter,
            lr=lr if self.lr is None else self.lr,
        )

    def updated(self, options: dict) -> "SeparationOptions":
        """Returns a copy with ``options`` set; refuses unknown names."""
        check_option_names(options)
        return replace(self, **options)


OPTION_NAMES = tuple(field.name for field in fields(SeparationOptions))


def check_option_names(options: Iterable[str], known: Sequence[str] = OPTION_NAMES) -> None:
    """Raises TypeError if a name is no option."""
    if unknown := sorted(set(options) - set(known)):
        raise TypeError(f"unknown option {', '.join(unknown)}; the options are {', '.join(known)}")
