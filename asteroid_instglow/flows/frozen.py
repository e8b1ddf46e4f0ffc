"""A Glow whose weights no longer change: the same maps, for searches in data or latent space."""

import torch

from .frozen_wavenet import FrozenWaveNet
from .transform import Transform


class FrozenGlow(Transform):
    """What a :class:`Glow` is in evaluation mode, faster and in less memory, without masks.

    Nothing that depends on the weights alone is computed twice, gradients reach the input only and
    are written out, buffers are used again, and everything is a product of plain matrices: between
    the blocks (n_chan * n_sqz, frames of all items), in the conditioners (frames of all items,
    hidden). Later changes of the Glow's weights do not reach it.

    Args:
        flow (Glow): Left as it is.
        dtype (torch.dtype, optional): Of the conditioners' products, ``torch.bfloat16`` say; by
            default that of the weights. Latents, couplings and log-determinants stay in the latter.

    Shape:
        - Input, output: (batch, n_chan, n_frames); frames that do not fill a squeeze are dropped.

    Examples:
        >>> flow = Glow(34, n_blocks=2, hidden=16)
        >>> z, ladj = FrozenGlow(flow)(torch.rand(1, 34, 40))
    """

    @torch.no_grad()
    def __init__(self, flow, dtype=None):
        super().__init__()
        self.squeeze = flow.squeeze
        steps = list(flow.steps.transforms)
        self.blocks = [_Block(*steps[i : i + 3], dtype) for i in range(0, len(steps), 3)]

    def forward(self, x, mask=None):  # noqa: D102
        return self._apply_all(x, mask, self.blocks, (_Block.forward, _Block.forward_gradient))

    def inverse(self, z, mask=None):  # noqa: D102
        ways = (_Block.inverse, _Block.inverse_gradient)
        return self._apply_all(z, mask, self.blocks[::-1], ways)

    def _apply_all(self, x, mask, blocks, ways):
        if mask is not None:
            raise ValueError(f"mask must be None in a frozen flow, got {tuple(mask.shape)}")
        x, _ = self.squeeze(x)
        batch, n_chan, n_frames = x.shape
        rows, ladj = _Blocks.apply(x.transpose(0, 1).reshape(n_chan, -1), batch, blocks, *ways)
        return self.squeeze.inverse(rows.view(n_chan, batch, n_frames).transpose(0, 1)), ladj


class _Blocks(torch.autograd.Function):
    # All blocks one after the other, on (n_chan, batch * n_frames).

    @staticmethod
    def forward(ctx, x, batch, blocks, run, gradient):
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
    def backward(ctx, grad, grad_ladj):
        grad, saved = grad.clone(memory_format=torch.contiguous_format), ctx.saved_tensors
        n = len(saved) // len(ctx.blocks)
        for i in reversed(range(len(ctx.blocks))):
            kept = saved[i * n : (i + 1) * n]
            grad = ctx.gradient(ctx.blocks[i], grad, grad_ladj, kept)
        return grad, None, None, None, None


class _Block:
    # ActNorm, 1x1 convolution and coupling. Each way gives value, ladj and what its gradient needs;
    # what comes in is written over.

    def __init__(self, norm, mix, coupling, dtype):
        self.bias, self.scale = norm.bias.clone(), norm.log_scale.exp()
        self.unscale = (-norm.log_scale).exp()
        self.unbias = -self.bias * self.unscale
        self.weight = mix.weight.clone()
        # In double: the inverse is applied twelve times and 4 x 4 costs nothing.
        exact = mix.weight.double()
        self.unmix = torch.linalg.inv(exact).to(mix.weight.dtype)
        groups = len(norm.bias) // len(exact)
        log_det = norm.log_scale.double().sum() + groups * torch.linalg.slogdet(exact).logabsdet
        self.ladj_of_frame = log_det.item()
        self.sigmoid_scale = coupling.sigmoid_scale
        self.conditioner = FrozenWaveNet(coupling.conditioner, dtype)

    def forward(self, x, batch):
        x = _product(self.weight, torch.addcmul(self.bias, self.scale, x, out=x))
        x1, x2 = x.chunk(2)
        shift, log_scale, kept = self._condition(x1, batch)
        ladj = self._ladj(log_scale, batch)
        # Not in place: what is kept for the gradient would hold the shift, too.
        scale = log_scale.exp()
        scaled = scale * x2
        torch.add(scaled, shift, out=x2)
        return x, ladj, [scale, scaled, *kept]

    def forward_gradient(self, grad, grad_ladj, kept):
        scale, scaled, *kept = kept
        grad1, grad2 = grad.chunk(2)
        grad_log_scale = _of_log_scale(grad_ladj, grad2, scaled)
        if self.sigmoid_scale:
            grad_log_scale *= _slope(scale)
        grad1 += self.conditioner.gradient(grad2, grad_log_scale, kept, len(grad_ladj))
        grad2 *= scale
        return _product(self.weight.t(), grad).mul_(self.scale)

    def inverse(self, z, batch):
        z1, z2 = z.chunk(2)
        shift, log_scale, kept = self._condition(z1, batch)
        ladj = -self._ladj(log_scale, batch)
        unscale = log_scale.neg().exp_()
        # Kept apart, so that the other half is let go.
        x2 = z2.sub_(shift).mul_(unscale).clone()
        x = _product(self.unmix, z)
        return torch.addcmul(self.unbias, self.unscale, x, out=x), ladj, [unscale, x2, *kept]

    def inverse_gradient(self, grad, grad_ladj, kept):
        unscale, x2, *kept = kept
        grad = _product(self.unmix.t(), grad.mul_(self.unscale))
        grad1, grad2 = grad.chunk(2)
        # Minus the gradient, as is that of the shift.
        grad_log_scale = _of_log_scale(grad_ladj, grad2, x2)
        grad2 *= unscale
        if self.sigmoid_scale:
            grad_log_scale *= _slope(unscale.reciprocal())
        grad1 -= self.conditioner.gradient(grad2, grad_log_scale, kept, len(grad_ladj))
        return grad

    def _condition(self, x1, batch):
        out, kept = self.conditioner(x1, batch)
        shift, log_scale = out.chunk(2)
        if self.sigmoid_scale:
            log_scale.add_(2).sigmoid_().add_(1e-6).log_()
        return shift, log_scale, kept

    def _ladj(self, log_scale, batch):
        per_item = log_scale.view(len(log_scale), batch, -1)
        return per_item.sum((0, 2)) + per_item.shape[2] * self.ladj_of_frame


def _product(matrix, x):
    return (matrix @ x.view(len(matrix), -1)).view_as(x)


def _of_log_scale(grad_ladj, grad, scaled):
    # The gradient of each item's log-determinant goes to all its frames.
    of_frame = grad_ladj.repeat_interleave(scaled.shape[1] // len(grad_ladj))
    return torch.addcmul(of_frame, grad, scaled)


def _slope(scale):
    # Of log(1e-6 + sigmoid(s + 2)) over s, where that is the logarithm of scale.
    sigmoid = scale - 1e-6
    return sigmoid * (1 - sigmoid) / scale
