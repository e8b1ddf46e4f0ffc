"""The separator: waveform of a mixture in, waveforms of its sources out."""

import torch
from torch import nn

from . import masking, solver
from .audio.stft import apply_phase, even_frames, hold_frames, istft, stft
from .encoder import share_bodies, solve_encoder
from .inference import PiecewiseSeparation
from .options import SeparationOptions, check_option_names
from .prior import GlowPrior
from .utils.checks import check_name
from .weights.base import PretrainedModel

RESIDUAL = "residual"


class GenerativeSeparator(PiecewiseSeparation, PretrainedModel):
    """Separates a mixture into the sources of any set of priors, an Asteroid model.

    Args:
        priors (dict): Name of each source to its :class:`GlowPrior` (or to the plain arguments of
            one). Any number, also several of one kind; all of one STFT setting and sample rate.
        residual (bool): Add a last source, "residual", that takes what no prior explains.
        sample_rate (int, optional): Hz; given, it must be the priors'.
        **options: Of :class:`SeparationOptions`; every method that separates can override them.

    Attributes:
        sources (list[str]): Names in the order of the output.
        options (SeparationOptions): Defaults of a separation.

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

    def __init__(self, priors, residual=False, sample_rate=None, **options):
        if not priors:
            raise ValueError("priors must name at least one prior, got none")
        names = list(priors)
        built = [_as_prior(name, prior) for name, prior in priors.items()]
        if RESIDUAL in names:
            raise ValueError(f"priors: the name {RESIDUAL!r} is kept for the residual source")
        if sample_rate not in (None, built[0].sample_rate):
            raise ValueError(
                f"sample_rate must be the priors' {built[0].sample_rate} Hz, got {sample_rate}"
            )
        # No check of the channels by Asteroid: mono and stereo are both taken.
        super().__init__(sample_rate=built[0].sample_rate, in_channels=None)
        self._names = names
        self.priors = nn.ModuleList(built)
        self.residual = residual
        check_option_names(options)
        self.options = SeparationOptions(**options)
        for name, prior in zip(names, built):
            self._check_fits(name, prior)
        self._share_bodies()

    def load_state_dict(self, *args, **kwargs):
        """Loads weights; encoder bodies that turn out equal are held, and run, once."""
        result = super().load_state_dict(*args, **kwargs)
        self._share_bodies()
        return result

    def _share_bodies(self):
        encoders = [getattr(prior, "encoder", None) for prior in self.priors]
        share_bodies([encoder for encoder in encoders if encoder is not None])

    @property
    def sources(self):
        """Names of the sources in the order of the output."""
        return self._names + [RESIDUAL] * self.residual

    def add_prior(self, name, prior):
        """Adds a source; nothing else is retrained.

        Args:
            name (str): New name. prior (GlowPrior): Of the same STFT setting and sample rate.
        """
        if name in self.sources:
            raise ValueError(f"name must be new, got {name!r} (there are {self.sources})")
        prior = _as_prior(name, prior)
        self._check_fits(name, prior)
        self._names.append(name)
        self.priors.append(prior)
        self._share_bodies()

    def subset(self, names):
        """A separator of some of the sources, which shares their priors.

        Args:
            names (Sequence[str]): Out of :attr:`sources`, in the order wanted.

        Returns:
            GenerativeSeparator: With the residual source if it is named or was there.
        """
        unknown = [name for name in names if name not in self.sources]
        if unknown or not names:
            raise ValueError(f"names must be out of {self.sources}, got {list(names)}")
        by_name = dict(zip(self._names, self.priors))
        kept = {name: by_name[name] for name in names if name != RESIDUAL}
        residual = RESIDUAL in names or self.residual
        return type(self)(kept, residual, **vars(self.options))

    def get_model_args(self):
        """Plain arguments that rebuild this model."""
        priors = {name: p.get_model_args() for name, p in zip(self._names, self.priors)}
        return {
            "priors": priors,
            "residual": self.residual,
            "sample_rate": self.sample_rate,
            **vars(self.options),
        }

    def resolved(self, options):
        """What a separation goes by: the solver that "auto" stands for, with its own numbers.

        Args:
            options (SeparationOptions): Such as :attr:`options`.

        Returns:
            SeparationOptions: With no "auto" solver, and ``n_iter``, ``lr`` and ``wiener`` set.

        Raises:
            ValueError: If the solver needs encoders that some prior has not.
        """
        lacking = [
            n for n, p in zip(self._names, self.priors) if getattr(p, "encoder", None) is None
        ]
        if options.solver in ("encoder", "posterior") and lacking:
            raise ValueError(
                f'solver "{options.solver}" needs encoders; {", ".join(lacking)} has none'
            )
        auto = "paper" if lacking else "encoder"
        return options.resolved(auto if options.solver == "auto" else options.solver)

    def _n_iter(self, options):
        options = self.resolved(options)
        return 1 if options.solver == "encoder" else options.n_iter

    def _solve(self, wav, options, report):
        # Mixture (batch, channels, time) at the priors' rate -> (n_src, batch, channels, time).
        options = self.resolved(options)
        if options.solver == "paper":
            return self._solve_paper(wav, options, report)
        batch, channels, n = wav.shape
        mid = channels > 1 and self._stereo(options) == "mid"
        heard = wav.mean(1) if mid else wav.flatten(0, 1)
        encoders = [prior.encoder for prior in self.priors]
        n_fft, hop = encoders[0].n_fft, encoders[0].hop_length
        names = [prior.source for prior in self.priors]
        sums_up = self._sums_up(options)
        with solver.frozen(encoders):
            guesses = solve_encoder(heard, encoders, self.residual, sums_up, names)
        out = istft(guesses, n_fft, hop, n)
        if options.solver == "posterior":
            out = self._search(out, heard, options, report)
        if mid:
            shares = masking.shares(stft(out, n_fft, hop).abs())
            out = istft(shares[:, :, None] * stft(wav, n_fft, hop), n_fft, hop, n)
        return out.view(-1, batch, channels, n)

    def _search(self, guesses, wav, options, report):
        # Guesses (n_src, batch, time) that sum to wav, and are likely guesses after it.
        first = self.priors[0]
        spec = stft(wav, first.n_fft, first.hop_length)
        solved = even_frames(spec, first.n_sqz)
        sources = stft(guesses, first.n_fft, first.hop_length)
        found = solver.solve_posterior(
            even_frames(sources, first.n_sqz), solved, list(self.priors), options, report.step
        )
        sources[..., : found.shape[-1]] = found
        return istft(sources, first.n_fft, first.hop_length, wav.shape[-1])

    def _solve_paper(self, wav, options, report):
        batch, _, n = wav.shape
        first = self.priors[0]
        spec = stft(wav, first.n_fft, first.hop_length)
        mid = wav.shape[1] > 1 and self._stereo(options) == "mid"
        heard = wav.mean(1, keepdim=True) if mid else wav
        magnitude = stft(heard.flatten(0, 1), first.n_fft, first.hop_length).abs()
        solved = even_frames(magnitude, first.n_sqz)
        x = solver.solve_paper(solved, list(self.priors), options, report.step)
        x = hold_frames(x, magnitude.shape[-1])
        if self.residual:
            x = torch.cat([x, masking.residual_magnitude(magnitude, x)[None]])
        x = x.unflatten(1, (batch, -1))
        if self._sums_up(options):
            out = masking.shares(x) * spec
        else:
            out = apply_phase(x, spec)
        return istft(out, first.n_fft, first.hop_length, n)

    def _sums_up(self, options):
        return options.sums_up

    def _stereo(self, options):
        if options.stereo == "auto":
            slow = self.resolved(options).solver == "paper"
            return "mid" if slow and self._sums_up(options) else "channels"
        if options.stereo == "mid" and not self._sums_up(options):
            raise ValueError('stereo="mid" needs the final filter: wiener must not be False')
        return options.stereo

    def _check_fits(self, name, prior):
        pairs = [(self.priors[0], prior, ("sample_rate", "n_fft", "hop_length", "n_sqz"), "")]
        heard = [p for p in self.priors if getattr(p, "encoder", None) is not None]
        if heard and getattr(prior, "encoder", None) is not None:
            pairs.append((heard[0].encoder, prior.encoder, ("n_fft", "hop_length"), "encoder "))
        for first, other, fields, what in pairs:
            for field in fields:
                wanted, got = getattr(first, field), getattr(other, field)
                if wanted != got:
                    raise ValueError(
                        f"priors must share one {what}{field}: {self._names[0]!r} has {wanted}, "
                        f"{name!r} has {got}"
                    )

    @property
    def _window(self):
        # Samples without which there is no frame.
        encoders = [p.encoder for p in self.priors if getattr(p, "encoder", None) is not None]
        return max(model.n_fft for model in [*self.priors, *encoders])


def _as_prior(name, prior):
    check_name("source", name)
    if isinstance(prior, dict):
        prior = GlowPrior(**prior)
    for field in ("encode", "decode", "log_prob", "sample_rate", "n_fft", "hop_length"):
        if not hasattr(prior, field):
            raise TypeError(f"prior {name!r} must be a GlowPrior or like one, it has no {field}")
    return prior
