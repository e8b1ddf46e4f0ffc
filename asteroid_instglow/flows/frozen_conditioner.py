"""The WaveNet of a frozen flow, with its gradient written out."""

import torch
import torch.nn.functional as F


class FrozenWaveNet:
    """What a :class:`WaveNet` is in evaluation mode, without masks.

    Args:
        net (WaveNet): Left as it is.
        dtype (torch.dtype, optional): Of the products; by default that of the weights.

    Shape:
        - Input: (in_chan, batch * n_frames). Output: (out_chan, batch * n_frames).
    """

    def __init__(self, net, dtype=None):
        self.dtype = dtype or net.end.weight.dtype
        self.start, self.end = self._plain(net.start), self._plain(net.end)
        self.layers = []
        for conv, res_skip in zip(net.in_layers, net.res_skip_layers):
            self.layers.append((*self._plain(conv), conv.dilation[0], *self._plain(res_skip)))

    def __call__(self, x, batch):
        """Maps ``x``; also gives what :meth:`gradient` needs to ``keep``, two tensors a layer."""
        h = F.linear(x.to(self.dtype).t(), *self.start)
        chan, skip, kept = h.shape[1], 0, []
        for weight, bias, dilation, res_skip, res_skip_bias in self.layers:
            gates = F.linear(_windows(h, weight.shape[1] // chan, dilation, batch), weight, bias)
            # In the type of the data: tanh is slow in bfloat16.
            a, b = gates.to(x.dtype).chunk(2, 1)
            a, b = a.tanh_(), b.sigmoid_()
            kept += [a, b]
            out = F.linear((a * b).to(self.dtype), res_skip, res_skip_bias)
            if out.shape[1] > chan:
                h = h + out[:, :chan]
            skip = skip + out[:, -chan:]
        weight, bias = self.end
        return torch.addmm(bias[:, None], weight, skip.t()).to(x.dtype), kept

    def gradient(self, grad_shift, grad_log_scale, kept, batch):
        """Gradient over the input from those over the two halves of the output."""
        to_shift, to_log_scale = self.end[0].chunk(2)
        skip = grad_shift.to(self.dtype).t() @ to_shift
        skip.addmm_(grad_log_scale.to(self.dtype).t(), to_log_scale)
        chan, h = skip.shape[1], None
        for i in reversed(range(len(self.layers))):
            weight, _, dilation, res_skip, _ = self.layers[i]
            a, b = kept[2 * i : 2 * i + 2]
            out = skip @ res_skip[-chan:]
            if h is not None:
                out.addmm_(h, res_skip[:chan])
            gates = _gate_gradient(out.to(a.dtype), a, b).to(self.dtype)
            added = _overlap_add(gates @ weight, chan, dilation, batch)
            h = added if h is None else added.add_(h)
        return (self.start[0].t() @ h.t()).to(grad_shift.dtype)

    def _plain(self, conv):
        # Weight (out_chan, kernel * in_chan), taps outermost, and bias; weight norm is done here.
        layout = {"copy": True, "memory_format": torch.contiguous_format}
        weight = conv.weight.transpose(1, 2).to(self.dtype, **layout).flatten(1)
        return weight, conv.bias.to(self.dtype, copy=True)


def _windows(h, kernel, dilation, batch):
    # (batch * n_frames, chan) -> (batch * n_frames, kernel * chan): what each output is made of.
    padding = (kernel - 1) * dilation // 2
    padded = F.pad(h.view(batch, -1, h.shape[1]), (0, 0, padding, padding))
    item, frame, one = padded.stride()
    shape = (batch, len(h) // batch, kernel, h.shape[1])
    return padded.as_strided(shape, (item, frame, dilation * frame, one)).reshape(len(h), -1)


def _overlap_add(parts, chan, dilation, batch):
    # The transpose of _windows.
    parts = parts.view(batch, len(parts) // batch, -1, chan)
    _, n_frames, kernel, _ = parts.shape
    padding = (kernel - 1) * dilation // 2
    out = parts.new_zeros(batch, n_frames + 2 * padding, chan)
    for k in range(kernel):
        out[:, k * dilation : k * dilation + n_frames] += parts[:, :, k]
    return out[:, padding : padding + n_frames].reshape(-1, chan)


def _gate_gradient(grad, a, b):
    # Of a * b over what a is the tanh and b the sigmoid of.
    gates = grad.new_empty(len(grad), 2 * grad.shape[1])
    of_a, of_b = gates.chunk(2, 1)
    torch.ops.aten.tanh_backward.grad_input(grad * b, a, grad_input=of_a)
    torch.ops.aten.sigmoid_backward.grad_input(grad * a, b, grad_input=of_b)
    return gates
