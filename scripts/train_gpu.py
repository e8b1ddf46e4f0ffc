"""Trains encoders of several sets of sources on one GPU, one after the other, and scores them.

    train_gpu.py PLAN.yml [PLAN.yml ...] --data DIR --out DIR [--scale 0.01] [--within SECONDS]

A plan lists jobs. Each names its sources, the folders of solos with their weights, how excerpts
are drawn, the architecture, what to start from and for how many seconds to train. A job writes
<name>.safetensors (16-bit weights; the encoder's arguments and the sources are in its header) and
adds its record to log.json. Songs with known stems score what was trained, alone and averaged.
"""

import argparse
import json
import math
import time
from functools import partial
from pathlib import Path

import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from asteroid_instglow.audio.io import load_audio
from asteroid_instglow.audio.stft import istft
from asteroid_instglow.data.on_device import DeviceMixtures, DeviceSolos, Part
from asteroid_instglow.encoder.base import MASK
from asteroid_instglow.encoder.build import build_encoder
from asteroid_instglow.encoder.solve import reconcile
from asteroid_instglow.evaluation.metrics import window_sdr
from asteroid_instglow.training.on_device import DeviceRun, train_on_device

RATE = 22050
SEGMENT = 3.0  # seconds
AROUND = 45.0  # seconds of a job besides its steps: decoding, compiling, scoring


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("plan", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True, help="<group>/<source>/*.ogg")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="of the seconds of the plans")
    parser.add_argument("--within", type=float, help="shorten the jobs to fit into these seconds")
    args = parser.parse_args()
    jobs = [job for plan in args.plan for job in read_plan(plan)]
    if args.within is not None:
        planned = sum(job["seconds"] for job in jobs)
        usable = max(0.1 * args.within, args.within - AROUND * len(jobs))
        args.scale = min(args.scale, usable / planned)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    args.out.mkdir(parents=True, exist_ok=True)
    solos, trained, log = {}, {}, []
    for job in jobs:
        began = time.monotonic()
        record = {"name": job["name"]}
        log.append(record)
        try:
            mixtures = make_mixtures(job, args.data, device, solos)
            record["minutes"] = {k: round(s.seconds / 60, 1) for k, s in mixtures.solos.items()}
            encoder = start(job, args.data, args.out).to(device)
            say(job["name"], "loaded in", round(time.monotonic() - began), "s", record["minutes"])
            run = DeviceRun(
                seconds=job["seconds"] * args.scale,
                compile=device == "cuda" and job["encoder"].get("architecture") == "band-split",
                **job.get("run", {}),
            )
            record |= train_on_device(encoder, mixtures, run, partial(report, job["name"]))
            save(encoder, job, args.out)
            trained[job["name"]] = (job["sources"], encoder.eval())
            for name, folder in job.get("score", {}).items():
                record[name] = score_all(trained, job, args.data / folder, device)
                say(job["name"], name, json.dumps(record[name]))
        except Exception as error:  # the next job may still go well
            record["error"] = repr(error)[:500]
            say(job["name"], "failed:", record["error"])
        record["whole_seconds"] = round(time.monotonic() - began, 1)
        (args.out / "log.json").write_text(json.dumps(log, indent=1))
        say(json.dumps(record))


def read_plan(path):
    """Returns the jobs of a plan."""
    return yaml.safe_load(path.read_text())["jobs"]


def make_mixtures(job, data, device, solos):
    """Loads the solos of a job, once each; the trained sources come first, as its encoder's do."""
    missing = set(job["sources"]) - set(job["solos"])
    if missing:
        raise ValueError(f"solos must have a group for each source, got none for {sorted(missing)}")
    segment = round(SEGMENT * RATE)
    found = {}
    for name in [*job["sources"], *(name for name in job["solos"] if name not in job["sources"])]:
        groups = job["solos"][name]
        detune = job.get("detune", {}).get(name, 0.0)
        key = (name, detune, json.dumps(groups, sort_keys=True))
        if key not in solos:
            folders = {}
            for group, weight in groups.items():
                files = tuple(sorted((data / group / name).glob("*.*")))
                if files:
                    folders[files] = weight
                else:
                    say("no files in", group, name)
            solos[key] = DeviceSolos(folders, segment, RATE, device, detune)
        found[name] = solos[key]
    parts = {name: Part(**part) for name, part in job.get("parts", {}).items()}
    return DeviceMixtures(found, parts, n_src=len(job["sources"]), **job["mixtures"])


def start(job, data, out):
    """Builds the encoder of a job, from other weights where the job names some."""
    torch.manual_seed(job.get("seed", 0))
    encoder = build_encoder(
        {**job["encoder"], "n_src": len(job["sources"]), "heard": list(job["solos"])}
    )
    if "init" in job:
        path = out / job["init"] if (out / job["init"]).exists() else data / job["init"]
        with safe_open(path, "pt") as stored:
            weights = {name: stored.get_tensor(name).float() for name in stored.keys()}
        own = encoder.state_dict()
        fits = {
            name: value
            for name, value in weights.items()
            if name in own
            and own[name].shape == value.shape
            and (job.get("init_mask", True) or not name.startswith(MASK))
        }
        say(job["name"], "takes", len(fits), "of", len(own), "tensors from", path.name)
        encoder.load_state_dict({**own, **fits})
    return encoder


def save(encoder, job, out):
    """Writes the weights with 16 bits."""
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in encoder.state_dict().items()
    }
    header = {"encoder": json.dumps(encoder.get_args()), "sources": json.dumps(job["sources"])}
    save_file(weights, out / f"{job['name']}.safetensors", header)


def score_all(trained, job, folder, device):
    """Scores a job's encoder, and the mean of it and those in ``mean_with``."""
    found = {job["name"]: score([trained[job["name"]]], folder, device)}
    others = [trained[name] for name in job.get("mean_with", []) if name in trained]
    if others:
        found["mean"] = score([trained[job["name"]], *others], folder, device)
    return found


@torch.no_grad()
def score(models, folder, device):
    """Signal-to-error ratio in dB: median over 1-s windows, mean over songs, by source."""
    sources = models[0][0]
    found = {source: [] for source in sources}
    for song in sorted(path for path in folder.iterdir() if path.is_dir()):
        stems = {}
        for source in sources:
            for path in song.glob(f"{source}.*"):
                stems[source] = load_audio(path)[0].mean(0)
        mixture = sum(stems.values()) if stems else None
        if mixture is None:
            continue
        estimates = separate(models, mixture.to(device)).cpu()
        for source, stem in stems.items():
            found[source].append(window_sdr(stem, estimates[sources.index(source)], RATE))
    played = {s: [v for v in values if not math.isnan(v)] for s, values in found.items()}
    result = {s: round(sum(v) / len(v), 2) for s, v in played.items() if v}
    result["average"] = round(sum(result.values()) / len(result), 3)
    return result


def separate(models, wav, chunk=8 * RATE):
    """Separates (time,) in pieces that overlap by half, crossfaded; averages several encoders."""
    n = len(wav)
    padded = torch.nn.functional.pad(wav, (chunk // 2, chunk // 2 + (-n) % (chunk // 2)))
    out = torch.zeros(len(models[0][0]), len(padded), device=wav.device)
    window = torch.hann_window(chunk, device=wav.device)
    for at in range(0, len(padded) - chunk + 1, chunk // 2):
        piece = padded[None, at : at + chunk]
        made = 0
        for _, encoder in models:
            spec, scale = encoder.transform(piece)
            means = (encoder.estimate(spec[:, 0]) * scale[..., None])[0]
            sources = reconcile(means, spec[0, 0] * scale[0])
            made = made + istft(sources, encoder.n_fft, encoder.hop_length, chunk)
        out[:, at : at + chunk] += window * made / len(models)
    return out[:, chunk // 2 : chunk // 2 + n]


def report(name, step, n_steps, loss):
    if step % max(1, n_steps // 10) == 0:
        say(name, f"{step}/{n_steps} loss {loss:.4f}")


def say(*words):
    print(*words, flush=True)


if __name__ == "__main__":
    main()
