"""The convention of every invertible layer, stated once.

``forward`` maps data to latent, ``inverse`` maps latent to data. Both return ``(value, ladj)``
where ``ladj``, of shape (batch,), is the log absolute determinant of the Jacobian *of the
direction taken*, summed over the valid frames. ``mask``, of shape (batch, 1, n_frames), is 1 where
a frame is valid and 0 where it only pads the batch; a masked frame comes out as zero and adds
nothing to ``ladj``.
"""

import torch
from torch import nn


class Transform(nn.Module):
    """Invertible map of (batch, n_chan, n_frames) tensors with a tractable Jacobian."""

    def forward(self, x, mask=None):
        """Data to latent.

        Args:
            x (torch.Tensor): Data, (batch, n_chan, n_frames).
            mask (torch.Tensor, optional): Valid frames, (batch, 1, n_frames).

        Returns:
            tuple: latent of the shape of ``x``, ladj of shape (batch,) in nats.
        """
        raise NotImplementedError

    def inverse(self, z, mask=None):
        """Latent to data; same shapes as :meth:`forward`, ladj of the inverse map."""
        raise NotImplementedError


class Compose(Transform):
    """Applies transforms one after the other; ladj is their sum.

    Args:
        transforms (Iterable[Transform]): First to last in the data-to-latent direction.
    """

    def __init__(self, transforms):
        super().__init__()
        self.transforms = nn.ModuleList(transforms)

    def forward(self, x, mask=None):  # noqa: D102
        ladj = x.new_zeros(len(x))
        for transform in self.transforms:
            x, step = transform(x, mask)
            ladj = ladj + step
        return x, ladj

    def inverse(self, z, mask=None):  # noqa: D102
        ladj = z.new_zeros(len(z))
        for transform in reversed(self.transforms):
            z, step = transform.inverse(z, mask)
            ladj = ladj + step
        return z, ladj


def count_frames(x, mask=None):
    """Number of valid frames of each item, (batch,), in the dtype of ``x``."""
    if mask is None:
        return x.new_full((len(x),), x.shape[-1])
    return mask.to(x.dtype).sum((1, 2))


def at_least_float32(x):
    """``x`` in float32 if it is a half type: log-determinants need the digits."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
