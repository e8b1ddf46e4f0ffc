"""Trains the networks that guess the errors of a separation, on songs and mixtures of solos.

    train_uncertainty.py SEPARATOR=DIR ... --cache DIR --output weights.safetensors

Each separator (a folder or a shipped name) separates what is in DIR: songs, DIR/<song>/<source>.*,
or solos, DIR/<source>/* or DIR/<group>/<source>/*. It separates the songs, random mixtures of the
sources of either, and some sources alone. Songs are harder than random mixtures, as their
instruments play together: give both. Every third random mixture is made strange: played faster or
slower, with another equaliser, or clipped, so that sounds that no prior has heard are among them.

What the separations show, and their errors, are kept in the cache, a folder for each separator's
weights and DIR; without SEPARATOR=DIR all of it is used. Four things are fitted: the error's power
in bands and tenths of a second, the interval of each second's SDR, who plays, and what is familiar;
with --keep, the last one alone.
"""

import argparse
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm
from uncertainty_data import collect

from asteroid_instglow.uncertainty.confidence import LEVEL
from asteroid_instglow.uncertainty.detection import N_ALONE, figures, ratios
from asteroid_instglow.uncertainty.errors import FLOOR, ErrorModel, IntervalModel
from asteroid_instglow.uncertainty.evidence import CELL, N_OCTAVES, THIRDS

LENGTH = 50  # cells of an excerpt
BATCH = 12
SCALES = ((1, 1, 0.3), (THIRDS, 10, 0.7), (THIRDS * N_OCTAVES, 10, 2.0))  # bands, cells, weight
CELLS_PER_SECOND = round(1 / CELL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", nargs="*", metavar="SEPARATOR=DIR")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="weights to take all but familiarity from")
    parser.add_argument("--mixtures", type=int, default=100, help="random ones of each DIR")
    parser.add_argument("--alone", type=int, default=40, help="sources alone of each DIR")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a mixture")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folders = [collect(*pair.split("=", 1), args) for pair in args.pairs]
    found = {
        (folder, kind): [torch.load(x, weights_only=True) for x in sorted(folder.glob(f"{kind}-*"))]
        for folder in folders or sorted(args.cache.iterdir())
        for kind in ("song", "mixture", "alone")
    }
    groups = [items for (_, kind), items in found.items() if items and kind != "alone"]
    everything = [item for items in found.values() for item in items]
    if args.keep is None:
        errors, interval = train_networks(groups, args.steps, args.seed)
        weights = {f"errors.{k}": x for k, x in errors.state_dict().items()}
        weights |= {f"interval.{k}": x for k, x in interval.state_dict().items()}
        weights |= fit_playing(errors, everything)
    else:
        weights = load_file(args.keep)
    weights |= fit_familiarity(everything)
    save_file({k: x.contiguous() for k, x in weights.items()}, args.output)


def train_networks(groups, steps, seed):
    """Trains both networks on the items of each group."""
    # The interval is learnt from mixtures that the errors were not, or it would be too narrow.
    errors = train_errors([group[: len(group) * 2 // 3] for group in groups], steps, seed)
    held = [group[len(group) * 2 // 3 :] for group in groups]
    interval = train_interval(errors, held, steps, seed)
    return train_errors(groups, steps, seed), interval


def train_errors(groups, steps, seed):
    """Trains :class:`ErrorModel` on the logarithm of the error's power, at several scales."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = ErrorModel()
    optimizer = torch.optim.AdamW(model.parameters(), 6e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, steps)
    for _ in tqdm(range(steps), desc="errors"):
        drawn = [_excerpt(rng, rng.choice(rng.choice(groups))) for _ in range(BATCH)]
        powers, error = (torch.stack(x) for x in zip(*drawn))
        level = powers[:, 5].sum(1).mean(-1)[:, None, None] + 1e-12
        guess = 10 ** model.log_error((powers / level[:, None] + FLOOR).log10()).clamp(-9, 2)
        error, estimate = error / level, powers[:, 0] / level
        loss = 0
        for n_bands, n_cells, weight in SCALES:
            size = (n_bands, n_cells)
            known, guessed, heard = (
                F.avg_pool2d(x[:, None], size) * n_bands for x in (error, guess, estimate)
            )
            counts = (heard + known > 1e-4) | (n_bands < 24)
            gap = F.smooth_l1_loss(
                (guessed + 1e-6).log10(), (known + 1e-6).log10(), beta=0.2, reduction="none"
            )
            loss = loss + weight * (gap * counts).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return set_level(model.eval(), groups)


@torch.no_grad()
def set_level(model, groups):
    """Scales the guesses so that the root of a second's power is right on average.

    The logarithm is learnt, whose mean is below the logarithm of the mean.
    """
    ratios = []
    for group in groups:
        guessed, known = 0, 0
        for item in group:
            guess, error = model(item["powers"]).sum(1), item["error"].sum(1)
            guessed, known = (
                total + F.avg_pool1d(x, CELLS_PER_SECOND).sqrt().sum()
                for total, x in ((guessed, guess), (known, error))
            )
        ratios.append(known / guessed)
    model.leave.bias += 2 * torch.stack(ratios).mean().log10()
    return model


def _excerpt(rng, item):
    start = rng.randrange(max(1, item["powers"].shape[-1] - LENGTH))
    k = rng.randrange(len(item["powers"]))
    return (item[name][k][..., start : start + LENGTH] for name in ("powers", "error"))


def train_interval(errors, groups, steps, seed):
    """Trains :class:`IntervalModel` by the pinball loss on seconds where the source is heard."""
    torch.manual_seed(seed)
    model = IntervalModel()
    found = [_seconds(errors, group) for group in groups]
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    tails = torch.tensor([(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])[:, None]
    for _ in tqdm(range(steps), desc="interval"):
        loss = 0
        for powers, sdr in found:
            drawn = torch.randint(len(sdr), (512,))
            gap = sdr[drawn] - torch.stack(model(powers[drawn]))[..., 0]
            loss = loss + torch.maximum(tails * gap, (tails - 1) * gap).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def fit_playing(errors, items):
    """Fits who plays by logistic regression."""
    x, y = [], []
    for item in items:
        shown = torch.cat([item["powers"], errors(item["powers"])[:, None]], 1)
        x.append(ratios(shown.mean(-1).sum(2)[..., None])[:, 0])
        y.append(item["signal"].sum(1) > 0)
    # Weighted, so that sources that are absent count as much as those that play.
    fit = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
    fit.fit(torch.cat(x).double(), torch.cat(y))
    return {
        "detection.plays.weight": torch.tensor(fit.coef_[0]).float(),
        "detection.plays.bias": torch.tensor(fit.intercept_).float(),
    }


def fit_familiarity(items):
    """Fits a Gaussian of mixtures, and one of sources alone, which holds for most of them."""
    known, alone = [], []
    for item in items:
        n_src = (item["signal"].sum(1) > 0).sum()
        if n_src > 1:
            known.append(figures(item["powers"].mean(-1).sum(2)))
        elif n_src and not item["strange"]:
            alone.append(figures(item["powers"].mean(-1).sum(2))[:N_ALONE])
    known, alone = torch.stack(known), torch.stack(alone)
    # A few of the solos are misunderstood, so medians are taken.
    mean, scale = _middle(alone)
    centre, width = _middle(((alone - mean) / scale).sum(1))
    return {
        "detection.familiar.mean": known.mean(0),
        "detection.familiar.precision": torch.linalg.inv(known.T.cov()),
        # Of the sum of both figures in units of their own spread, as one weighted sum.
        "detection.alone.weight": 1 / (scale * width),
        "detection.alone.bias": -(mean / scale).sum() / width - centre / width,
    }


def _middle(x):
    middle = x.median(0).values
    return middle, 1.4826 * (x - middle).abs().median(0).values


def _seconds(errors, items):
    powers, found = [], []
    for item in items:
        with torch.no_grad():
            shown = torch.cat([item["powers"], errors(item["powers"])[:, None]], 1)
        n = item["signal"].shape[1]
        shown = shown[..., : n * CELLS_PER_SECOND].unflatten(3, (n, CELLS_PER_SECOND)).mean(-1)
        shown = shown.unflatten(2, (N_OCTAVES, THIRDS)).sum(3)
        heard = item["signal"] > 1e-3 * item["signal"].sum(0)
        heard &= item["signal"] > 1e-4
        powers.append(shown.permute(0, 3, 1, 2)[heard][..., None])
        found.append(10 * (item["signal"] / (item["noise"] + 1e-9)).log10()[heard])
    return torch.cat(powers), torch.cat(found)


if __name__ == "__main__":
    main()
