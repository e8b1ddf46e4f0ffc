"""Trains the networks that guess the errors of a separation, on songs and mixtures of solos.

    train_uncertainty.py SEPARATOR=DIR ... --cache DIR --output weights.safetensors

Each separator (a folder or a shipped name) separates what is in DIR: songs, where each has a folder
with a file for each source; or else random mixtures of the solos in a folder for each source. Songs
are harder than random mixtures, as their instruments play together: give both. Every third random
mixture is made strange: played faster or slower, with another equaliser, or clipped, so that sounds
that no prior has heard are among them.

What the separations show, and their errors, are kept in the cache; without SEPARATOR=DIR that is
all that is used. Three things are fitted: the error's power in bands and tenths of a second, the
interval of each second's SDR, and who plays.
"""

import argparse
import random
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from asteroid_instglow import GenerativeSeparator, load_audio
from asteroid_instglow.audio.stft import stft
from asteroid_instglow.data.folders import find_by_source
from asteroid_instglow.uncertainty.confidence import LEVEL
from asteroid_instglow.uncertainty.detection import figures, ratios
from asteroid_instglow.uncertainty.errors import FLOOR, ErrorModel, IntervalModel
from asteroid_instglow.uncertainty.evidence import (
    CELL,
    N_OCTAVES,
    THIRDS,
    Evidence,
    pool,
    pooled_quantities,
)

LENGTH = 50  # cells of an excerpt
BATCH = 12
SCALES = ((1, 1, 0.3), (THIRDS, 10, 0.7), (THIRDS * N_OCTAVES, 10, 2.0))  # bands, cells, weight
CELLS_PER_SECOND = round(1 / CELL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", nargs="*", metavar="SEPARATOR=DIR")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--mixtures", type=int, default=100, help="of each separator")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a mixture")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for number, pair in enumerate(args.pairs):
        collect(*pair.split("=", 1), args, args.cache / str(number))
    groups = [
        [torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))]
        for folder in sorted(args.cache.iterdir())
    ]
    # The interval is learnt from mixtures that the errors were not, or it would be too narrow.
    errors = train_errors([group[: len(group) * 2 // 3] for group in groups], args.steps, args.seed)
    held = [group[len(group) * 2 // 3 :] for group in groups]
    interval = train_interval(errors, held, args.steps, args.seed)
    errors = train_errors(groups, args.steps, args.seed)
    parts = {
        "errors": errors.state_dict(),
        "interval": interval.state_dict(),
        "detection": fit_detection(errors, [item for group in groups for item in group]),
    }
    save_file(
        {f"{n}.{k}": x.contiguous() for n, part in parts.items() for k, x in part.items()},
        args.output,
    )


def collect(name, folder, args, cache):
    """Separates random mixtures of the solos in ``folder``; one file each in ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    separator = GenerativeSeparator.from_pretrained(name)
    songs = [path for path in sorted(Path(folder).iterdir()) if path.name not in separator.sources]
    solos = {} if songs else find_by_source(separator.sources, [folder])
    for i in tqdm(range(len(songs) or args.mixtures), desc=name):
        path = cache / f"{i:05d}.pt"
        if not path.exists():
            rng = random.Random(zlib.crc32(f"{args.seed} {name} {folder} {i}".encode()))
            if songs:
                stems = read_stems(songs[i], separator, args.seconds)
            else:
                stems = draw_stems(rng, solos, separator.sample_rate, args.seconds, i % 3 == 2)
            torch.save(observe(separator, stems), path)


def read_stems(song, separator, seconds):
    """Reads the stems of a song, (n_src, time); what has no file is silent."""
    rate = separator.sample_rate
    stems = torch.zeros(len(separator.sources), round(rate * seconds))
    for stem, name in zip(stems, separator.sources):
        for path in song.glob(f"{name}.*"):
            wav = load_audio(path, rate)[0].mean(0)[: len(stem)]
            stem[: len(wav)] = wav
    return stems


def draw_stems(rng, solos, rate, seconds, strange):
    """Draws one to all sources, some silent for a while: (n_src, time)."""
    n = round(rate * seconds)
    stems = torch.zeros(len(solos), n)
    for k in rng.sample(range(len(solos)), min(len(solos), rng.choice((2, 3, 4, 4, 4, 5)))):
        files = list(solos.values())[k]
        if not files:
            continue
        wav = load_audio(rng.choice(files).path, rate)[0].mean(0)
        wav = wav[rng.randrange(max(1, len(wav) - n)) :][:n]
        wav = make_strange(rng, wav, rate) if strange else wav
        wav = F.pad(wav, (0, n - len(wav)))
        loud = wav.square().mean().sqrt().clamp_min(1e-4)
        stems[k] = wav / loud * 0.06 * 10 ** (rng.uniform(-6, 6) / 20)
        if rng.random() < 0.25:
            start = rng.randrange(n)
            stems[k, start : start + rng.randrange(n)] = 0
    return stems * min(1, 0.9 / float(stems.sum(0).abs().max().clamp_min(1e-6)))


def make_strange(rng, wav, rate):
    """Plays a solo at another speed, with another equaliser, sometimes clipped."""
    at = np.arange(0, len(wav) - 1, rng.choice((0.72, 0.8, 0.88, 1.15, 1.26, 1.4)))
    wav = torch.from_numpy(np.interp(at, np.arange(len(wav)), wav.numpy()).astype(np.float32))
    bins = torch.linspace(0, rate / 2, len(wav) // 2 + 1).clamp_min(1)
    octaves = (bins / rng.uniform(200, 4000)).log2()
    gain = 10 ** (rng.uniform(-9, 9) / 20 * torch.exp(-octaves.square()))
    wav = torch.fft.irfft(torch.fft.rfft(wav) * gain, len(wav))
    if rng.random() < 0.4:
        wav = torch.tanh(wav / wav.abs().max().clamp_min(1e-4) * rng.uniform(1, 5))
    return wav


def observe(separator, stems):
    """Separates a mixture of stems: what it shows, and its errors."""
    shown = []

    class Watch(Evidence):
        def add(self, mixture, sources, *others):
            shown.append((pooled_quantities(mixture, sources, *others), sources))

    separator._gather = lambda n_seconds, options: Watch(len(stems), n_seconds, None)
    rate = int(separator.sample_rate)
    whole = stems.shape[1] / rate + 1
    out, _ = separator.separate(stems.sum(0)[None], confidence=True, chunk=whole)
    powers, sources = shown[0]
    n_fft = 2 * (sources.shape[1] - 1)
    hop = separator.priors[0].encoder.hop_length
    error = pool((stft(stems, n_fft, hop) - sources).abs().square(), n_fft, hop, rate)
    n = stems.shape[1] // rate
    signal, noise = (
        x[:, : n * rate].unflatten(1, (n, rate)).square().sum(-1) for x in (stems, stems - out[0])
    )
    return {"powers": powers, "error": error, "signal": signal, "noise": noise}


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
    return model.eval()


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
def fit_detection(errors, items):
    """Fits who plays by logistic regression, and what is familiar by a Gaussian."""
    totals, plays = [], []
    for item in items:
        shown = torch.cat([item["powers"], errors(item["powers"])[:, None]], 1)
        totals.append(shown.mean(-1).sum(2))
        plays.append(item["signal"].sum(1) > 0)
    x = torch.cat([ratios(total[..., None])[:, 0] for total in totals]).double()
    y = torch.cat(plays)
    # Weighted, so that sources that are absent count as much as those that play.
    fit = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000).fit(x, y)
    known = torch.stack([figures(total) for total, p in zip(totals, plays) if p.sum() > 1])
    return {
        "plays.weight": torch.tensor(fit.coef_[0]).float(),
        "plays.bias": torch.tensor(fit.intercept_).float(),
        "familiar.mean": known.mean(0),
        "familiar.precision": torch.linalg.inv(known.T.cov()),
    }


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
