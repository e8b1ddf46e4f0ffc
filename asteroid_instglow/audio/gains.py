"""Random gains for mixtures to learn from."""

import torch


def signed_gains(
    shape: tuple[int, ...], gain_db: float, generator: torch.Generator
) -> torch.Tensor:
    """Draws gains between minus and plus ``gain_db``, half of them with the polarity reversed."""
    random = torch.rand(2, *shape, device=generator.device, generator=generator)
    gain = 10 ** ((2 * random[0] - 1) * gain_db / 20)
    return torch.where(random[1] < 0.5, -gain, gain)
