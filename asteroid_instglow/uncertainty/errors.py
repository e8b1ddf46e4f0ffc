"""The networks that guess the error of each source from what a separation shows."""

import functools
from importlib.resources import files
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from .evidence import QUANTITIES, TINY

WEIGHTS = "weights.safetensors"
FLOOR = 1e-8  # added to powers relative to the mixture's, before the logarithm
_AMBIGUITY, _ESTIMATE = QUANTITIES.index("ambiguity"), QUANTITIES.index("estimate")
_MIXTURE = QUANTITIES.index("mixture")


class ErrorModel(nn.Module):
    r"""Guesses the power of a source's error in each band and cell.

    The first guess is the ambiguity, the variance under a local Gaussian model [1]; a small
    convolutional network corrects its logarithm. It sees powers relative to the mixture's, of any
    source alike, so that it serves sources that it was not trained with.

    Shape:
        - Input: powers, (n_src, len(QUANTITIES), n_bands, n_cells).
        - Output: power of the error, (n_src, n_bands, n_cells).

    References
        - [1] : "Nonnegative matrix factorization with the Itakura-Saito divergence", Fevotte et al.
          2009, sec. 3 (Gaussian composite model). https://doi.org/10.1162/neco.2008.04-08-771
    """

    def __init__(self) -> None:
        super().__init__()
        width, depth = 24, 3
        self.enter = nn.Conv2d(len(QUANTITIES) + 1, width, 1)
        self.near = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.far = nn.Conv2d(width, width, (1, 5), padding=(0, 8), dilation=(1, 4))
        self.leave = nn.Conv2d(width, 1, 1)

    def forward(self, powers: torch.Tensor) -> torch.Tensor:
        level = powers[:, _MIXTURE].sum(1).mean(-1)[:, None, None] + 1e-12
        return 10 ** self.log_error((powers / level[:, None] + FLOOR).log10()) * level

    def log_error(self, logs: torch.Tensor) -> torch.Tensor:
        """Maps logarithms of relative powers to that of the relative error's power, base 10."""
        n, _, n_bands, n_cells = logs.shape
        height = torch.linspace(-1, 1, n_bands, device=logs.device)[None, None, :, None]
        h = self.enter(torch.cat([logs, height.expand(n, 1, -1, n_cells)], 1))
        for i, conv in enumerate(self.near):
            h = h + conv(F.gelu(h))
            h = h + self.far(F.gelu(h)) if i == 0 else h
        return logs[:, _AMBIGUITY] + self.leave(F.gelu(h))[:, 0]


class IntervalModel(nn.Module):
    """Turns the powers of a second into the SDR to expect, and an interval.

    The SDR that :class:`ErrorModel` tells is moved by a function of itself alone, so that seconds
    rank as that network, which is fitted on more, ranks them; how wide the interval is depends on
    all ratios.

    Shape:
        - Input: mean powers, (n_src, len(QUANTITIES) + 1, n_octaves, n_seconds), the error's last.
        - Output: low, middle and high, dB, each (n_src, n_seconds).
    """

    def __init__(self) -> None:
        super().__init__()
        self.move = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.width = nn.Sequential(nn.Linear(len(QUANTITIES), 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, powers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        totals = powers.sum(2).transpose(1, 2)
        estimate, error = totals[..., _ESTIMATE], totals[..., -1:]
        sdr = expected_sdr(estimate, error[..., 0])
        ratios = ((totals[..., :-1] + TINY) / (error + TINY)).log10().clamp(-3, 4)
        below, above = F.softplus(self.width(ratios)).unbind(-1)
        middle = sdr + self.move(sdr[..., None] / 10)[..., 0]
        return middle - below, middle, middle + above


def expected_sdr(estimate: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """Returns the SDR to expect from the powers of an estimate and of its error, dB."""
    return 10 * ((estimate + error + TINY) / (error + TINY)).log10()


@functools.cache
def error_model() -> ErrorModel:
    """Returns the trained network that comes with the package, on the CPU."""
    return _trained(ErrorModel(), "errors.")


@functools.cache
def interval_model() -> IntervalModel:
    """Returns the trained network that comes with the package, on the CPU."""
    return _trained(IntervalModel(), "interval.")


@functools.cache
def detection_numbers() -> dict[str, torch.Tensor]:
    """Returns the numbers of :mod:`~.detection` that come with the package."""
    return _tensors("detection.")


def _trained(model: Any, prefix: str) -> Any:
    try:
        model.load_state_dict(_tensors(prefix))
    except RuntimeError as error:
        raise ValueError(f"{WEIGHTS} is of another version, install the package again") from error
    return model.requires_grad_(False).eval()


def _tensors(prefix: str) -> dict[str, torch.Tensor]:
    tensors = _all_tensors()
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}


@functools.cache
def _all_tensors() -> dict[str, torch.Tensor]:
    path = files(__package__) / WEIGHTS
    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} is damaged, install the package again: {error}") from error
