"""Latent optimisation: the loop of the paper around the functions of ``objective``."""

import contextlib

import torch
from torch.nn.utils import parametrize

from . import masking, objective
from .utils.precision import resolve_precision

PLATEAU = 20  # iterations looked back on by the early stop
SHARE_FLOOR = 1e-4
MAX_GAIN = 2.0  # of a guess: where it has next to nothing, a share is no measure of it
DITHER = 1 / 32768  # as in the priors' training


@contextlib.contextmanager
def frozen(modules):
    """Evaluation mode without parameter gradients; every module is left as it was found."""
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
def searching(priors, precision, device):
    """As :func:`frozen`, with gradients; gives the priors as a search uses them.

    Args:
        priors (Sequence[GlowPrior]): Or like ones, that need not have a form of their own for it.
        precision (str): Of :data:`~asteroid_instglow.utils.precision.PRECISIONS`.
        device (torch.device): Where they are.
    """
    half = resolve_precision(precision, device.type) == "bf16-mixed"
    dtype = torch.bfloat16 if half else None
    # Before the weights are cached, which would keep them in memory once more.
    searched = [p.frozen(dtype) if hasattr(p, "frozen") else p for p in priors]
    with torch.enable_grad(), frozen(priors):
        yield searched


def solve_paper(mixture, priors, options, progress=None):
    """Sources whose sum explains the mixture, by Adam on the latents (the published method).

    Args:
        mixture (torch.Tensor): Magnitudes, (batch, n_freq, n_frames), frames a multiple of the
            priors' squeeze.
        priors (Sequence[GlowPrior]): One a source, all of one STFT setting.
        options (SeparationOptions): Reads n_iter, lr, precision, prior_weight, space, init_scale,
            frame_mask, early_stop, seed.
        progress (Callable[[int, float], bool | None], optional): Called with the iteration and
            the loss; True stops the search.

    Returns:
        torch.Tensor: Magnitudes as decoded, (n_src, batch, n_freq, n_frames); they may be negative.
    """
    batch, _, n_frames = mixture.shape
    generator = torch.Generator().manual_seed(options.seed)
    latents = []
    for prior in priors:
        latent = torch.randn(batch, prior.n_chan, n_frames, generator=generator)
        latents.append((options.init_scale * latent).to(mixture).requires_grad_())
    optimiser = torch.optim.Adam(latents, lr=options.lr)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=800, gamma=0.2)
    losses = []
    best, best_loss = None, float("inf")
    with searching(priors, options.precision, mixture.device) as searched:
        for iteration in range(options.n_iter):
            optimiser.zero_grad()
            masked = options.frame_mask and iteration >= 5
            sources, ladjs = decode(searched, latents, mixture, masked)
            loss = total_loss(mixture, sources, latents, ladjs, options, priors[0].n_chan)
            value = loss.item() / batch
            if not value < float("inf"):
                # The search left the region where the flow is finite: keep the last good state.
                break
            if value < best_loss:
                best_loss, best = value, [source.detach() for source in sources]
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(value)
            if progress is not None and progress(iteration + 1, value):
                break
            if options.early_stop and plateau(losses, options.early_stop):
                break
        with torch.no_grad():
            masked = options.frame_mask and options.n_iter > 5
            sources, _ = decode(searched, latents, mixture, masked)
            if not all(source.isfinite().all() for source in sources):
                sources = best or sources
    return torch.stack(sources).nan_to_num(0.0, 0.0, 0.0)


def solve_posterior(guesses, mixture, priors, options, progress=None):
    """Sources that sum to the mixture and that the priors find likely, near the encoders' guesses.

    Adam on the logarithms of the shares, see :func:`objective.constrained_nll`. The search starts
    at the shares of the guesses and is short on purpose: the maximum of the likelihood is not the
    truth, and lies beyond it. What changes in a share is applied to the complex guess.

    Args:
        guesses (torch.Tensor): Complex spectrograms in the priors' STFT, (n_src, batch, n_freq,
            n_frames), frames a multiple of the priors' squeeze. What is behind the priors' (a
            residual) keeps its share.
        mixture (torch.Tensor): Complex, (batch, n_freq, n_frames).
        priors (Sequence[GlowPrior]): Of the first sources.
        options (SeparationOptions): Reads n_iter, lr, precision, early_stop, seed.
        progress (Callable, optional): As of :func:`solve_paper`.

    Returns:
        torch.Tensor: Complex, of the shape of ``guesses``, summing to the mixture.
    """
    n, batch = len(priors), len(mixture)
    generator = torch.Generator().manual_seed(options.seed)
    magnitude = mixture.abs()
    start = masking.shares(guesses.abs())
    explained = start[:n].sum(0)
    logits = start[:n].clamp_min(SHARE_FLOOR).log().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=options.lr)
    losses = []
    with searching(priors, options.precision, mixture.device) as searched:
        for iteration in range(options.n_iter):
            shares = explained * logits.softmax(0)
            dither = torch.rand(shares.shape, generator=generator).to(shares) * DITHER
            sources = shares.detach() * magnitude + dither
            value, gradients = 0.0, []
            # One prior after the other, so that only one has its activations in memory.
            for prior, source in zip(searched, sources):
                loss = objective.constrained_nll(prior, source.requires_grad_()).sum()
                gradients += torch.autograd.grad(loss, source)
                value += loss.item() / batch
            if not value < float("inf"):
                break
            optimiser.zero_grad()
            shares.backward(torch.stack(gradients) * magnitude)
            optimiser.step()
            losses.append(value)
            if progress is not None and progress(iteration + 1, value):
                break
            if options.early_stop and plateau(losses, options.early_stop):
                break
    found = explained * logits.detach().softmax(0)
    gain = (found / start[:n].clamp_min(SHARE_FLOOR)).clamp_max(MAX_GAIN)
    moved = torch.cat([guesses[:n] * gain, guesses[n:]])
    return masking.project_sum(moved, mixture, moved.abs().sqrt())


def decode(priors, latents, mixture, frame_mask=False):
    """Decoded magnitudes (padding row dropped) and the log-determinants of the decoding."""
    sources, ladjs = [], []
    for prior, latent in zip(priors, latents):
        x, ladj = prior.flow.inverse(latent)
        x = x[:, : prior.n_freq]
        if frame_mask:
            x = x * objective.frame_gain(x, mixture)
        sources.append(x)
        ladjs.append(ladj)
    return sources, ladjs


def total_loss(mixture, sources, latents, ladjs, options, n_chan):
    """Data term plus weighted prior terms, summed over the batch (items do not interact)."""
    loss = objective.kl_divergence(mixture, sum(sources), n_chan).sum()
    if options.prior_weight == 0:
        return loss
    for latent, ladj in zip(latents, ladjs):
        if options.space == "data":
            term = objective.data_prior(latent, ladj)
        else:
            term = objective.latent_prior(latent)
        loss = loss + options.prior_weight * term.sum()
    return loss


def plateau(losses, tolerance):
    """True if the loss fell by less than ``tolerance`` of itself over the last iterations."""
    if len(losses) <= PLATEAU:
        return False
    before, now = losses[-PLATEAU - 1], losses[-1]
    return before - now < tolerance * abs(before)
