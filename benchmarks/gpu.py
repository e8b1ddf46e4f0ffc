"""Measures separation on a GPU: the encoders' pace, and the paper's search against its floor.

gpu.py [--priors band] [--seconds 120] [--device cuda]

The encoders separate a song of that length that lies in memory, mono. The paper's solver searches
on 8 s with four priors of the paper's size and random weights; beside it stands a plain search with
all gradients and weight normalization in each step. The floor is the time of the multiply-adds
alone, at the pace of one convolution of the paper's conditioner. Times are wall times, after a
first run.
"""

import argparse
import time
from pathlib import Path

import torch
from paper_search import DTYPES, multiply_adds, paper_convolution, paper_separator, plain_search
from separation import COUNTED, repeated, rounded

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.options import QUALITIES
from asteroid_instglow.utils.files import write_json

OUTPUT = Path(__file__).parent / "results" / "gpu.json"
PAPER_SECONDS, PAPER_STEPS = 8.0, 150  # as published
PUBLISHED = {"times_real_time": [14, 16], "peak_mib": 2600}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--priors", default="band", help="folder or name of a separator")
    parser.add_argument("--seconds", type=float, default=120.0, help="of audio for the encoders")
    parser.add_argument("--steps", type=int, default=PAPER_STEPS, help="of the paper's search")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--results", type=Path, default=OUTPUT)
    args = parser.parse_args()
    device = torch.device(args.device)
    results = {
        "command": f"gpu.py --priors {args.priors} --seconds {args.seconds:g} --steps {args.steps}",
        "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else "processor",
        "torch": torch.__version__,
        "published": PUBLISHED,
    }
    parts = {"encoders": encoders, "plain": plain, "paper": paper}
    for name, measure in parts.items():
        results[name] = []
        for row in measure(args, device):
            results[name].append(rounded(row))
            print(name, results[name][-1], flush=True)
            write_json(args.results, results)


def encoders(args, device):
    """Yields the pace of each quality."""
    for quality in QUALITIES:
        model = GenerativeSeparator.from_pretrained(args.priors, quality=quality).to(device)
        wav = repeated(None, args.seconds, model.sample_rate).to(device)
        model.separate(wav[..., : round(COUNTED * model.sample_rate)])
        seconds, memory = timed(device, model.separate, wav)
        yield {
            "quality": quality,
            "seconds": args.seconds,
            "wall_seconds": seconds,
            "times_as_fast_as_real_time": args.seconds / seconds,
            "peak_gpu_mib": memory,
        }


def plain(args, device):
    """Yields the time per step of a plain search by autograd."""
    step = plain_search(paper_separator().priors, PAPER_SECONDS, device)

    def search(n_iter):
        for _ in range(n_iter):
            step()

    n_iter = max(1, args.steps // 5)
    search(2)
    seconds, memory = timed(device, search, n_iter)
    yield {"seconds_a_step": seconds / n_iter, "peak_gpu_mib": memory}


def paper(args, device):
    """Yields the time per step of the published search with frozen flows, by precision."""
    model = paper_separator().to(device)
    wav = repeated(None, PAPER_SECONDS, model.sample_rate).to(device)
    for precision in DTYPES:

        def search(n_iter, precision=precision):
            model.separate(wav, n_iter=n_iter, precision=precision)

        macs = multiply_adds(lambda: search(2)) - multiply_adds(lambda: search(1))
        seconds, memory = timed(device, search, args.steps)
        floor = macs / convolution_rate(precision, device)
        yield {
            "precision": precision,
            "steps": args.steps,
            "wall_seconds": seconds,
            "seconds_a_step": seconds / args.steps,
            "times_real_time": seconds / PAPER_SECONDS,
            "floor_seconds_a_step": floor,
            "peak_gpu_mib": memory,
        }


def convolution_rate(precision, device, repeats=200):
    """Measures multiply-adds per second in a convolution of the paper's conditioner, on 8 s."""
    convolve, macs = paper_convolution(precision, device=device)
    convolve()

    def repeat():
        for _ in range(repeats):
            convolve()

    return macs * repeats / timed(device, repeat)[0]


def timed(device, function, *args):
    """Returns the wall seconds of a function and the peak of the device's memory in MiB."""
    is_gpu = device.type == "cuda"
    if is_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    function(*args)
    if is_gpu:
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - began
    return seconds, torch.cuda.max_memory_allocated(device) / 2**20 if is_gpu else None


if __name__ == "__main__":
    main()
