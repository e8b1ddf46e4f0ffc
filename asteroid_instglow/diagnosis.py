"""What the priors think of a song: of its true stems, of what was separated, of the search."""

import torch

from . import objective
from .data.solos import DITHER_STEP
from .solver import frozen, plateau


def diagnose(separator, mixture, stems=None, **options):
    """Diagnoses one separation.

    Args:
        separator (GenerativeSeparator): Whose priors are asked.
        mixture (torch.Tensor): (time,), at the separator's sample rate.
        stems (dict[str, torch.Tensor], optional): The true sources by name, (time,); a name that no
            prior has is an instrument that is not known.
        **options: Of the separation.

    Returns:
        dict: "stems": stem to prior to its NLL of the stem; "estimates": source to its own prior's
        NLL of what was separated; both in nats per dimension. "search": one a piece, see
        :func:`stops`. "true_loss": what the loss of that search is of the true stems (solver
        "posterior", with a stem for every prior; else None): below it, it went too far.
    """
    steps = []

    def progress(iteration, loss):
        steps.append((iteration, loss))

    found = separator.torch_separate(mixture, progress=progress, **options)
    options = separator.resolved(separator.options.updated(options))
    searches = options.solver != "encoder"
    priors = dict(zip(separator.sources, separator.priors))
    estimates = dict(zip(separator.sources, found))
    table = {
        stem: {name: likelihood(prior, wav) for name, prior in priors.items()}
        for stem, wav in (stems or {}).items()
    }
    comparable = options.solver == "posterior" and set(priors) <= set(table)
    return {
        "stems": table,
        "estimates": {name: likelihood(p, estimates[name]) for name, p in priors.items()},
        "search": stops(steps, options.n_iter, options.early_stop) if searches else [],
        "true_loss": sum(table[name][name] for name in priors) if comparable else None,
    }


def likelihood(prior, wav, seed=0):
    """NLL per dimension of a wav (time,), with the dither that the priors were trained with."""
    generator = torch.Generator().manual_seed(seed)
    dither = DITHER_STEP * torch.rand(wav.shape, generator=generator).to(wav)
    with torch.no_grad(), frozen([prior]):
        return objective.constrained_nll(prior, prior.magnitude((wav + dither)[None])).item()


def stops(steps, n_iter, early_stop):
    """Where the search of each piece stopped, and why.

    Args:
        steps (Sequence[tuple[int, float]]): (iteration from 1, loss), as the search reported them.
        n_iter (int): Iterations that it was to take.
        early_stop (float): Of the options.

    Returns:
        list[dict]: "iterations", "first_loss", "last_loss" and "stopped": "n_iter", "plateau", or
        "not finite". A piece whose first loss was not finite reported nothing: it is in the list
        only if all are such.
    """
    pieces = [] if steps else [[]]
    for iteration, loss in steps:
        if iteration == 1:
            pieces.append([])
        pieces[-1].append(loss)
    return [
        {
            "iterations": len(losses),
            "first_loss": losses[0] if losses else None,
            "last_loss": losses[-1] if losses else None,
            "stopped": _reason(losses, n_iter, early_stop),
        }
        for losses in pieces
    ]


def summarise(songs):
    """Means over the songs of what :func:`diagnose` gave.

    Args:
        songs (Sequence[dict]): What it gave for each.

    Returns:
        dict: "stems" and "estimates" likewise; "told_apart": in how many of the stems that have a
        prior that prior is the likeliest, and of how many; "gap": source to NLL of the estimate
        less that of the true stem, over the songs that have it.
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


def _reason(losses, n_iter, early_stop):
    if len(losses) == n_iter:
        return "n_iter"
    return "plateau" if early_stop and plateau(losses, early_stop) else "not finite"


def _mean_tables(tables):
    rows = {}
    for table in tables:
        for row, cells in table.items():
            for column, value in cells.items():
                rows.setdefault(row, {}).setdefault(column, []).append(value)
    return {
        row: {column: sum(values) / len(values) for column, values in cells.items()}
        for row, cells in rows.items()
    }
