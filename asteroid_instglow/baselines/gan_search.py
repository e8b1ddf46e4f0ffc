r"""The search of the GAN prior: latents of all sources whose sum explains a mixture.

For every patch of the mixture, with :math:`\hat y = \sum_i G_i(z_i)` on magnitudes,

.. math:: \min_{z_i \in [-1, 1]^d} 0.3 L_{spectral}(y, \hat y) + 0.1 L_{coherence}(y, \hat y)
    + 0.8 L_{frequency}(y, \hat y) + 0.4 \sum_{i < j} L_{dissociation}(G_i(z_i), G_j(z_j))

by Adam's steps, each followed by the projection onto the box. The weights, the learning rate and
the start at zero are those of the authors' code. Spectral: absolute differences of the logarithms
at three resolutions. Coherence and dissociation: whether the edges of two spectrograms are in the
same places, wanted of mixture and sum, not wanted of two sources. Frequency: the loudness of each
bin over time, as a ratio.

References
    - [1] : "Unsupervised Audio Source Separation using Generative Priors", Narayanaswamy et al.
      2020. https://arxiv.org/abs/2005.13769
"""

import itertools

import torch
import torch.nn.functional as F

N_RESOLUTIONS = 3
SPECTRAL, COHERENCE, FREQUENCY, DISSOCIATION = 0.3, 0.1, 0.8, 0.4
EPS = 1e-6


def search(generators, patches, n_iter, lr, report=None):
    """Finds the sources of every patch.

    Args:
        generators (Sequence[Generator]): One a source.
        patches (torch.Tensor): Magnitudes of the mixture, (n, n_bins, n_frames).
        n_iter (int): Steps.
        lr (float): Adam's learning rate.
        report (Callable, optional): Gets (iteration, loss); stops the search by returning True.

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
            # Not backward: the generators' weights want no gradient.
            for z, gradient in zip(latents, torch.autograd.grad(loss, latents)):
                z.grad = gradient
        optimizer.step()
        with torch.no_grad():
            for z in latents:
                z.clamp_(-1, 1)
        if report is not None and report(iteration, float(loss.detach())):
            break
    with torch.no_grad():
        return torch.stack([g.magnitude(z) for g, z in zip(generators, latents)])


def mismatch(mixture, sources):
    """What is minimised, for each patch.

    Args:
        mixture (torch.Tensor): Magnitudes, (n, n_bins, n_frames).
        sources (torch.Tensor): Magnitudes, (n_src, n, n_bins, n_frames).

    Returns:
        torch.Tensor: (n,).
    """
    total = sources.sum(0)
    true_log, total_log = torch.log1p(mixture), torch.log1p(total)
    logs = torch.log1p(sources)
    together = sum(
        (common_edges(logs[i], logs[j]) for i, j in itertools.combinations(range(len(logs)), 2)),
        torch.zeros_like(mixture[:, 0, 0]),
    )
    return (
        SPECTRAL * spectral_distance(true_log, total_log)
        - COHERENCE * common_edges(true_log, total_log)
        + FREQUENCY * frequency_ratio(mixture, total)
        + DISSOCIATION * together
    )


def spectral_distance(a, b):
    """Sum of absolute differences of two images (n, height, width) at three resolutions."""
    distance = 0
    for level in range(N_RESOLUTIONS):
        if level:
            a, b = (F.avg_pool2d(x[:, None], 2, ceil_mode=True)[:, 0] for x in (a, b))
        distance = distance + (a - b).abs().sum((1, 2))
    return distance


def common_edges(a, b):
    """How far the edges of two images (n, height, width) coincide, at three resolutions."""
    common = 0
    for level in range(N_RESOLUTIONS):
        if level:
            a, b = (F.avg_pool2d(x[:, None], 2, ceil_mode=True)[:, 0] for x in (a, b))
        for axis in (1, 2):
            mine, its = a.diff(dim=axis), b.diff(dim=axis)
            # Of equal strength on the whole.
            scale = 2 * mine.abs().mean((1, 2)) / (its.abs().mean((1, 2)) + EPS)
            mine = torch.tanh(mine / 2)
            its = torch.tanh(its * scale[:, None, None] / 2)
            product = (mine.square() * its.square()).mean((1, 2))
            # Its root has no slope at zero, where one of them is flat.
            common = common + (product + EPS).pow(0.25)
    return common / (2 * N_RESOLUTIONS)


def frequency_ratio(mixture, total):
    """How far each bin's loudness over time is from the mixture's, as a ratio: (n,)."""
    loudness, wanted = (torch.log1p(x).sum(-1) + EPS for x in (total, mixture))
    return torch.log(loudness / wanted).abs().mean(-1)


def cut(magnitude, n_frames, overlap):
    """Cuts magnitudes (batch, n_bins, frames) into (batch, n_patches, n_bins, n_frames).

    Neighbours share ``overlap`` frames; the last patch is filled up with zeros.
    """
    hop = n_frames - overlap
    n_patches = max(1, -(-(magnitude.shape[-1] - overlap) // hop))
    missing = n_patches * hop + overlap - magnitude.shape[-1]
    return F.pad(magnitude, (0, missing)).unfold(-1, n_frames, hop).movedim(2, 1)


def join(patches, overlap, n_frames):
    """Joins (n_src, batch, n_patches, n_bins, width) with crossfades to ``n_frames`` frames."""
    width = patches.shape[-1]
    hop = width - overlap
    ramp = (torch.arange(overlap).to(patches) + 0.5) / max(1, overlap)
    weights = patches.new_ones(width)
    weights[:overlap] *= ramp
    weights[width - overlap :] *= ramp.flip(0)
    total = hop * patches.shape[2] + overlap
    out, weight = patches.new_zeros(*patches.shape[:2], patches.shape[3], total), 0
    for i in range(patches.shape[2]):
        out[..., i * hop : i * hop + width] += patches[:, :, i] * weights
    weight = patches.new_zeros(total)
    for i in range(patches.shape[2]):
        weight[i * hop : i * hop + width] += weights
    return (out / weight)[..., :n_frames]
