"""A Glow with constant weights, for fast searches in data or latent space."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .frozen_wavenet import FrozenWaveNet
from .glow import Glow
from .transform import Pair, Transform


class FrozenGlow(Transform):
    """Computes what a :class:`Glow` computes in evaluation mode, in less time and memory.

    What depends on the weights only is computed once, gradients are written out and reach the input
    only, and buffers are reused. Tensors are matrices: (n_chan * n_sqz, frames of all items)
    between the blocks, (frames of all items, hidden) in the conditioners. Later changes of the
    Glow's weights have no effect. Masks are not supported.

    Args:
        flow (Glow): The flow; it is not modified.
        dtype (torch.dtype, optional): Type of the conditioners' products, such as
            ``torch.bfloat16``; by default the type of the weights, which is always that of latents,
            couplings and log-determinants.

    Shape:
        - Input, output: (batch, n_chan, n_frames); frames that do not fill a squeeze are dropped.

    Examples:
        >>> flow = Glow(34, n_blocks=2, hidden=16)
        >>> z, ladj = FrozenGlow(flow)(torch.rand(1, 34, 40))
    """

    @torch.no_grad()
    def __init__(self, flow: Glow, dtype: torch.dtype | None = None):
        super().__init__()
        self.squeeze = flow.squeeze
        steps = list(flow.steps.transforms)
        self.blocks = [_Block(steps[i : i + 3], dtype) for i in range(0, len(steps), 3)]

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        return self._apply_all(x, mask, self.blocks, (_Block.forward, _Block.forward_gradient))

    def inverse(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:  # noqa: D102
        ways = (_Block.inverse, _Block.inverse_gradient)
        return self._apply_all(z, mask, self.blocks[::-1], ways)

    def _apply_all(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None,
        blocks: list["_Block"],
        ways: tuple[Callable, Callable],
    ) -> Pair:
        if mask is not None:
            raise ValueError(f"mask must be None in a frozen flow, got {tuple(mask.shape)}")
        x, _ = self.squeeze(x)
        batch, n_chan, n_frames = x.shape
        rows, ladj = _Blocks.apply(x.transpose(0, 1).reshape(n_chan, -1), batch, blocks, *ways)
        return self.squeeze.inverse(rows.view(n_chan, batch, n_frames).transpose(0, 1)), ladj


class _Blocks(torch.autograd.Function):
    # Applies all blocks to (n_chan, batch * n_frames).

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        batch: int,
        blocks: list["_Block"],
        run: Callable,
        gradient: Callable,
    ) -> Pair:
        ctx.blocks, ctx.gradient = blocks, gradient
        ladj, saved = x.new_zeros(batch), []
        x = x.clone(memory_format=torch.contiguous_format)
        for block in blocks:
            x, added, kept = run(block, x, batch)
            ladj += added
            if ctx.needs_input_grad[0]:
                saved += kept
        ctx.save_for_backward(*saved)
        return x, ladj

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, grad: torch.Tensor, grad_ladj: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        grad, saved = grad.clone(memory_format=torch.contiguous_format), ctx.saved_tensors
        n = len(saved) // len(ctx.blocks)
        for i in reversed(range(len(ctx.blocks))):
            kept = saved[i * n : (i + 1) * n]
            grad = ctx.gradient(ctx.blocks[i], grad, grad_ladj, kept)
        return grad, None, None, None, None


class _Block:
    # ActNorm, 1x1 convolution and coupling. Both directions return value, ladj and the tensors that
    # the gradient needs; they overwrite their input.

    def __init__(self, steps: Sequence[Any], dtype: torch.dtype | None):
        norm, mix, coupling = steps
        self.bias, self.scale = norm.bias.clone(), norm.log_scale.exp()
        self.unscale = (-norm.log_scale).exp()
        self.unbias = -self.bias * self.unscale
        self.weight = mix.weight.clone()
        # In float64: the inverse is applied twelve times and 4 x 4 costs nothing.
        exact = mix.weight.double()
        self.unmix = torch.linalg.inv(exact).to(mix.weight.dtype)
        groups = len(norm.bias) // len(exact)
        log_det = norm.log_scale.double().sum() + groups * torch.linalg.slogdet(exact).logabsdet
        self.ladj_of_frame = log_det.item()
        self.sigmoid_scale = coupling.sigmoid_scale
        self.conditioner = FrozenWaveNet(coupling.conditioner, dtype)

    def forward(
        self, x: torch.Tensor, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        x = _product(self.weight, torch.addcmul(self.bias, self.scale, x, out=x))
        x1, x2 = x.chunk(2)
        shift, log_scale, kept = self._condition(x1, batch)
        ladj = self._ladj(log_scale, batch)
        # Not in place: the tensor kept for the gradient must not include the shift.
        scale = log_scale.exp()
        scaled = scale * x2
        torch.add(scaled, shift, out=x2)
        return x, ladj, [scale, scaled, *kept]

    def forward_gradient(
        self, grad: torch.Tensor, grad_ladj: torch.Tensor, kept: list[torch.Tensor]
    ) -> torch.Tensor:
        scale, scaled, *kept = kept
        grad1, grad2 = grad.chunk(2)
        grad_log_scale = _of_log_scale(grad_ladj, grad2, scaled)
        if self.sigmoid_scale:
            grad_log_scale *= _slope(scale)
        grad1 += self.conditioner.gradient(grad2, grad_log_scale, kept, len(grad_ladj))
        grad2 *= scale
        return _product(self.weight.t(), grad).mul_(self.scale)

    def inverse(
        self, z: torch.Tensor, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        z1, z2 = z.chunk(2)
        shift, log_scale, kept = self._condition(z1, batch)
        ladj = -self._ladj(log_scale, batch)
        unscale = log_scale.neg().exp_()
        # A copy, so that the memory of the other half is freed.
        x2 = z2.sub_(shift).mul_(unscale).clone()
        x = _product(self.unmix, z)
        return torch.addcmul(self.unbias, self.unscale, x, out=x), ladj, [unscale, x2, *kept]

    def inverse_gradient(
        self, grad: torch.Tensor, grad_ladj: torch.Tensor, kept: list[torch.Tensor]
    ) -> torch.Tensor:
        unscale, x2, *kept = kept
        grad = _product(self.unmix.t(), grad.mul_(self.unscale))
        grad1, grad2 = grad.chunk(2)
        # Minus the gradient, like that of the shift.
        grad_log_scale = _of_log_scale(grad_ladj, grad2, x2)
        grad2 *= unscale
        if self.sigmoid_scale:
            grad_log_scale *= _slope(unscale.reciprocal())
        grad1 -= self.conditioner.gradient(grad2, grad_log_scale, kept, len(grad_ladj))
        return grad

    def _condition(
        self, x1: torch.Tensor, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        out, kept = self.conditioner(x1, batch)
        shift, log_scale = out.chunk(2)
        if self.sigmoid_scale:
            log_scale.add_(2).sigmoid_().add_(1e-6).log_()
        return shift, log_scale, kept

    def _ladj(self, log_scale: torch.Tensor, batch: int) -> torch.Tensor:
        per_item = log_scale.view(len(log_scale), batch, -1)
        return per_item.sum((0, 2)) + per_item.shape[2] * self.ladj_of_frame


def _product(matrix: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return (matrix @ x.view(len(matrix), -1)).view_as(x)


def _of_log_scale(
    grad_ladj: torch.Tensor, grad: torch.Tensor, scaled: torch.Tensor
) -> torch.Tensor:
    # The gradient of an item's log-determinant applies to all of its frames.
    of_frame = grad_ladj.repeat_interleave(scaled.shape[1] // len(grad_ladj))
    return torch.addcmul(of_frame, grad, scaled)


def _slope(scale: torch.Tensor) -> torch.Tensor:
    # Derivative of log(1e-6 + sigmoid(s + 2)) by s, from its exponential.
    sigmoid = scale - 1e-6
    return sigmoid * (1 - sigmoid) / scale
