"""Measures what each ingredient of the solos behind "band" is worth on real songs.

ingredients.py POOL SONGS [--plan FILE] [--steps 300] [--width 128] [--output FILE]

POOL is what recipes/band makes; the recipe's plan says how it is drawn. A small LSTM is trained by
that plan, then one for every ingredient without it, all from the same start for as many steps. The
scores are those of real.py. An ingredient's gain is the score with it minus the score without,
song by song, with the 95 % interval over songs. The plan with another seed shows what chance does.
"""

import argparse
import copy
import json
import sys
from pathlib import Path

import numpy as np
import torch
from quality import machine
from real import RATE, read_song

from asteroid_instglow.audio.stft import istft
from asteroid_instglow.encoder.solve import reconcile
from asteroid_instglow.evaluation.metrics import window_sdr
from asteroid_instglow.training.on_device import DeviceRun, train_on_device
from asteroid_instglow.utils.files import write_json

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))
from train_gpu import make_mixtures, read_plan, start  # noqa: E402

SCORED = ["bass", "drums", "guitar", "vocals"]
RECORDED = ("cc0", "metal")  # words in the names of groups that were recorded as a whole


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("songs", type=Path)
    parser.add_argument("--plan", type=Path, default=ROOT / "recipes/band/local/plan.yml")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, help="some of the ingredients")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    job = read_plan(args.plan)[0] | {"encoder": {"width": args.width}}
    job["mixtures"]["batch_size"] = args.batch_size
    songs = [
        read_song(path, SCORED, None) for path in sorted(args.songs.iterdir()) if path.is_dir()
    ]
    solos, scores, result = {}, {}, {}
    for name in ["all", *(args.only or VARIANTS)]:
        changed = copy.deepcopy(job)
        if name != "all":
            VARIANTS[name](changed, args.pool)
        mixtures = make_mixtures(changed, args.pool, "cpu", solos)
        encoder = start(changed, args.pool, args.pool)
        record = train_on_device(encoder, mixtures, DeviceRun(n_steps=args.steps, ema=0.99))
        scores[name] = score(encoder.eval(), job["sources"], songs)
        result[name] = {
            "loss": round(record["loss"], 4),
            "seconds": record["seconds"],
            **compare(scores[name], scores["all"], name == "all"),
        }
        print(name, json.dumps(result[name]), flush=True)
        if args.output:
            command = f"ingredients.py POOL SONGS --steps {args.steps} --width {args.width}"
            found = {"command": f"python benchmarks/{command}", "machine": machine()}
            write_json(args.output, {**found, "ingredients": result}, indent=1)


def without_groups(*words):
    """Returns a change of a plan: no group whose name has one of these words."""

    def change(job, pool):
        for name, groups in job["solos"].items():
            kept = {g: w for g, w in groups.items() if not any(word in g for word in words)}
            job["solos"][name] = kept or groups

    return change


def recorded_only(job, pool):
    for name, groups in job["solos"].items():
        kept = {g: w for g, w in groups.items() if any(word in g for word in RECORDED)}
        job["solos"][name] = kept or groups


def by_duration(job, pool):
    for name, groups in job["solos"].items():
        for group in groups:
            size = sum(path.stat().st_size for path in (pool / group / name).glob("*.*"))
            groups[group] = max(1.0, size)  # Ogg of one quality: bytes are in proportion to time


def same_parts(**fixed):
    def change(job, pool):
        for part in job["parts"].values():
            part.update({key: value for key, value in fixed.items() if key in part})

    return change


def no_effects(job, pool):
    job["mixtures"].update(eq_db=0.0, p_effect=0.0)


def other_seed(job, pool):
    job["seed"] = job["mixtures"]["seed"] = 1


VARIANTS = {
    "other seed": other_seed,
    "recorded solos": without_groups(*RECORDED),
    "rendered solos": recorded_only,
    "changed singers": without_groups("shifted"),
    "sung melodies": without_groups("yuki", "kokoro"),
    "sound fonts": without_groups("fonts"),
    "weights of groups": by_duration,
    "effects in training": no_effects,
    "absent and doubled sources": same_parts(p_absent=0.0, p_second=0.0),
    "spread of levels": same_parts(gain_db=1.0),
}


@torch.no_grad()
def score(encoder, sources, songs):
    """Returns the scores of one encoder, (n_songs, n_sources), NaN where a song lacks one."""
    rows = []
    for _, stems in songs:
        spec, scale = encoder.transform(sum(stems.values())[None])
        means = (encoder.estimate(spec[:, 0]) * scale[..., None])[0]
        found = reconcile(means, spec[0, 0] * scale[0])
        n_samples = len(next(iter(stems.values())))
        wavs = dict(zip(sources, istft(found, encoder.n_fft, encoder.hop_length, n_samples)))
        rows.append([window_sdr(stems[s], wavs[s], RATE) if s in stems else np.nan for s in SCORED])
    return np.array(rows)


def compare(scores, whole, is_whole):
    """Returns means, or gains with the half width of their 95 % interval, dB."""
    values = scores if is_whole else whole - scores
    values = np.column_stack([values, np.nanmean(values, 1)])
    half = 1.96 * np.nanstd(values, 0, ddof=1) / (~np.isnan(values)).sum(0) ** 0.5
    key = "dB" if is_whole else "gain"
    pairs = zip([*SCORED, "average"], np.nanmean(values, 0), half)
    return {key: {n: {"mean": round(m, 2), "interval": round(h, 2)} for n, m, h in pairs}}


if __name__ == "__main__":
    main()
