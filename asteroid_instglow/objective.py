r"""The paper, as pure functions.

A mixture magnitude X is explained by sources :math:`x_i = f_i^{-1}(z_i)`, each decoded by the flow
of its prior from a latent :math:`z_i`. Separation is the search

.. math::

    \min_{z_1 \dots z_n} \; D\Big(X \,\Big|\, \sum_i x_i\Big) + \lambda \sum_i R_i

with the data term D the generalised Kullback-Leibler divergence (:func:`kl_divergence`), and the
prior term R either in latent space, :math:`R_i = \overline{z_i^2} / 2` (:func:`latent_prior`), or
in data space, :math:`R_i = -\log p_i(x_i)` per element, which adds the log-determinant of the
flow (:func:`data_prior`). The weight :math:`\lambda` is ``prior_weight``: 0 is the paper's maximum
likelihood (MLE), anything above is maximum a posteriori (MAP).

With ``frame_mask`` no source may be louder in a frame than the mixture (:func:`frame_gain`).

Past the paper, with a hard sum in place of the data term: the sources are shares of the mixture,
:math:`x_i = X \, \mathrm{softmax}_i(a)`, and the search over a, from the shares that the encoders
guess, goes a little way down

.. math:: \sum_i -\log p_i(x_i + u), \quad u \sim \mathcal{U}[0, 2^{-15})

(:func:`constrained_nll`). Here the whole density of a source is used, which tells instruments apart
well, where the paper's search with :math:`\lambda = 0` only uses that it starts at z = 0.

References
    - [1] : "Music Source Separation with Generative Flow", Zhu, Darefsky, Jiang, Selitskiy and
      Duan, IEEE Signal Processing Letters 2022. https://arxiv.org/abs/2204.09079
"""

import math

EPS = 1e-8


def kl_divergence(mixture, estimate, n_chan=None):
    r"""Generalised KL divergence :math:`X \log(X / Y) - X + Y`, averaged over bins and frames.

    Args:
        mixture (torch.Tensor): X, (batch, n_freq, n_frames), not negative.
        estimate (torch.Tensor): Sum of the sources, same shape; its absolute value is Y.
        n_chan (int, optional): Rows of the mean. The published code leaves the padding row out of
            the sum but not of the mean; by default n_freq.

    Returns:
        torch.Tensor: (batch,).
    """
    x = mixture.abs() + EPS
    y = estimate.abs() + EPS
    divergence = x * (x / y + EPS).log() - x + y
    return divergence.sum((1, 2)) / ((n_chan or x.shape[1]) * x.shape[2])


def latent_prior(latent):
    """Half the mean square of a latent (batch, n_chan, n_frames): (batch,), nats per dimension."""
    return 0.5 * latent.square().mean((1, 2))


def data_prior(latent, inverse_ladj):
    """Negative log-likelihood per dimension of what a latent decodes to.

    Args:
        latent (torch.Tensor): (batch, n_chan, n_frames).
        inverse_ladj (torch.Tensor): Log-determinant of the decoding, (batch,).

    Returns:
        torch.Tensor: (batch,), nats per dimension.
    """
    n_dims = latent.shape[1] * latent.shape[2]
    return latent_prior(latent) + inverse_ladj / n_dims + 0.5 * math.log(2 * math.pi)


def constrained_nll(prior, source):
    """Negative log-likelihood per dimension of a source's magnitudes, the padding row left out.

    Args:
        prior (GlowPrior): Of the source.
        source (torch.Tensor): (batch, n_freq, n_frames).

    Returns:
        torch.Tensor: (batch,), nats per dimension.
    """
    return -prior.log_prob(source) / (prior.n_freq * source.shape[-1])


def frame_gain(source, mixture):
    """Gain (batch, 1, n_frames) that lets no frame of a source outweigh the mixture's.

    Args:
        source, mixture (torch.Tensor): (batch, n_freq, n_frames).
    """
    total = source.sum(1, keepdim=True)
    limit = mixture.sum(1, keepdim=True).maximum(total)
    return total / limit.clamp_min(EPS)
