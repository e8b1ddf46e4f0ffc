"""Training of generator and critic: Wasserstein GAN with gradient penalty."""

from collections.abc import Callable

import torch

from ..training.system import TrainingSystem

CRITIC_STEPS = 5  # for each step of the generator
PENALTY = 10.0


class GanSystem(TrainingSystem):
    """Lightning system that trains :class:`~.gan_networks.Adversaries` on wavs (batch, time).

    The number of the step decides whether the generator or the critic is trained. So one optimizer
    serves both (it skips parameters without gradients), and a resumed run continues in the same
    order. The validation loss is the critic's estimate of the Wasserstein distance on held-out
    solos.

    References
        - [1] : "Improved Training of Wasserstein GANs", Gulrajani et al. 2017.
          https://arxiv.org/abs/1704.00028
    """

    def loss_terms(self, batch: torch.Tensor) -> tuple[torch.Tensor, int]:  # noqa: D102
        generator, critic = self.model.generator, self.model.critic
        real = generator.normalised(self.model.magnitude(batch.float()))
        if not self.training:
            return self._distance(real), len(real)
        critics_turn = self.trainer.global_step % (CRITIC_STEPS + 1) < CRITIC_STEPS
        generator.requires_grad_(not critics_turn)
        critic.requires_grad_(critics_turn)
        fake = generator(_latents(len(real), generator.n_latent, real))
        if critics_turn:
            loss = critic(fake) - critic(real) + PENALTY * _steepness(critic, real, fake)
        else:
            loss = -critic(fake)
        return loss.sum(), len(real)

    def _distance(self, real: torch.Tensor) -> torch.Tensor:
        rng = torch.Generator().manual_seed(0)
        n_latent = self.model.generator.n_latent
        fake = self.model.generator(_latents(len(real), n_latent, real, rng))
        return (self.model.critic(real) - self.model.critic(fake)).sum()


def _latents(
    n: int, n_latent: int, like: torch.Tensor, generator: torch.Generator | None = None
) -> torch.Tensor:
    latents = torch.rand(n, n_latent, generator=generator) if generator else torch.rand(n, n_latent)
    return (2 * latents - 1).to(like)


def _steepness(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    # Squared distance of the critic's slope from 1, between real and fake patches.
    share = torch.rand(len(real), 1, 1).to(real)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.square().sum((1, 2)) + 1e-12).sqrt().sub(1).square()
