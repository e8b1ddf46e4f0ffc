r"""Who plays: which sources are in a mixture, when, and whether none explains what is heard.

A source that does not play gets what the others spill: little, and rarely more than half of a bin.
The probability that it plays is a logistic function of three ratios in dB: the power of its
estimate, where it has more than half of the bin, to the power of the mixture and to the ambiguity,
and the power of the estimate to that of its error (:mod:`~.errors`).

What none explains is the part of the mixture's power that the encoders' estimates leave before they
are made to sum to the mixture.

How familiar the music is, is judged by three figures, which are taken as Gaussian: how far the sum
to the mixture moves the estimates, how ambiguous they are, and how evenly the power is spread among
the sources. They give the share of random mixtures of two to five sources that lie further from the
mean of all mixtures than this recording does. The first two figures also give the share of
recordings of one source alone that are harder to separate. The recording may be of either kind, so
the larger share counts. The likelihood of the estimates under the flows was tried first: it prefers
smooth sounds whatever they are [1], and ranks speech above songs.

References
    - [1] : "Do Deep Generative Models Know What They Don't Know?", Nalisnick et al. 2019.
      https://arxiv.org/abs/1810.09136
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .errors import detection_numbers
from .evidence import QUANTITIES, TINY, Evidence

PLAYS = 0.5  # probability from which a source counts as playing
UNFAMILIAR = 0.02  # familiarity below which music is unlike what was trained on
N_ALONE = 2  # figures of a source alone, the first ones
QUIET = 1e-9  # power of the mixture in a bin, below which nothing plays
_INDEX = {name: i for i, name in enumerate(QUANTITIES)}


@dataclass(frozen=True)
class Detection:
    """Who plays in a recording.

    Attributes:
        sources (list[str]): Names of the sources.
        probability (torch.Tensor): That each plays at all, (n_src,).
        seconds (torch.Tensor): That it plays in each second, (n_src, n_seconds).
        unexplained (float): Part of the power that the estimates of no source explain.
        familiar (float): 0 to 1: share of random mixtures of solos that are further from their
            mean, or of solos that are harder. Below 0.02: unlike both.
    """

    sources: list[str]
    probability: torch.Tensor
    seconds: torch.Tensor
    unexplained: float
    familiar: float

    @property
    def present(self) -> list[str]:
        """Names of the sources that play."""
        return [name for name, p in zip(self.sources, self.probability) if p >= PLAYS]

    def to_dict(self) -> dict:
        """Returns plain data: "sources", "unexplained" and "familiar".

        Examples:
            >>> one = torch.tensor([1.0])
            >>> Detection(["bass"], one, one[None], 0.0, 0.5).to_dict()["sources"]
            {'bass': {'probability': 1.0, 'seconds': [1.0]}}
        """
        found = {
            name: {
                "probability": round(float(p), 4),
                "seconds": [round(x, 3) for x in seconds.tolist()],
            }
            for name, p, seconds in zip(self.sources, self.probability, self.seconds)
        }
        numbers = {"unexplained": round(self.unexplained, 4), "familiar": round(self.familiar, 4)}
        return {"sources": found, **numbers}


def detection_of(evidence: Evidence, sources: Sequence[str]) -> Detection:
    """Returns who plays, from the evidence of a separation.

    Args:
        evidence (Evidence): Of all pieces.
        sources (Sequence[str]): Names.
    """
    powers = evidence.powers.sum(2)  # (n_src, n_quantities, n_seconds)
    total = powers.sum(-1)
    mixture, left = total[0, _INDEX["mixture"]], total[0, _INDEX["remainder"]]
    unexplained = float((left / (mixture + TINY)).clamp(0, 1)) if mixture > 0 else 0.0
    return Detection(
        list(sources),
        playing(total[..., None])[:, 0],
        playing(powers),
        unexplained,
        familiarity(figures(total)),
    )


def ratios(powers: torch.Tensor) -> torch.Tensor:
    """Returns what the probability depends on, dB, (n_src, n_seconds, 3)."""
    power = {name: powers[:, i] + TINY for name, i in _INDEX.items()}
    own, error = power["dominated"], powers[:, -1] + TINY
    pairs = [own / power["mixture"], own / power["ambiguity"], power["estimate"] / error]
    return (10 * torch.stack(pairs, -1).log10()).clamp(-60, 40)


def playing(powers: torch.Tensor) -> torch.Tensor:
    """Returns the probability that each source plays, (n_src, n_seconds).

    Args:
        powers (torch.Tensor): (n_src, len(QUANTITIES) + 1, n_seconds), the error's last.
    """
    numbers = detection_numbers()
    logit = ratios(powers) @ numbers["plays.weight"] + numbers["plays.bias"]
    return torch.where(powers[:, _INDEX["mixture"]] > QUIET, logit.sigmoid(), 0)


def figures(total: torch.Tensor) -> torch.Tensor:
    """Returns what the familiarity depends on, (3,): correction, ambiguity, spread of the sources.

    Args:
        total (torch.Tensor): Mean powers of a recording, (n_src, len(QUANTITIES) + 1).
    """
    sums = total.sum(0)
    mixture = total[0, _INDEX["mixture"]] + TINY
    parts = total[:, _INDEX["estimate"]] / (sums[_INDEX["estimate"]] + TINY)
    entropy = -(parts * (parts + TINY).log()).sum()
    moved, unclear = (
        (sums[_INDEX[name]] / mixture + 1e-6).log10() for name in ("correction", "ambiguity")
    )
    return torch.stack([moved, unclear, entropy])


def familiarity(figure: torch.Tensor) -> float:
    """Returns the larger of two shares, see the module.

    They are those of random mixtures further from their mean than ``figure``, and of recordings of
    one source that are harder.
    """
    numbers = detection_numbers()
    away = figure - numbers["familiar.mean"]
    distance = away @ numbers["familiar.precision"] @ away
    # Of the chi-squared distribution with as many degrees of freedom as there are figures.
    half = torch.tensor(len(figure) / 2)
    mixtures = torch.special.gammaincc(half, distance.clamp_min(0) / 2)
    hardness = figure[:N_ALONE] @ numbers["alone.weight"] + numbers["alone.bias"]
    return float(torch.maximum(mixtures, torch.special.ndtr(-hardness)))
