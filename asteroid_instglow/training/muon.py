"""Muon for weight matrices and Adam for all other parameters, as one optimizer."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer

# Coefficients of the quintic Newton-Schulz iteration, chosen in [1] for the steepest slope at zero.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_N_ITER = 5


class Muon(Optimizer):
    """Orthogonalised momentum for matrices, Adam for all other parameters.

    A parameter may hold several matrices one above the other, such as the weights of the four gates
    of an LSTM, or the queries, keys and values of an attention: each is orthogonalised on its own.

    Args:
        matrices (Mapping[int, Iterable[torch.nn.Parameter]]): Number of matrices in a parameter to
            the parameters, each (number * rows, columns).
        others (Iterable[torch.nn.Parameter]): Parameters that Adam moves.
        lr (float): Learning rate of the matrices.
        adam_lr (float): Learning rate of the others.
        momentum (float): Nesterov momentum of the matrices.
        weight_decay (float): Decoupled weight decay of the matrices.

    References
        - [1] : "Muon: An optimizer for hidden layers in neural networks", Jordan et al. 2024.
          https://kellerjordan.github.io/posts/muon/
    """

    def __init__(
        self,
        matrices: Mapping[int, Iterable[torch.nn.Parameter]],
        others: Iterable[torch.nn.Parameter],
        lr: float = 0.02,
        adam_lr: float = 2e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ):
        groups = [
            {"params": list(params), "lr": lr, "n_stacked": n} for n, params in matrices.items()
        ]
        groups.append({"params": list(others), "lr": adam_lr, "n_stacked": 0})
        defaults = {"momentum": momentum, "weight_decay": weight_decay, "betas": (0.9, 0.99)}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Moves the parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group["n_stacked"] else self._adam
            # Parameters of one shape move in one operation: on a GPU, launches are what costs.
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            for parameters in shapes.values():
                update(parameters, group, [self.state[parameter] for parameter in parameters])
        return loss

    def _muon(self, parameters: Any, group: dict[str, Any], states: list[dict[str, Any]]) -> None:
        for parameter, state in zip(parameters, states):
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
        grads: Any = [parameter.grad for parameter in parameters]
        averages = [state["momentum"] for state in states]
        torch._foreach_lerp_(averages, grads, 1 - group["momentum"])
        directions = torch.stack(torch._foreach_lerp(grads, averages, group["momentum"]))
        directions = orthogonalise(directions.unflatten(1, (group["n_stacked"], -1)))
        rows, columns = directions.shape[-2:]
        step = group["lr"] * max(1.0, rows / columns) ** 0.5
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, list(directions.flatten(1, 2).unbind()), alpha=-step)

    def _adam(self, parameters: Any, group: dict[str, Any], states: list[dict[str, Any]]) -> None:
        for parameter, state in zip(parameters, states):
            if not state:
                state["step"] = torch.zeros(())
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        grads: Any = [parameter.grad for parameter in parameters]
        means = [state["mean"] for state in states]
        squares = [state["square"] for state in states]
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_lerp_(squares, torch._foreach_mul(grads, grads), 1 - beta2)
        for state in states:
            state["step"] += 1
        n = states[0]["step"].item()
        scales = torch._foreach_div(squares, 1 - beta2**n)
        torch._foreach_sqrt_(scales)
        torch._foreach_add_(scales, 1e-8)
        torch._foreach_addcdiv_(parameters, means, scales, value=-group["lr"] / (1 - beta1**n))


def orthogonalise(matrix: torch.Tensor) -> torch.Tensor:
    """Nearly the nearest orthogonal matrix (singular values within about 0.3 of 1).

    Args:
        matrix (torch.Tensor): (..., rows, columns).
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.transpose(-2, -1) if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_N_ITER):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(-2, -1) if tall else x).contiguous()
