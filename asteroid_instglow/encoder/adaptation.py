r"""Lets encoders learn the sounds of recordings from these recordings alone.

A separation is right about a source more often than not, and the errors of two sources at two
places have nothing to do with each other. So the estimated sources are mixed anew, each from
another place and at another level, and the encoders are trained to take these mixtures apart. What
they got wrong here and right elsewhere in the recording they then get right: a bass that was half
taken for a guitar, say. No true source is needed, and the mixtures are not paired.

References
    - [1] : "RemixIT: Continual Self-Training of Speech Enhancement Models via Bootstrapped
      Remixing", Tzinis et al. 2022. https://arxiv.org/abs/2202.08862
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F

from ..audio.gains import signed_gains
from ..audio.resampling import check_rates, resample
from ..audio.tuning import out_of_tune, retune
from ..masking import subsonics
from ..options import SeparationOptions
from ..utils.devices import device_of
from ..utils.precision import resolve_precision
from ..utils.progress import SeparationProgress
from .base import Encoder, estimate_each
from .loss import bels_of
from .solve import added_later, encoder_sets

LR = 4e-4  # of Adam, falling to zero
BATCH = 2  # mixtures of a step
SEGMENT = 6.0  # seconds of a mixture: attention reaches over 5
GAIN_DB = 5.0  # gains are drawn between minus and plus this
WARM_UP = 5  # steps
CLIP = 1.0  # largest norm of the gradient


def estimated_sources(
    excerpts: Iterable[torch.Tensor],
    separate: Callable[[torch.Tensor], torch.Tensor],
    prior: Any,
    sample_rate: int,
    retunes: bool,
) -> torch.Tensor:
    """Separates excerpts of a recording into what the encoders are to learn from.

    Args:
        excerpts (Iterable[torch.Tensor]): (channels, time).
        separate (Callable): Separates (1, channels, time), of the prior's rate, as
            :meth:`~.separator.GenerativeSeparator.torch_separate` does.
        prior (GlowPrior): Tells rate, STFT and device.
        sample_rate (int): Sample rate of the excerpts, Hz.
        retunes (bool): Whether the encoders will hear the music in tune.

    Returns:
        torch.Tensor: The sources, (n_src, time), all channels and excerpts one after the other.
    """
    device, n_fft = device_of(prior), prior.n_fft
    rates = check_rates(sample_rate, int(prior.sample_rate))

    def heard(wav: torch.Tensor) -> torch.Tensor:
        wav = resample(wav, *rates).to(device)
        wav = F.pad(wav, (0, max(0, n_fft - wav.shape[-1])))
        wav = wav - subsonics(wav, rates[1])
        found = separate(wav[None])[0]  # (n_src, time) or (n_src, channels, time)
        sharp = out_of_tune(wav, rates[1], n_fft) if retunes else 0.0
        return (retune(found, sharp) if sharp else found).flatten(1)

    return torch.cat([heard(excerpt) for excerpt in excerpts], 1)


def adapt_encoders(
    priors: Sequence[Any],
    recordings: Sequence[torch.Tensor],
    options: SeparationOptions,
    report: SeparationProgress,
) -> None:
    """Trains the encoders of priors, in place.

    Args:
        priors (Sequence[GlowPrior]): Each with an encoder.
        recordings (Sequence[torch.Tensor]): Sources of each as :func:`estimated_sources` finds
            them, those of the priors first. Silent ones are left out.
        options (SeparationOptions): Resolved; uses adapt, quality and seed.
        report (SeparationProgress): Gets the steps and the loss, and may end the training.
    """
    heard = [sources for sources in recordings if sources.any()]
    if heard:
        length = round(SEGMENT * int(priors[0].sample_rate))
        remixes = Remixes(heard, length, BATCH * options.adapt, options.seed)
        _train(list(hearing_alike(priors, options.quality)), remixes, options.adapt, report)


class Remixes:
    """Mixtures of sources that are taken from different places of a recording, at different levels.

    The places of each source are spread evenly over the recording, in random order: a few mixtures
    have something of all of it.

    Args:
        recordings (Sequence[torch.Tensor]): Sources of each, (n_src, time), not silent.
        length (int): Samples of a mixture; fewer if no recording has so many, and those that have
            fewer than others end in silence.
        n (int): Number of mixtures; the recordings take turns.
        seed (int): Random seed.
    """

    def __init__(self, recordings: Sequence[torch.Tensor], length: int, n: int, seed: int):
        self.length = min(length, max(sources.shape[1] for sources in recordings))
        self.recordings = [
            F.pad(sources / sources.abs().max(), (0, max(0, self.length - sources.shape[1])))
            for sources in recordings
        ]
        self.generator = torch.Generator().manual_seed(seed)
        rounds = -(-n // len(recordings))
        starts = [self._places(sources, rounds) for sources in self.recordings]
        self._plan = (pair for turn in zip(*starts) for pair in zip(self.recordings, turn))

    def _places(self, sources: torch.Tensor, n: int) -> torch.Tensor:
        order = torch.stack([torch.randperm(n, generator=self.generator) for _ in sources], 1)
        place = (order + torch.rand(order.shape, generator=self.generator)) / n
        return (place * (sources.shape[1] - self.length + 1)).long()  # (n, n_src)

    def draw(self, n: int) -> torch.Tensor:
        """Returns the parts of the next n mixtures, (n, n_src, time)."""
        wavs = []
        for sources, start in islice(self._plan, n):
            index = start[:, None] + torch.arange(self.length)
            wavs.append(sources.gather(1, index.to(sources.device)))
        wav = torch.stack(wavs)
        gains = signed_gains((*wav.shape[:2], 1), GAIN_DB, self.generator)
        return wav * gains.to(wav.device)


def hearing_alike(
    priors: Sequence[Any], quality: str
) -> Iterator[tuple[list[Encoder], list[int], list[int]]]:
    """Groups the encoders of priors by what they hear.

    Encoders trained before an instrument existed run on the mixture without it, see
    :func:`~.solve.solve_encoder`.

    Args:
        priors (Sequence[GlowPrior]): Each with one or two encoders.
        quality (str): See :func:`~.solve.encoder_sets`.

    Yields:
        tuple: Encoders, the indices of their sources, and of the sources that they do not hear.
    """
    names = [prior.source for prior in priors]
    for encoders in encoder_sets(priors, quality):
        later = added_later(encoders, names)
        for unheard in sorted(set(later)):
            own = [i for i, others in enumerate(later) if others == unheard]
            yield [encoders[i] for i in own], own, list(unheard)


def _train(
    groups: Sequence[tuple[list[Encoder], list[int], list[int]]],
    remixes: Remixes,
    n_steps: int,
    report: SeparationProgress,
) -> None:
    encoders = torch.nn.ModuleList(encoder for group, _, _ in groups for encoder in group)
    encoders.train().requires_grad_(True)
    optimizer = torch.optim.Adam(encoders.parameters(), LR)
    device = device_of(encoders).type
    half = resolve_precision("auto", device) == "bf16-mixed"
    for step in range(n_steps):
        loss = 0.0
        optimizer.zero_grad()
        with torch.enable_grad():
            # On a processor one by one: the graph of a mixture takes gigabytes.
            for parts in remixes.draw(BATCH).split(1 if device == "cpu" else BATCH):
                for group in groups:
                    with torch.autocast(device, torch.bfloat16, enabled=half):
                        value = _error(*group, parts).mean() * (len(parts) / BATCH / len(groups))
                    value.backward()
                    loss += float(value.detach())
        for settings in optimizer.param_groups:
            settings["lr"] = LR * min(1.0, (step + 1) / WARM_UP) * (1 - step / n_steps)
        norm = torch.nn.utils.clip_grad_norm_(encoders.parameters(), CLIP)
        if norm.isfinite():  # a gradient that is not moves nothing
            optimizer.step()
        if report.step(step + 1, loss):
            break
    encoders.eval()


def _error(
    encoders: list[Encoder], own: list[int], unheard: list[int], parts: torch.Tensor
) -> torch.Tensor:
    heard = [i for i in range(parts.shape[1]) if i not in unheard]
    with torch.autocast(parts.device.type, enabled=False):
        specs, _ = encoders[0].transform(parts[:, heard])
    guess = estimate_each(encoders, specs.sum(1)).transpose(0, 1)
    return bels_of(guess - specs[:, [heard.index(i) for i in own]])
