"""The search of the paper: Adam on the latents of the flows."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from . import masking, objective
from .audio.stft import apply_phase, even_frames, hold_frames, istft, stft
from .options import SeparationOptions
from .prior import GlowPrior
from .utils.precision import resolve_precision

Progress = Callable[[int, float], bool | None]

PLATEAU = 20  # iterations that the early stop looks back on
MASK_FROM = 4  # updates before the frame mask: it starts in the fifth iteration
QUIET = 0.01  # peak below which the paper's search finds nothing


@contextlib.contextmanager
def frozen(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Sets modules to evaluation mode without parameter gradients, and restores them afterwards."""
    modules = list(modules)
    training = {m: m.training for module in modules for m in module.modules()}
    wanted = {p: p.requires_grad for module in modules for p in module.parameters()}
    try:
        for module in modules:
            module.eval().requires_grad_(False)
        # Weight norm is computed once, not in every step.
        with parametrize.cached():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode
        for parameter, grad in wanted.items():
            parameter.requires_grad_(grad)


@contextlib.contextmanager
def searching(
    priors: Sequence[GlowPrior], precision: str, device: torch.device
) -> Iterator[list[GlowPrior]]:
    """Freezes priors for a search, with gradients enabled.

    Args:
        priors (Sequence[GlowPrior]): Priors, or objects like them; a ``frozen`` method is optional.
        precision (str): One of :data:`~asteroid_instglow.utils.precision.PRECISIONS`.
        device (torch.device): Device of the priors.

    Yields:
        list[GlowPrior]: Copies of the priors that are faster to search with.
    """
    half = resolve_precision(precision, device.type) == "bf16-mixed"
    dtype = torch.bfloat16 if half else None
    # Before the weights are cached, which would keep them in memory once more.
    searched = [p.frozen(dtype) if hasattr(p, "frozen") else p for p in priors]
    with torch.enable_grad(), frozen(priors):
        yield searched


def separate_paper(
    wav: torch.Tensor,
    priors: Sequence[GlowPrior],
    options: SeparationOptions,
    residual: bool = False,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Separates a waveform by the paper's search, with the phase of the mixture.

    A waveform with a peak below ``QUIET`` is scaled to full scale first: the flows' likelihoods
    depend on the level.

    Args:
        wav (torch.Tensor): (batch, channels, time).
        priors, options, progress: As for :func:`solve_paper`; also uses wiener and stereo.
        residual (bool): Add a source with the magnitude that the others leave.

    Returns:
        torch.Tensor: (n_src, batch, channels, time).
    """
    first = priors[0]
    peak = wav.abs().amax()
    level = torch.where((peak > 0) & (peak < QUIET), peak, 1)
    wav = wav / level
    spec = stft(wav, first.n_fft, first.hop_length)
    if wav.shape[1] > 1 and options.stereo == "mid":
        heard = stft(wav.mean(1, keepdim=True), first.n_fft, first.hop_length)
    else:
        heard = spec
    magnitude = heard.abs().flatten(0, 1)
    x = solve_paper(even_frames(magnitude, first.n_sqz), priors, options, progress)
    x = hold_frames(x, magnitude.shape[-1])
    if residual:
        x = torch.cat([x, masking.residual_magnitude(magnitude, x)[None]])
    x = x.unflatten(1, (len(wav), -1))
    out = masking.shares(x) * spec if options.wiener else apply_phase(x, spec)
    return istft(out, first.n_fft, first.hop_length, wav.shape[-1]) * level


def solve_paper(
    mixture: torch.Tensor,
    priors: Sequence[GlowPrior],
    options: SeparationOptions,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Finds sources whose sum explains the mixture: objective (2) of :mod:`objective`, by Adam.

    The published code returns the sources as they were before its last update; this returns them
    after it, so ``n_iter`` here gives what ``n_iter + 1`` gives there. If the search diverges, the
    sources with the lowest loss are returned.

    Args:
        mixture (torch.Tensor): Magnitudes, (batch, n_freq, n_frames), ``n_frames`` a multiple of
            the priors' squeeze.
        priors (Sequence[GlowPrior]): One prior per source, all with the same STFT settings.
        options (SeparationOptions): Uses n_iter, lr, precision, prior_weight, space, init_scale,
            frame_mask, early_stop and seed.
        progress (Callable, optional): Called with the iteration (from 1) and the loss after each
            update; stops the search by returning True.

    Returns:
        torch.Tensor: Magnitudes as decoded, (n_src, batch, n_freq, n_frames); may be negative.
    """
    batch, _, n_frames = mixture.shape
    generator = torch.Generator().manual_seed(options.seed)
    latents = []
    for prior in priors:
        latent = torch.randn(batch, prior.n_chan, n_frames, generator=generator)
        latents.append((options.init_scale * latent).to(mixture).requires_grad_())
    if options.lr is None or options.n_iter is None:
        raise ValueError("options must be resolved, got lr or n_iter None")
    optimizer = torch.optim.Adam(latents, lr=options.lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=800, gamma=0.2)
    best, best_loss = None, float("inf")

    def decode(n_updates: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        sources, ladjs = [], []
        for prior, latent in zip(searched, latents):
            x, ladj = prior.flow.inverse(latent)
            if options.frame_mask and n_updates >= MASK_FROM:
                x = x * objective.frame_gain(x, mixture)
            sources.append(x[:, : prior.n_freq])
            ladjs.append(ladj)
        return sources, ladjs

    losses: list[float] = []
    with searching(priors, options.precision, mixture.device) as searched:
        for iteration in range(options.n_iter):
            optimizer.zero_grad()
            sources, ladjs = decode(iteration)
            weight, space = options.prior_weight, options.space
            # The items of a batch do not interact.
            loss = objective.separation_loss(mixture, sources, latents, ladjs, weight, space).sum()
            loss.backward()
            value = loss.item() / batch
            if value < best_loss:
                best_loss, best = value, [source.detach() for source in sources]
            if not math.isfinite(value):
                # The search has left the region where the flow is finite.
                break
            optimizer.step()
            scheduler.step()
            losses.append(value)
            if progress is not None and progress(iteration + 1, value):
                break
            if options.early_stop and plateau(losses, options.early_stop):
                break
        with torch.no_grad():
            sources, _ = decode(len(losses))
    if best is not None and not all(source.isfinite().all() for source in sources):
        sources = best
    return torch.stack(sources).detach().nan_to_num(0.0, 0.0, 0.0)


def plateau(losses: Sequence[float], tolerance: float) -> bool:
    """Returns True if the last iterations lowered the loss by less than ``tolerance`` of itself."""
    if len(losses) <= PLATEAU:
        return False
    before, now = losses[-PLATEAU - 1], losses[-1]
    return before - now < tolerance * abs(before)
