"""The WaveNet of a frozen flow, with an explicit gradient."""

from typing import Any

import torch
import torch.nn.functional as F

from .transform import Pair
from .wavenet import WaveNet
from .winograd import copy_bias, frozen_convolution, kernel_outermost


class FrozenWaveNet:
    """Computes what a :class:`WaveNet` computes in evaluation mode, without masks.

    Args:
        net (WaveNet): The network; it is not modified.
        dtype (torch.dtype, optional): Type of the products; by default that of the weights.

    Shape:
        - Input: (in_chan, batch * n_frames). Output: (out_chan, batch * n_frames).
    """

    def __init__(self, net: WaveNet, dtype: torch.dtype | None = None):
        self.dtype = dtype or net.end.weight.dtype
        self.start, self.end = self._plain(net.start), self._plain(net.end)
        self.layers = []
        for conv, res_skip in zip(net.in_layers, net.res_skip_layers):
            self.layers.append((frozen_convolution(conv, self.dtype), *self._plain(res_skip)))

    def __call__(self, x: torch.Tensor, batch: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Maps ``x``; also returns what :meth:`gradient` needs, two tensors per layer."""
        h = F.linear(x.to(self.dtype).t(), *self.start)
        chan, skip, kept = h.shape[1], torch.zeros_like(h), []
        for convolution, res_skip, res_skip_bias in self.layers:
            # In the type of the data, because tanh is slow in bfloat16.
            a, b = convolution(h, batch).to(x.dtype).chunk(2, 1)
            a, b = a.tanh_(), b.sigmoid_()
            kept += [a, b]
            out = F.linear((a * b).to(self.dtype), res_skip, res_skip_bias)
            if out.shape[1] > chan:
                h = h + out[:, :chan]
            skip = skip + out[:, -chan:]
        weight, bias = self.end
        return torch.addmm(bias[:, None], weight, skip.t()).to(x.dtype), kept

    def gradient(
        self,
        grad_shift: torch.Tensor,
        grad_log_scale: torch.Tensor,
        kept: list[torch.Tensor],
        batch: int,
    ) -> torch.Tensor:
        """Computes the gradient by the input from the gradients by both halves of the output."""
        to_shift, to_log_scale = self.end[0].chunk(2)
        skip = grad_shift.to(self.dtype).t() @ to_shift
        skip.addmm_(grad_log_scale.to(self.dtype).t(), to_log_scale)
        chan, h = skip.shape[1], torch.zeros_like(skip)
        for i in reversed(range(len(self.layers))):
            convolution, res_skip, _ = self.layers[i]
            a, b = kept[2 * i : 2 * i + 2]
            out = skip @ res_skip[-chan:]
            if len(res_skip) > chan:
                out.addmm_(h, res_skip[:chan])
            gates = _gate_gradient(out.to(a.dtype), a, b).to(self.dtype)
            h = convolution.gradient(gates, batch).add_(h)
        return (self.start[0].t() @ h.t()).to(grad_shift.dtype)

    def _plain(self, conv: Any) -> Pair:
        # Returns weight and bias of a convolution with kernel size 1.
        return kernel_outermost(conv.weight, self.dtype), copy_bias(conv, self.dtype)


def _gate_gradient(grad: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    # Gradient of tanh(u) * sigmoid(v) by u and v, from a = tanh(u) and b = sigmoid(v).
    gates = grad.new_empty(len(grad), 2 * grad.shape[1])
    of_a, of_b = gates.chunk(2, 1)
    torch.ops.aten.tanh_backward.grad_input(grad * b, a, grad_input=of_a)
    torch.ops.aten.sigmoid_backward.grad_input(grad * a, b, grad_input=of_b)
    return gates
