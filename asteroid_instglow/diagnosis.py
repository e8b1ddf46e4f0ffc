"""Diagnoses a separation: likelihoods of true stems and estimates, and how the search ended."""

from collections.abc import Sequence
from typing import Any

import torch

from .data.solos import DITHER_STEP
from .options import SeparationOptions
from .prior import GlowPrior
from .separator import GenerativeSeparator
from .solver import frozen, plateau


def diagnose(
    separator: GenerativeSeparator,
    mixture: torch.Tensor,
    stems: dict[str, torch.Tensor] | None = None,
    **options: Any,
) -> dict:
    """Separates a mixture and reports likelihoods and the course of the search.

    Args:
        separator (GenerativeSeparator): The separator.
        mixture (torch.Tensor): (time,), at the separator's sample rate.
        stems (dict[str, torch.Tensor], optional): True sources by name, (time,); may include
            instruments without a prior.
        **options: Options of the separation.

    Returns:
        dict: With the keys

        - "stems": for each stem, its NLL under each prior, in nats per dimension;
        - "estimates": for each source, the NLL of its estimate under its own prior;
        - "search": one dict per piece, see :func:`stops`; empty without a search.
    """
    steps = []

    def progress(iteration: int, loss: float) -> None:
        steps.append((iteration, loss))

    found = separator.torch_separate(mixture, progress=progress, **options)
    chosen = separator.resolved(separator.options.updated(options))
    priors: dict[str, Any] = dict(zip(separator.sources, separator.priors))
    estimates = dict(zip(separator.sources, found))
    table = {
        stem: {name: likelihood(prior, wav) for name, prior in priors.items()}
        for stem, wav in (stems or {}).items()
    }
    return {
        "stems": table,
        "estimates": {name: likelihood(p, estimates[name]) for name, p in priors.items()},
        "search": stops(steps, chosen) if chosen.solver != "encoder" else [],
    }


def likelihood(prior: GlowPrior, wav: torch.Tensor) -> float:
    """Computes the NLL per dimension of a wav (time,), dithered as in training."""
    generator = torch.Generator().manual_seed(0)
    dither = DITHER_STEP * torch.rand(wav.shape, generator=generator).to(wav)
    with torch.no_grad(), frozen([prior]):
        magnitude = prior.magnitude((wav + dither)[None])
        return -prior.log_prob(magnitude).item() / magnitude[0].numel()


def stops(steps: Sequence[tuple[int, float]], options: SeparationOptions) -> list[dict]:
    """Tells where the search of each piece stopped, and why.

    Args:
        steps (Sequence[tuple[int, float]]): (iteration from 1, loss), as the search reported them.
        options (SeparationOptions): Options of the separation, resolved.

    Returns:
        list[dict]: "iterations", "first_loss", "last_loss" and "stopped": "n_iter", "plateau", or
        "not finite". A piece whose first loss is not finite reports nothing; it is in the list only
        if no piece reports anything.
    """
    pieces: list[list[float]] = [] if steps else [[]]
    for iteration, loss in steps:
        if iteration == 1:
            pieces.append([])
        pieces[-1].append(loss)
    return [
        {
            "iterations": len(losses),
            "first_loss": losses[0] if losses else None,
            "last_loss": losses[-1] if losses else None,
            "stopped": _reason(losses, options),
        }
        for losses in pieces
    ]


def summarise(songs: Sequence[dict]) -> dict:
    """Averages what :func:`diagnose` returned for several songs.

    Args:
        songs (Sequence[dict]): One result per song.

    Returns:
        dict: "stems" and "estimates", averaged; "told_apart": the number of stems whose own prior
        is the likeliest, and the number of stems that have a prior; "gap": for each source, the NLL
        of the estimate minus that of the true stem, averaged over the songs that have the stem.
    """
    stems = _mean_tables([song["stems"] for song in songs])
    known = [(stem, row) for song in songs for stem, row in song["stems"].items() if stem in row]
    right = sum(min(row, key=row.get) == stem for stem, row in known)
    gaps = [
        {
            name: {"gap": song["estimates"][name] - row[name]}
            for name, row in song["stems"].items()
            if name in song["estimates"]
        }
        for song in songs
    ]
    return {
        "stems": stems,
        "estimates": _mean_tables([{"": song["estimates"]} for song in songs])[""],
        "told_apart": [right, len(known)],
        "gap": {name: row["gap"] for name, row in _mean_tables(gaps).items()},
    }


def _reason(losses: Sequence[float], options: SeparationOptions) -> str:
    if len(losses) == options.n_iter:
        return "n_iter"
    early = options.early_stop
    return "plateau" if early and plateau(losses, early) else "not finite"


def _mean_tables(tables: Sequence[dict]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for table in tables:
        for row, cells in table.items():
            for column, value in cells.items():
                rows.setdefault(row, {}).setdefault(column, []).append(value)
    return {
        row: {column: sum(values) / len(values) for column, values in cells.items()}
        for row, cells in rows.items()
    }
