"""The separator: takes the waveform of a mixture and returns those of its sources."""

import copy
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import masking, solver
from .adapter import Separator
from .audio.reading import check_file
from .encoder import encoders_of, share_bodies
from .encoder.adaptation import adapt_encoders, estimated_sources
from .encoder.channels import separate_channels
from .encoder.solve import are_apart, encoder_sets, estimates_size
from .inference import as_wav, excerpts, open_mixture
from .options import SeparationOptions
from .prior import GlowPrior, as_prior
from .uncertainty.detection import Detection, detection_of
from .uncertainty.errors import error_model
from .uncertainty.evidence import Evidence
from .uncertainty.samples import MAX_DRAWS, draw_each
from .utils.checks import check_same, check_whole
from .utils.progress import as_progress
from .weights.base import PretrainedModel

_log = logging.getLogger(__name__)
RESIDUAL = "residual"
EXCERPT, N_EXCERPTS = 20.0, 12  # seconds; of longer recordings, what the encoders learn from


class GenerativeSeparator(Separator, PretrainedModel):
    """Separates a mixture into the sources of any set of priors; an Asteroid model.

    Args:
        priors (dict): Name of each source to its :class:`GlowPrior`, or to the plain arguments of
            one. Any number, also several of one kind; all with the same STFT and sample rate.
        residual (bool): Add a last source, "residual", with what no prior explains.
        sample_rate (int, optional): Sample rate of the priors, Hz, as a check.
        **options: Of :class:`~asteroid_instglow.SeparationOptions`; every method that separates
            can override them.

    Attributes:
        sources (list[str]): Names in the order of the output.
        options (SeparationOptions): Default options of a separation.

    Examples:
        >>> bass, drums = (GlowPrior(n, n_blocks=1, hidden=4, n_fft=64, hop_length=16)
        ...                for n in ("bass", "drums"))
        >>> separator = GenerativeSeparator({"bass": bass, "drums": drums}, n_iter=2)
        >>> separator.separate(torch.randn(1, 4000)).shape
        torch.Size([1, 2, 4000])

    References
        - [1] : "Music Source Separation with Generative Flow", Zhu et al. 2022.
          https://arxiv.org/abs/2204.09079
    """

    def __init__(
        self,
        priors: Mapping[str, GlowPrior | dict],
        residual: bool = False,
        sample_rate: int | None = None,
        **options: Any,
    ):
        if not priors:
            raise ValueError("priors must name at least one prior, got none")
        names = list(priors)
        built = [as_prior(name, prior) for name, prior in priors.items()]
        if RESIDUAL in names:
            raise ValueError(f"priors: the name {RESIDUAL!r} is kept for the residual source")
        if sample_rate not in (None, built[0].sample_rate):
            raise ValueError(
                f"sample_rate must be the priors' {built[0].sample_rate} Hz, got {sample_rate}"
            )
        # in_channels=None: Asteroid would refuse stereo.
        super().__init__(sample_rate=built[0].sample_rate, in_channels=None)
        self._names = names
        self.priors: Any = nn.ModuleList(built)
        self.residual = residual
        self.options = SeparationOptions().updated(options)
        for name, prior in zip(names, built):
            self._check_fits(name, prior)
        self._share_bodies()

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Loads weights; encoder bodies that turn out equal are held, and run, once."""
        result = super().load_state_dict(*args, **kwargs)
        self._share_bodies()
        return result

    def _share_bodies(self) -> None:
        share_bodies([encoder for prior in self.priors for encoder in encoders_of(prior)])

    @property
    def sources(self) -> list[str]:
        """Names of the sources in the order of the output."""
        return self._names + [RESIDUAL] * self.residual

    def add_prior(self, name: str, prior: GlowPrior) -> None:
        """Adds a source without retraining anything.

        Args:
            name (str): Name of the source, which must be new.
            prior (GlowPrior): Prior with the same STFT and sample rate as the others.
        """
        if name in self.sources:
            raise ValueError(f"name must be new, got {name!r} (there are {self.sources})")
        prior = as_prior(name, prior)
        self._check_fits(name, prior)
        self._names.append(name)
        self.priors.append(prior)
        self._share_bodies()

    def subset(self, names: Sequence[str]) -> "GenerativeSeparator":
        """Returns a separator of some of the sources, which shares their priors.

        Args:
            names (Sequence[str]): Out of :attr:`sources`, in the order wanted.

        Returns:
            GenerativeSeparator: With the residual source if it is named or was there.
        """
        if not names or set(names) - set(self.sources):
            raise ValueError(f"names must be out of {self.sources}, got {list(names)}")
        kept = {n: self.priors[self._names.index(n)] for n in names if n != RESIDUAL}
        residual = RESIDUAL in names or self.residual
        return type(self)(kept, residual, **vars(self.options))

    def posterior(
        self, wav: torch.Tensor, n: int = 8, sample_rate: int | None = None, **options: Any
    ) -> torch.Tensor:
        """Draws alternatives to the answer, which differ where it is unsure.

        See :mod:`asteroid_instglow.uncertainty.samples`.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time).
            n (int): How many. Their mean is the answer of :meth:`separate` (n > 1).
            sample_rate (int, optional): Sample rate of ``wav``, Hz; by default the model's.
            **options: As for :meth:`torch_separate`; ``seed`` is that of the draws.

        Returns:
            torch.Tensor: n answers, on a first axis. Each sums to the mixture as the answer does.
        """
        check_whole("n", n, 1, MAX_DRAWS)
        rate = self.sample_rate if sample_rate is None else sample_rate
        progress = options.pop("progress", None)
        seed = self.options.updated(options).seed
        answer, told = self.torch_separate(wav, rate, progress, True, **options)
        return draw_each(answer, [one.error for one in told], n, rate, seed)

    def detect(
        self, wav: torch.Tensor | str | Path, sample_rate: int | None = None, **options: Any
    ) -> Detection:
        """Tells which sources play, when, and whether the music is like what was learnt from.

        Args:
            wav (torch.Tensor | str | Path): One mixture, (time,) or (channels, time), or a file.
            sample_rate (int, optional): Sample rate of a tensor, Hz; by default the model's.
            **options: As for :meth:`torch_separate`.
        """
        if isinstance(wav, (str, Path)):
            progress = as_progress(options.pop("progress", None))
            with open_mixture(check_file(wav)) as mixed, progress as report:
                model = self._fitted(mixed, options, report)
                return detection_of(model._hear(mixed, report, options), self.sources)
        mixture, n_axes = as_wav(wav)
        mixture = mixture.movedim(0, 1) if n_axes == 2 else mixture
        if len(mixture) > 1:
            raise ValueError(f"wav must be one mixture, got a batch of {len(mixture)}")
        return self.torch_separate(mixture, sample_rate, confidence=True, **options)[1][0].detection

    def get_model_args(self) -> dict:
        """Returns plain arguments that rebuild this model."""
        return {
            "priors": {n: p.get_model_args() for n, p in zip(self._names, self.priors)},
            "residual": self.residual,
            "sample_rate": self.sample_rate,
            **vars(self.options),
        }

    def resolved(self, options: SeparationOptions) -> SeparationOptions:
        """Returns the options with every default filled in, "auto" replaced by what it stands for.

        Args:
            options (SeparationOptions): Such as :attr:`options`.

        Returns:
            SeparationOptions: See :meth:`SeparationOptions.resolved`.

        Raises:
            ValueError: If the solver needs encoders and a prior has none.
        """
        lacking = self._lacking()
        if options.solver == "encoder" and lacking:
            raise ValueError(f'solver "encoder" needs encoders; {", ".join(lacking)} has none')
        auto = "paper" if lacking else "encoder"
        return options.resolved(auto if options.solver == "auto" else options.solver)

    def _lacking(self) -> list[str]:
        return [n for n, p in zip(self._names, self.priors) if not encoders_of(p)]

    def _begin(self, options: Any) -> Any:
        resolved = self.resolved(options)
        if options.solver == "auto" and resolved.solver == "paper":
            _log.warning(
                "%s: no encoder, so the slow search of the paper is used, %d iterations a piece",
                ", ".join(self._lacking()),
                resolved.n_iter,
            )
        return resolved

    def _fitted(self, mixture: Any, options: Any, report: Any) -> "GenerativeSeparator":
        chosen = self.resolved(self.options.updated(options))
        if not chosen.adapt:
            return self
        report.start(1, chosen.adapt, "learning")
        model, sources = copy.deepcopy(self), self.estimated_sources(mixture, N_EXCERPTS, **options)
        adapt_encoders(model.priors, [sources], chosen, report)
        mixture.rewind()
        return model

    def estimated_sources(self, mixture: Any, n_excerpts: int, **options: Any) -> torch.Tensor:
        """Separates a recording, or excerpts of a long one, for encoders to learn from.

        Args:
            mixture (Mixture): The recording, at its start, see :mod:`~.inference`.
            n_excerpts (int): How many excerpts, of 20 s, if it is longer than these.
            **options: As for :meth:`torch_separate`.

        Returns:
            torch.Tensor: (n_src, time), at the model's rate.
        """
        separate = partial(self.torch_separate, **{**options, "adapt": 0})
        chosen = self.resolved(self.options.updated(options))
        parts, rate = excerpts(mixture, EXCERPT, n_excerpts), mixture.sample_rate
        return estimated_sources(parts, separate, self.priors[0], rate, chosen.retune)

    def _by_channel(self, options: Any) -> bool:
        return options.stereo != "mid"

    def _gather(self, n_seconds: int, options: Any) -> Evidence:
        if options.solver != "encoder":
            raise ValueError(f'confidence needs solver="encoder", got "{options.solver}"')
        return Evidence(len(self.sources), n_seconds, error_model())

    def _kept_size(self, mixture: Any, options: Any) -> int:
        chosen = self.resolved(self.options.updated(options))
        sets = encoder_sets(self.priors, chosen.quality) if chosen.solver == "encoder" else [[]]
        # Pieces overlap, so that they are longer together.
        seconds = mixture.n_samples / mixture.sample_rate / (1 - chosen.overlap / chosen.chunk)
        n_rows = 1 if chosen.stereo == "mid" else mixture.channels
        return n_rows * estimates_size(sets[0], round(seconds * self.sample_rate))

    def _playing(self, mixture: Any, options: Any, report: Any, kept: Any) -> "GenerativeSeparator":
        found = detection_of(self._hear(mixture, report, options, kept), self.sources)
        present = [name for name in self._names if name in found.present] or self._names
        model, indices = self.subset(present), [self._names.index(name) for name in present]
        quality = self.options.updated(options).quality
        sets = encoder_sets(self.priors, quality)
        if all(are_apart(encoders, self._names, indices) for encoders in sets):
            kept.give_back(indices)
        return model

    def _n_iter(self, options: Any) -> int:
        return 0 if options.solver == "encoder" else options.n_iter

    def _sums_up(self, options: Any) -> bool:
        return options.wiener

    @property
    def _window(self) -> int:
        # Shorter wavs have no frame, or less than a squeeze of the flow.
        squeeze = self.priors[0].hop_length * self.priors[0].n_sqz
        encoders = [encoder for prior in self.priors for encoder in encoders_of(prior)]
        return max(squeeze, *(model.n_fft for model in [*self.priors, *encoders]))

    def _solve(self, wav: torch.Tensor, options: Any, report: Any) -> torch.Tensor:
        if options.solver == "paper":
            return solver.separate_paper(wav, [*self.priors], options, self.residual, report.step)
        low = masking.subsonics(wav, self.sample_rate)
        sets, names = encoder_sets(self.priors, options.quality), [p.source for p in self.priors]
        with solver.frozen([encoder for encoders in sets for encoder in encoders]):
            how = (int(self.sample_rate), options, self.residual, report)
            out = separate_channels(wav - low, sets, names, *how)
        return masking.give_low_back(out, low, self.sample_rate, self.residual)

    def _check_fits(self, name: str, prior: Any) -> None:
        own, first = ("sample_rate", "n_fft", "hop_length", "n_sqz"), self._names[0]
        check_same("priors", own, (first, self.priors[0]), (name, prior))
        encoders = [encoder for known in self.priors for encoder in encoders_of(known)]
        for encoder in encoders_of(prior):
            known = (encoders or [encoder])[0]
            check_same("priors", own[1:3], (first, known), (name, encoder), "encoder ")
