r"""Estimates how sure a separation is: the SDR to expect of each second, with an interval.

The encoders' answer :math:`\hat s` is close to the mean of the posterior of the source s given the
mixture x. Then the error is uncorrelated with the answer, and

.. math::
    \mathrm{E}|s|^2 = |\hat s|^2 + v, \quad
    \mathrm{SDR} \approx 10 \log_{10} \frac{|\hat s|^2 + v}{v}, \quad
    v = \mathrm{E}|s - \hat s|^2

with v guessed in bands and tenths of a second (:mod:`~.errors`) and summed. A second, smaller
network moves that figure and gives the interval, by the pinball loss [1], whose minimum is a
quantile.

References
    - [1] : "Regression Quantiles", Koenker & Bassett 1978. https://doi.org/10.2307/1913643
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..utils.text import format_clock
from .detection import Detection, detection_of
from .errors import expected_sdr, interval_model
from .evidence import QUANTITIES, Evidence

LEVEL = 0.8  # of the intervals
SILENT = 1e-6  # power of a source relative to the mixture's, below which it counts as silent
WEAK = 3.0  # dB
_ESTIMATE, _MIXTURE = QUANTITIES.index("estimate"), QUANTITIES.index("mixture")


@dataclass(frozen=True)
class Confidence:
    """How sure a separation is.

    Attributes:
        sources (list[str]): Names of the sources.
        sdr (torch.Tensor): Expected ratio of signal to error, dB, (n_src, n_seconds); NaN where the
            source is silent.
        low, high (torch.Tensor): Interval of the same shape.
        error (torch.Tensor): Expected power of the error in a frame of the STFT and in the octaves
            of :data:`~.uncertainty.evidence.OCTAVES`, (n_src, n_octaves, n_seconds).
        octaves (torch.Tensor): Expected ratio there, dB, of the same shape.
        level (float): How often the true value lies in the interval.
        detection (Detection, optional): Who plays, as the same separation tells.
    """

    sources: list[str]
    sdr: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    error: torch.Tensor
    octaves: torch.Tensor
    level: float = LEVEL
    detection: Detection | None = None

    def to_dict(self) -> dict:
        """Returns plain data: seconds, level, and of each source sdr, low and high; None if silent.

        Examples:
            >>> one = torch.tensor([[6.0, torch.nan]])
            >>> told = Confidence(["bass"], one, one - 2, one + 2, *2 * [one[:, None]])
            >>> told.to_dict()["sources"]["bass"]["low"]
            [4.0, None]
        """
        found: dict[str, dict] = {}
        for i, name in enumerate(self.sources):
            parts = {"sdr": self.sdr[i], "low": self.low[i], "high": self.high[i]}
            found[name] = {key: _plain(values) for key, values in parts.items()}
            found[name]["octaves"] = [_plain(values) for values in self.octaves[i]]
            found[name]["summary"] = self.summary(i)
        seconds = list(range(self.sdr.shape[-1]))
        return {"seconds": seconds, "level": self.level, "sources": found}

    def summary(self, index: int) -> str:
        """Returns the line of one source, see :meth:`describe`, without its name."""
        if self.sdr[index].isnan().all():
            return "silent"
        middle, low, high = (float(x[index].nanmedian()) for x in (self.sdr, self.low, self.high))
        line = f"{middle:.1f} dB, between {low:.1f} and {high:.1f}"
        start, end = _longest(self.sdr[index] < WEAK)
        weak = f"; weak from {format_clock(start)} to {format_clock(end)}"
        return line + weak * (end - start >= 2)

    def describe(self) -> list[str]:
        """Returns a line per source: medians over the seconds, and the longest weak passage.

        Examples:
            >>> one = torch.tensor([[6.0, 1.0, 1.0]])
            >>> Confidence(["bass"], one, one - 2, one + 2, *2 * [one[:, None]]).describe()
            ['bass 1.0 dB, between -1.0 and 3.0; weak from 0:01 to 0:03']
        """
        return [f"{name} {self.summary(i)}" for i, name in enumerate(self.sources)]


def confidence_of(evidence: Evidence, sources: Sequence[str]) -> Confidence:
    """Returns what the evidence of a separation tells.

    Args:
        evidence (Evidence): Of all pieces.
        sources (Sequence[str]): Names.
    """
    powers = evidence.powers
    estimate, error = powers[:, _ESTIMATE], powers[:, -1]
    octaves = expected_sdr(estimate, error)
    low, middle, high = interval_model()(powers)
    totals = powers.sum(2)
    silent = totals[:, _ESTIMATE] <= SILENT * totals[:, _MIXTURE]
    low, middle, high = (x.masked_fill(silent, torch.nan) for x in (low, middle, high))
    found = detection_of(evidence, sources)
    return Confidence(list(sources), middle, low, high, error, octaves, detection=found)


def _plain(values: Any) -> list[float | None]:
    return [None if value != value else round(value, 2) for value in values.tolist()]


def _longest(flags: Any) -> Any:
    # The longest run of True: its start and end.
    best, start = (0, 0), None
    for i, flag in enumerate([*flags.tolist(), False]):
        if flag and start is None:
            start = i
        elif not flag and start is not None:
            best, start = max(best, (start, i), key=lambda run: run[1] - run[0]), None
    return best
