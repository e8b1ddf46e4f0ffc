r"""The equations of the paper [1], as pure functions on tensors.

**Prior.** The flow :math:`f_i` of source i maps a magnitude spectrogram x to a latent z of the
same size. The latent is standard normal, so by the change of variables [2, sec. 3.1] the density of
x is

.. math:: \log p_i(x) = \log \mathcal{N}(f_i(x); 0, I) + \log |\det \partial f_i / \partial x|
    \qquad (1)

(:func:`log_likelihood`). Training minimises :math:`-\log p_i(x)` per element on solos of source i.

**Separation.** A mixture with the magnitudes X is explained by sources
:math:`x_i = f_i^{-1}(z_i)`. Gradient descent finds the latents:

.. math:: \min_{z_1 \dots z_n} \; D\Big(X \,\Big|\, \sum_i x_i\Big) + \lambda \sum_i R_i
    \qquad (2)

(:func:`separation_loss`). :math:`\lambda = 0` is the paper's maximum likelihood (MLE),
:math:`\lambda > 0` is maximum a posteriori (MAP). The data term is the generalised Kullback-Leibler
divergence [3] of :math:`Y = |\sum_i x_i|` from X (:func:`kl_divergence`):

.. math:: D(X | Y) = \overline{X \log (X / Y) - X + Y} \qquad (3)

The prior term is measured on the latent (:func:`latent_prior`) or on the data (:func:`data_prior`):

.. math:: R_i = \tfrac{1}{2} \overline{z_i^2} \quad (4) \qquad\qquad
    R_i = -\log p_i(x_i) \, / \, \mathrm{size}(x_i) \quad (5)

**Frame mask.** Optionally, frame t of a source is scaled by its share of the mixture
(:func:`frame_gain`):

.. math:: g_i(t) = \frac{\sum_f x_i(f, t)}{\max\left(\sum_f x_i(f, t), \sum_f X(f, t)\right)}
    \qquad (6)

**Output.** The inverse STFT of :math:`x_i` with the mixture's phase, or, with the Wiener filter
(:func:`~asteroid_instglow.masking.shares`), of :math:`X x_i / \sum_j x_j` with that phase.

References
    - [1] : "Music Source Separation with Generative Flow", Zhu, Darefsky, Jiang, Selitskiy and
      Duan, IEEE Signal Processing Letters 2022. https://arxiv.org/abs/2204.09079
    - [2] : "Density estimation using Real NVP", Dinh, Sohl-Dickstein and Bengio, ICLR 2017.
      https://arxiv.org/abs/1605.08803
    - [3] : "Algorithms for Non-negative Matrix Factorization", Lee and Seung, NIPS 2000.
"""

import math
from collections.abc import Sequence

import torch

EPS = 1e-8


def log_likelihood(
    latent: torch.Tensor, ladj: torch.Tensor, n_dims: torch.Tensor | int
) -> torch.Tensor:
    """Computes the log-density (1) of the data that a flow maps to ``latent``.

    Args:
        latent (torch.Tensor): (batch, n_chan, n_frames), zero in frames that are padding.
        ladj (torch.Tensor): Log absolute determinant of the Jacobian, data to latent, (batch,).
        n_dims (torch.Tensor or int): Number of elements that are not padding, (batch,).

    Returns:
        torch.Tensor: (batch,), nats.
    """
    return -0.5 * latent.square().sum((1, 2)) - 0.5 * math.log(2 * math.pi) * n_dims + ladj


def kl_divergence(
    mixture: torch.Tensor, estimate: torch.Tensor, n_chan: int | None = None
) -> torch.Tensor:
    """Computes the data term (3), averaged over bins and frames.

    Args:
        mixture (torch.Tensor): X, (batch, n_freq, n_frames), not negative.
        estimate (torch.Tensor): Sum of the sources, same shape; its absolute value is Y.
        n_chan (int, optional): Number of rows to average over; ``n_freq`` by default. The published
            code leaves the padding row out of the sum but counts it in the mean.

    Returns:
        torch.Tensor: (batch,).

    Examples:
        >>> x = torch.ones(1, 3, 4)
        >>> round(kl_divergence(x, 2 * x).item(), 3)  # log(1 / 2) - 1 + 2
        0.307
    """
    x = mixture.abs() + EPS
    y = estimate.abs() + EPS
    divergence = x * (x / y + EPS).log() - x + y
    return divergence.sum((1, 2)) / ((n_chan or x.shape[1]) * x.shape[2])


def latent_prior(latent: torch.Tensor) -> torch.Tensor:
    """Computes the prior term (4) of latents (batch, n_chan, n_frames): (batch,)."""
    return 0.5 * latent.square().mean((1, 2))


def data_prior(latent: torch.Tensor, inverse_ladj: torch.Tensor) -> torch.Tensor:
    """Computes the prior term (5), without a pass through the flow.

    Args:
        latent (torch.Tensor): (batch, n_chan, n_frames).
        inverse_ladj (torch.Tensor): Log-determinant of the decoding, latent to data, (batch,).

    Returns:
        torch.Tensor: (batch,), nats per dimension.
    """
    n_dims = latent[0].numel()
    return -log_likelihood(latent, -inverse_ladj, n_dims) / n_dims


def separation_loss(
    mixture: torch.Tensor,
    sources: Sequence[torch.Tensor],
    latents: Sequence[torch.Tensor],
    inverse_ladjs: Sequence[torch.Tensor],
    prior_weight: float = 0.0,
    space: str = "latent",
) -> torch.Tensor:
    """Computes the objective (2) of each mixture.

    Args:
        mixture (torch.Tensor): X, (batch, n_freq, n_frames).
        sources (Sequence[torch.Tensor]): Decoded magnitudes, each of the shape of ``mixture``.
        latents (Sequence[torch.Tensor]): Latents of the sources, each (batch, n_chan, n_frames).
        inverse_ladjs (Sequence[torch.Tensor]): Log-determinants of the decoding, each (batch,).
        prior_weight (float): Lambda, the paper's alpha2.
        space (str): "latent" for prior term (4), "data" for (5).

    Returns:
        torch.Tensor: (batch,).
    """
    total = sum(sources[1:], sources[0])
    loss = kl_divergence(mixture, total, latents[0].shape[1])
    if prior_weight == 0:
        return loss
    for latent, ladj in zip(latents, inverse_ladjs):
        term = data_prior(latent, ladj) if space == "data" else latent_prior(latent)
        loss = loss + prior_weight * term
    return loss


def frame_gain(source: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    """Computes the frame mask (6): below 1 where a source is quieter than the mixture, else 1.

    Args:
        source (torch.Tensor): x_i as decoded, padding row included, (batch, n_chan, n_frames).
        mixture (torch.Tensor): X, (batch, n_freq, n_frames).

    Returns:
        torch.Tensor: (batch, 1, n_frames); negative where the source's bins sum to less than 0.

    Examples:
        >>> frame_gain(torch.tensor([[[0.4, 3.0]]]), torch.tensor([[[2.0, 2.0]]]))
        tensor([[[0.2000, 1.0000]]])
    """
    total = source.sum(1, keepdim=True)
    return total / (mixture + EPS).sum(1, keepdim=True).maximum(total)
