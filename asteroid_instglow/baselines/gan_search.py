r"""Search of the GAN prior: latents of all sources whose sum explains a mixture.

With :math:`\hat X = \sum_i G_i(z_i)` on magnitudes, every patch X of the mixture is explained by

.. math:: \min_{z_i \in [-0.9, 0.9]^d} 0.3 L_{spectral}(X, \hat X) + 0.1 L_{coherence}(X, \hat X)
    + 0.8 L_{frequency}(X, \hat X) + 0.4 \sum_{i < j} L_{dissociation}(G_i(z_i), G_j(z_j))

with Adam, each step followed by the projection onto the box. The weights, the learning rate, the
start at zero and the box are those of the authors' code. All terms use
:math:`\ell(X) = \log(1 + X^2)`:

- spectral: sum of absolute differences of :math:`\ell`, at three resolutions;
- coherence, dissociation: whether the edges of two images :math:`\ell` coincide at three
  resolutions; wanted for mixture and sum, unwanted for two sources;
- frequency: the ratio of the loudness :math:`\sum_f \ell(X(f, t))` of sum and mixture, summed over
  time frames. The authors minimise the ratio itself, which has no minimum where the two are equal;
  here it is the absolute value of its logarithm.

References
    - [1] : "Unsupervised Audio Source Separation using Generative Priors", Narayanaswamy et al.
      2020. https://arxiv.org/abs/2005.13769
"""

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from .gan_networks import Generator

N_RESOLUTIONS = 3
BOX = 0.9
SPECTRAL, COHERENCE, FREQUENCY, DISSOCIATION = 0.3, 0.1, 0.8, 0.4
EPS = 1e-6


def search(
    generators: Sequence[Generator],
    patches: torch.Tensor,
    n_iter: int,
    lr: float,
    report: Callable[[int, float], bool | None] | None = None,
) -> torch.Tensor:
    """Finds the sources of every patch.

    Args:
        generators (Sequence[Generator]): One per source.
        patches (torch.Tensor): Magnitudes of the mixture, (n, n_bins, n_frames).
        n_iter (int): Number of steps.
        lr (float): Learning rate of Adam.
        report (Callable, optional): Called with (iteration, loss); stops the search by returning
            True.

    Returns:
        torch.Tensor: Magnitudes, (n_src, n, n_bins, n_frames).
    """
    latents = [patches.new_zeros(len(patches), g.n_latent, requires_grad=True) for g in generators]
    optimizer = torch.optim.Adam(latents, lr=lr)
    for iteration in range(1, n_iter + 1):
        # Asteroid separates without gradients.
        with torch.enable_grad():
            sources = torch.stack([g.magnitude(z) for g, z in zip(generators, latents)])
            loss = mismatch(patches, sources).sum()
            # Not backward(), which would add gradients to the generators' weights.
            for z, gradient in zip(latents, torch.autograd.grad(loss, latents)):
                z.grad = gradient
        optimizer.step()
        with torch.no_grad():
            for z in latents:
                z.clamp_(-BOX, BOX)
        if report is not None and report(iteration, float(loss.detach())):
            break
    with torch.no_grad():
        return torch.stack([g.magnitude(z) for g, z in zip(generators, latents)])


def mismatch(mixture: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Computes the objective of each patch, (n,).

    Args:
        mixture (torch.Tensor): Magnitudes, (n, n_bins, n_frames).
        sources (torch.Tensor): Magnitudes, (n_src, n, n_bins, n_frames).
    """
    total = sources.sum(0)
    true_log, total_log, logs = (torch.log1p(x.square()) for x in (mixture, total, sources))
    together = sum(
        (common_edges(logs[i], logs[j]) for i, j in itertools.combinations(range(len(logs)), 2)),
        torch.zeros_like(mixture[:, 0, 0]),
    )
    return (
        SPECTRAL * spectral_distance(true_log, total_log)
        - COHERENCE * common_edges(true_log, total_log)
        + FREQUENCY * frequency_ratio(true_log, total_log)
        + DISSOCIATION * together
    )


def spectral_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Sums absolute differences of two images (n, height, width) at three resolutions: (n,)."""
    distance = a.new_zeros(len(a))
    for level in range(N_RESOLUTIONS):
        if level:
            a, b = (F.avg_pool2d(x[:, None], 2, ceil_mode=True)[:, 0] for x in (a, b))
        distance = distance + (a - b).abs().sum((1, 2))
    return distance


def common_edges(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Measures how far the edges of two images (n, height, width) coincide: (n,)."""
    common = a.new_zeros(len(a))
    for level in range(N_RESOLUTIONS):
        if level:
            a, b = (F.avg_pool2d(x[:, None], 2, ceil_mode=True)[:, 0] for x in (a, b))
        for axis in (1, 2):
            mine, its = a.diff(dim=axis), b.diff(dim=axis)
            # Scaled to equal strength on average.
            scale = 2 * mine.abs().mean((1, 2)) / (its.abs().mean((1, 2)) + EPS)
            mine = torch.tanh(mine / 2)
            its = torch.tanh(its * scale[:, None, None] / 2)
            product = (mine.square() * its.square()).mean((1, 2))
            # EPS: the root has no slope at zero, where an image is flat.
            common = common + (product + EPS).pow(0.25)
    return common / (2 * N_RESOLUTIONS)


def frequency_ratio(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Sums the absolute log-ratio of the loudness of each frame of (n, height, width): (n,)."""
    loudness, wanted = (x.sum(1) + EPS for x in (a, b))
    return torch.log(loudness / wanted).abs().sum(-1)


def cut(magnitude: torch.Tensor, n_frames: int, overlap: int) -> torch.Tensor:
    """Cuts magnitudes (batch, n_bins, frames) into (batch, n_patches, n_bins, n_frames).

    Neighbours share ``overlap`` frames; the last patch is padded with zeros.
    """
    hop = n_frames - overlap
    n_patches = max(1, -(-(magnitude.shape[-1] - overlap) // hop))
    missing = n_patches * hop + overlap - magnitude.shape[-1]
    return F.pad(magnitude, (0, missing)).unfold(-1, n_frames, hop).movedim(2, 1)


def join(patches: torch.Tensor, overlap: int, n_frames: int) -> torch.Tensor:
    """Crossfades (n_src, batch, n_patches, n_bins, width) to ``n_frames`` frames."""
    width = patches.shape[-1]
    hop = width - overlap
    ramp = (torch.arange(overlap).to(patches) + 0.5) / max(1, overlap)
    weights = patches.new_ones(width)
    weights[:overlap] *= ramp
    weights[width - overlap :] *= ramp.flip(0)
    total = hop * patches.shape[2] + overlap
    out = patches.new_zeros(*patches.shape[:2], patches.shape[3], total)
    weight = patches.new_zeros(total)
    for i in range(patches.shape[2]):
        out[..., i * hop : i * hop + width] += patches[:, :, i] * weights
        weight[i * hop : i * hop + width] += weights
    return (out / weight)[..., :n_frames]
