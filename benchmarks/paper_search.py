"""The paper's search as it is timed: priors of the published size, a plain search, its products."""

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from asteroid_instglow import GenerativeSeparator, GlowPrior

DTYPES = {"32": torch.float32, "bf16-mixed": torch.bfloat16}


def paper_separator():
    """Makes four priors of the published size with random weights in all layers."""
    torch.manual_seed(0)
    priors = {name: GlowPrior(name) for name in ("bass", "drums", "guitar", "piano")}
    for prior in priors.values():
        for coupling in prior.flow.steps.transforms[2::3]:
            torch.nn.init.normal_(coupling.conditioner.end.weight, std=1e-3)
    return GenerativeSeparator(priors, solver="paper")


def plain_search(priors, seconds, device="cpu"):
    """Returns a function that takes a step of a search by autograd, with gradients of all."""
    priors = [prior.to(device).eval() for prior in priors]
    n_frames = round(seconds * priors[0].sample_rate / priors[0].hop_length) // 2 * 2
    shape = (1, priors[0].n_chan, n_frames)
    latents = [torch.zeros(shape, device=device, requires_grad=True) for _ in priors]
    optimizer, mixture = torch.optim.Adam(latents, lr=0.01), torch.ones(shape, device=device)

    def step():
        optimizer.zero_grad()
        sources = [prior.flow.inverse(z)[0] for prior, z in zip(priors, latents)]
        (sum(sources) - mixture).square().mean().backward()
        optimizer.step()

    return step


def paper_convolution(precision, n_frames=345, device="cpu"):
    """Returns a convolution of the paper's conditioner, and its multiply-adds."""
    conv = GlowPrior(n_blocks=1).flow.steps.transforms[2].conditioner.in_layers[0]
    weight = conv.weight.detach().to(device, DTYPES[precision])
    x = torch.randn(1, weight.shape[1], n_frames).to(weight)
    return lambda: F.conv1d(x, weight, padding=conv.padding[0]), weight.numel() * n_frames


def multiply_adds(function):
    """Counts the multiply-adds in convolutions and matrix products of a function."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() // 2
