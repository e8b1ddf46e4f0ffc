"""Checks on songs with known stems how far what a separation says of itself is true.

    uncertainty.py SEPARATOR=SONGS ... [--odd DIR] [--results FILE.json]

For each separator and folder of songs (a folder each, a file for each source): how often the true
SDR of a second lies in its interval, and how the expected SDR ranks with the true one, against the
ratio of estimate to ambiguity alone; the energy score of 16 alternatives against the answer with
white noise of the same power; who plays in random subsets of the sources; and, with --odd (which
``odd_sounds.py`` writes), how recordings of other kinds rank below the songs, and below their
sources alone, in familiarity.
"""

import argparse
import itertools
import platform
import random
import sys
from pathlib import Path

import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from asteroid_instglow import GenerativeSeparator, load_audio
from asteroid_instglow.audio.stft import stft
from asteroid_instglow.masking import shares
from asteroid_instglow.uncertainty.detection import UNFAMILIAR
from asteroid_instglow.utils.files import write_json

SAMPLES = 16
SCORED = 10  # seconds of the songs whose alternatives are scored
HEARD = 1e-3  # power of a source relative to the mixture's, from which a second counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", nargs="+", metavar="SEPARATOR=SONGS")
    parser.add_argument("--odd", type=Path, help="recordings that are not like the songs")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each song")
    parser.add_argument("--subsets", type=int, default=3, help="of the sources of each song")
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    answer = {}
    for pair in args.pairs:
        answer[pair] = judge(*pair.split("=", 1), args)
        print(pair, answer[pair], flush=True)
    if args.results:
        machine = f"{platform.machine()}, {torch.get_num_threads()} thread(s)"
        write_json(args.results, {"command": sys.argv, "machine": machine, "results": answer})


def judge(name, folder, args):
    separator = GenerativeSeparator.from_pretrained(name)
    rate = int(separator.sample_rate)
    songs = [
        read(path, separator, args.seconds)
        for path in sorted(Path(folder).iterdir())
        if path.is_dir()
    ]
    rows, scores, familiar, subsets = [], [], [], []
    rng = random.Random(0)
    for stems in songs:
        (found,), (told,) = separator.separate(stems.sum(0)[None], confidence=True)
        rows.append(seconds_of(stems, found, told, rate))
        familiar.append(told.detection.familiar)
        scores.append(energy_scores(separator, stems))
        present = [i for i, stem in enumerate(stems) if stem.any()]
        for _ in range(args.subsets):
            kept = rng.sample(present, rng.randint(1, len(present)))
            subsets.append(subset_of(separator, stems, kept))
    true, expected, low, high, ratio = (torch.cat(x) for x in zip(*rows))
    ours, white = (torch.stack(x).mean() for x in zip(*scores))
    answer = {
        "songs": len(songs),
        "seconds": len(true),
        "coverage": ((low <= true) & (true <= high)).double().mean(),
        "width, dB": (high - low).mean(),
        "rank correlation": spearmanr(true, expected)[0],
        "rank correlation of the ambiguity alone": spearmanr(true, ratio)[0],
        "energy score": ours,
        "energy score of white noise": white,
        "area, who plays": areas(subsets, separator.sources),
        "mistakes, who plays": mistakes(subsets),
    }
    if args.odd:
        odd = []
        for path in sorted(args.odd.iterdir()):
            wav = load_audio(path, rate)[0].mean(0)[: SCORED * rate]
            odd.append(separator.detect(wav).familiar)
        alone = [one for stems in songs for one in familiar_alone(separator, stems)]
        for name, known in (("familiar", familiar), ("familiar alone", alone)):
            truth = [1] * len(known) + [0] * len(odd)
            answer[f"area, {name}"] = roc_auc_score(truth, known + odd)
        answer["unfamiliar"] = {
            name: f"{sum(one < UNFAMILIAR for one in found)} of {len(found)}"
            for name, found in (("songs", familiar), ("alone", alone), ("odd", odd))
        }
    plain = (int, dict)
    return {k: v if isinstance(v, plain) else round(float(v), 4) for k, v in answer.items()}


def read(folder, separator, seconds):
    rate = int(separator.sample_rate)
    stems = torch.zeros(len(separator.sources), round(rate * seconds))
    length = 0
    for stem, name in zip(stems, separator.sources):
        for path in folder.glob(f"{name}.*"):
            wav = load_audio(path, rate)[0].mean(0)[: len(stem)]
            stem[: len(wav)] = wav
            length = max(length, len(wav))
    return stems[:, : length // rate * rate]


def ambiguity_ratio(found, rate):
    """Power of each second of the estimates over that of m (1 - m) |x|^2, (n_src, n_seconds)."""
    n = found.shape[1] // rate
    specs = stft(found[:, : n * rate].unflatten(1, (n, rate)), 2048, 512)
    share = shares(specs.abs())
    ambiguity = share * (1 - share) * specs.sum(0).abs().square()
    return specs.abs().square().sum((2, 3)) / (ambiguity.sum((2, 3)) + 1e-12)


def seconds_of(stems, found, told, rate):
    n = stems.shape[1] // rate
    true, error = (
        x[:, : n * rate].unflatten(1, (n, rate)).square().sum(-1) for x in (stems, stems - found)
    )
    counts = (true > HEARD * true.sum(0)) & (true > 1e-4) & ~told.sdr[:, :n].isnan()
    sdr = 10 * (true / (error + 1e-12)).log10()
    ratio = ambiguity_ratio(found, rate)
    return tuple(x[:, :n][counts] for x in (sdr, told.sdr, told.low, told.high, ratio))


def energy_scores(separator, stems):
    n = SCORED * int(separator.sample_rate)
    drawn = separator.posterior(stems.sum(0)[:n], n=SAMPLES)
    answer = drawn.mean(0)
    power = (drawn - answer).square().mean((0, 2), keepdim=True)
    generator = torch.Generator().manual_seed(0)
    white = answer + torch.randn(drawn.shape, generator=generator) * power.sqrt()
    return energy_score(drawn, stems[:, :n]), energy_score(white, stems[:, :n])


def energy_score(drawn, stems):
    to_truth = (drawn - stems).norm(dim=-1).mean()
    pairs = itertools.combinations(range(len(drawn)), 2)
    between = torch.stack([(drawn[i] - drawn[j]).norm(dim=-1).mean() for i, j in pairs]).mean()
    return to_truth - between / 2


def subset_of(separator, stems, kept):
    n = SCORED * int(separator.sample_rate)
    mixture = stems[kept, :n].sum(0)
    found = separator.detect(mixture)
    plays = torch.tensor([bool(i in kept and stems[i, :n].any()) for i in range(len(stems))])
    return plays, found.probability


def familiar_alone(separator, stems):
    n = SCORED * int(separator.sample_rate)
    # The loudest part of each stem.
    for stem in stems:
        start = max(range(0, max(1, len(stem) - n), n), key=lambda i: stem[i : i + n].norm())
        if stem[start : start + n].abs().max() > 1e-3:
            yield separator.detect(stem[start : start + n]).familiar


def areas(subsets, sources):
    plays, told = (torch.stack(x) for x in zip(*subsets))
    answer = {}
    for i, name in enumerate(sources):
        both = 0 < plays[:, i].sum() < len(plays)
        answer[name] = round(float(roc_auc_score(plays[:, i], told[:, i])), 4) if both else None
    return answer


def mistakes(subsets):
    missed = sum(int(((told >= 0.5) & ~plays).sum()) for plays, told in subsets)
    dropped = sum(int(((told < 0.5) & plays).sum()) for plays, told in subsets)
    return {
        "absent but told to play": missed,
        "playing but told absent": dropped,
        "subsets": len(subsets),
    }


if __name__ == "__main__":
    main()
