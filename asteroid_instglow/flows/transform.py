"""The interface of every invertible layer.

``forward`` maps data to latent, ``inverse`` maps latent to data. Both return ``(value, ladj)``:
``ladj``, of shape (batch,), is the log absolute determinant of the Jacobian of the direction taken,
summed over the valid frames. ``mask``, of shape (batch, 1, n_frames), is 1 where a frame is valid
and 0 where it pads the batch; a masked frame becomes zero and adds nothing to ``ladj``.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

Pair = tuple[torch.Tensor, torch.Tensor]


class Transform(nn.Module):
    """Invertible map of (batch, n_chan, n_frames) tensors with a tractable Jacobian."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:
        """Maps data to a latent.

        Args:
            x (torch.Tensor): Data, (batch, n_chan, n_frames).
            mask (torch.Tensor, optional): Valid frames, (batch, 1, n_frames).

        Returns:
            tuple: Latent of the shape of ``x``, and ladj in nats, (batch,).
        """
        raise NotImplementedError

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:
        """Maps a latent to data; shapes as in :meth:`forward`, ladj of the inverse map."""
        raise NotImplementedError


class Compose(Transform):
    """Applies transforms one after the other; ladj is their sum.

    Args:
        transforms (Iterable[Transform]): First to last in the data-to-latent direction.
    """

    def __init__(self, transforms: Iterable[Transform]):
        super().__init__()
        self.transforms: Any = nn.ModuleList(transforms)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        ladj = x.new_zeros(len(x))
        for transform in self.transforms:
            x, step = transform(x, mask)
            ladj = ladj + step
        return x, ladj

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        ladj = z.new_zeros(len(z))
        for transform in reversed(self.transforms):
            z, step = transform.inverse(z, mask)
            ladj = ladj + step
        return z, ladj


def count_frames(x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Counts the valid frames of each item, (batch,), in the dtype of ``x``."""
    if mask is None:
        return x.new_full((len(x),), x.shape[-1])
    return mask.to(x.dtype).sum((1, 2))


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """Converts half precision to float32, which log-determinants need."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
