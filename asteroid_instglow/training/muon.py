"""Muon for weight matrices, AdamW for the rest, as one optimiser."""

import torch
from torch.optim import Optimizer

# Of the quintic Newton-Schulz iteration, chosen in [1] for the steepest slope at zero.
_QUINTIC = (3.4445, -4.7750, 2.0315)


class Muon(Optimizer):
    """Momentum whose direction is made orthogonal; AdamW where a parameter is no matrix.

    The weights of an LSTM are those of its four gates one above the other: matrices of their own.

    Args:
        matrices (Iterable[torch.nn.Parameter]): (rows, columns).
        gates (Iterable[torch.nn.Parameter]): (4 * rows, columns).
        others (Iterable[torch.nn.Parameter]): What AdamW shall move.
        lr (float): Of the matrices.
        adam_lr (float): Of the others.
        momentum (float): Of the matrices (Nesterov).
        weight_decay (float): Of the matrices.

    References
        - [1] : "Muon: An optimizer for hidden layers in neural networks", Jordan et al. 2024.
          https://kellerjordan.github.io/posts/muon/
    """

    def __init__(
        self, matrices, gates, others, lr=0.02, adam_lr=2e-3, momentum=0.95, weight_decay=0.01
    ):
        groups = [
            {"params": list(matrices), "lr": lr, "n_stacked": 1},
            {"params": list(gates), "lr": lr, "n_stacked": 4},
            {"params": list(others), "lr": adam_lr, "n_stacked": 0},
        ]
        defaults = {"momentum": momentum, "weight_decay": weight_decay, "betas": (0.9, 0.99)}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure=None):
        """Moves the parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group["n_stacked"] else self._adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, group, self.state[parameter])
        return loss

    def _muon(self, parameter, group, state):
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        direction = parameter.grad.lerp(average, group["momentum"])
        direction = orthogonalise(direction.unflatten(0, (group["n_stacked"], -1)))
        rows, columns = direction.shape[-2:]
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        step = group["lr"] * max(1.0, rows / columns) ** 0.5
        parameter.sub_(direction.view_as(parameter), alpha=step)

    def _adam(self, parameter, group, state):
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        state["step"] += 1
        state["mean"].lerp_(parameter.grad, 1 - beta1)
        state["square"].lerp_(parameter.grad.square(), 1 - beta2)
        n = state["step"].item()
        scale = (state["square"] / (1 - beta2**n)).sqrt_().add_(1e-8)
        parameter.addcdiv_(state["mean"], scale, value=-group["lr"] / (1 - beta1**n))


def orthogonalise(matrix, n_iter=5):
    """Nearly the nearest orthogonal matrix (singular values within about 0.3 of 1).

    Args:
        matrix (torch.Tensor): (..., rows, columns).
        n_iter (int): Newton-Schulz iterations.
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.transpose(-2, -1) if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(n_iter):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(-2, -1) if tall else x).contiguous()
