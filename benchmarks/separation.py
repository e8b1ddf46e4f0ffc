"""Measures the time and memory of separation, and compares them with a lower bound.

separation.py [--song FILE] [--lengths SECONDS ...] [--files SECONDS ...] [--no-paper]

Every measurement runs in a new process. The encoders separate a song that is repeated to each
length: CPU and wall-clock seconds per second of audio, and memory beyond that of the mixture and
stems, which should not grow. Stereo files at 44.1 kHz are separated block by block: their memory
should not grow at all. The paper's solver runs a few steps on 8 s with four priors of the paper's
size and random weights, beside a plain search with all gradients and weight normalization in each
step. The floor is the time of the multiply-adds alone, as fast as this processor convolves.
"""

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import as_file, files
from multiprocessing import get_context
from pathlib import Path

import soundfile as sf
import torch
from paper_search import DTYPES, multiply_adds, paper_convolution, paper_separator, plain_search

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.audio.io import load_audio
from asteroid_instglow.options import QUALITIES

OUTPUT = Path(__file__).parent / "results" / "separation.json"
MIB = 2**20
FILE_RATE = 44100
# The published code on 8 s with four priors, one thread, on another machine.
PUBLISHED = {"cpu_seconds_a_step": [0.95, 1.19], "peak_mib": 2600}
COUNTED = 10.0  # seconds of audio, at most, whose multiply-adds are counted


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--song", type=Path, help="audio file (default: the bundled song)")
    parser.add_argument("--priors", default="minislakh", help="folder or name of a separator")
    parser.add_argument("--quality", default="default", choices=QUALITIES)
    parser.add_argument("--lengths", nargs="*", type=float, default=[10, 60, 600], metavar="S")
    parser.add_argument("--files", nargs="*", type=float, default=[60, 600], metavar="S")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--paper", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--paper-seconds", type=float, default=8.0)
    parser.add_argument("--paper-steps", type=int, default=10, help="timed steps, at least 2")
    parser.add_argument("--results", type=Path, default=OUTPUT)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    results = describe(args)
    for seconds in args.lengths:
        row = fresh(measure_default, args.song, args.priors, args.quality, seconds, args.threads)
        add(results, "default", row, default_line, args.results)
    for seconds in args.files:
        row = fresh(measure_file, args.song, args.priors, args.quality, seconds, args.threads)
        add(results, "files", row, file_line, args.results)
    if args.paper:
        row = fresh(measure_plain, args.paper_seconds, args.paper_steps, args.threads)
        add(results, "plain", row, plain_line, args.results)
    for precision in DTYPES if args.paper else ():
        options = args.paper_seconds, precision, args.paper_steps, args.threads
        row = fresh(measure_paper, args.song, *options)
        plain = results["plain"][0]["cpu_seconds_a_step"]
        row["times_as_fast_as_plain"] = plain / row["cpu_seconds_a_step"]
        add(results, "paper", row, paper_line, args.results)


def describe(args):
    """Describes the run and the machine."""
    from quality import machine  # here: the measuring processes, which import this, stay small

    lengths, of_files = (" ".join(f"{n:g}" for n in some) for some in (args.lengths, args.files))
    command = f"separation.py --lengths {lengths} --files {of_files} --threads {args.threads} "
    command += f"--priors {args.priors} --quality {args.quality} "
    return {
        "command": command + (f"--paper-steps {args.paper_steps}" if args.paper else "--no-paper"),
        "machine": machine(),
        "song": "bundled" if args.song is None else args.song.name,
        "published": PUBLISHED,
        **{"default": [], "files": [], "plain": [], "paper": []},
    }


def add(results, part, row, line, path):
    """Prints a row and adds it to the results file."""
    # Imported here, as in describe.
    from asteroid_instglow.utils.files import write_json

    results[part].append(rounded(row))
    print(line(row), flush=True)
    write_json(path, results)


def fresh(function, *args):
    """Calls a function in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def measure_default(song, priors, quality, seconds, threads):
    """Measures time and memory of the default solver."""
    torch.set_num_threads(threads)
    model = GenerativeSeparator.from_pretrained(priors, quality=quality)
    loaded = peak()
    wav = repeated(song, seconds, model.sample_rate)
    cpu, wall = time.process_time(), time.perf_counter()
    out = model.separate(wav)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    highest, audio = peak(), (wav.nbytes + out.nbytes) / MIB
    short = wav[..., : round(COUNTED * model.sample_rate)]
    macs = multiply_adds(lambda: model.separate(short)) * wav.shape[-1] / short.shape[-1]
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "cpu_seconds_per_second": cpu / seconds,
        "real_time_factor": wall / seconds,
        **floor(macs / seconds, "32"),
        "peak_mib": highest,
        "loaded_mib": loaded,
        "audio_mib": audio,
        "beyond_audio_mib": highest - loaded - audio,
    }


def measure_file(song, priors, quality, seconds, threads):
    """Measures time and memory of the default solver on a stereo file at 44.1 kHz."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.flac"
        piece = repeated(song, min(seconds, 60.0), FILE_RATE)[0].expand(2, -1).T.numpy()
        with sf.SoundFile(path, "w", FILE_RATE, 2) as file:
            for start in range(0, round(seconds * FILE_RATE), len(piece)):
                file.write(piece[: round(seconds * FILE_RATE) - start])
        model = GenerativeSeparator.from_pretrained(priors, quality=quality)
        loaded = peak()
        cpu, wall = time.process_time(), time.perf_counter()
        model.separate(path, Path(folder) / "stems")
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "seconds": seconds,
        "cpu_seconds_per_second": cpu / seconds,
        "real_time_factor": wall / seconds,
        "peak_mib": peak(),
        "loaded_mib": loaded,
    }


def measure_paper(song, seconds, precision, n_iter, threads):
    """Measures time per step and memory of the published search."""
    torch.set_num_threads(threads)
    model = paper_separator()
    wav, loaded, clocks = repeated(song, seconds, model.sample_rate), peak(), []

    def search(n_iter, progress=None):
        model.separate(wav, n_iter=n_iter, precision=precision, progress=progress)

    search(n_iter, lambda iteration, loss: clocks.append(time.process_time()))
    if len(clocks) < n_iter:
        raise RuntimeError(f"the search must take {n_iter} steps, it ended after {len(clocks)}")
    highest, steps = peak(), [after - before for before, after in zip(clocks, clocks[1:])]
    # A difference, because the sources are decoded once more after the last step.
    macs = multiply_adds(lambda: search(2)) - multiply_adds(lambda: search(1))
    return {
        "precision": precision,
        "seconds": seconds,
        "parameters_of_a_prior": sum(p.numel() for p in model.priors[0].flow.parameters()),
        "cpu_seconds_a_step": statistics.median(steps),
        "fastest_step": min(steps),
        **floor(macs, precision),
        "peak_mib": highest,
        "loaded_mib": loaded,
    }


def measure_plain(seconds, n_iter, threads):
    """Measures time per step and memory of a plain search by autograd."""
    torch.set_num_threads(threads)
    priors, loaded, spent = paper_separator().priors, peak(), []
    step = plain_search(priors, seconds)
    for _ in range(n_iter):
        start = time.process_time()
        step()
        spent.append(time.process_time() - start)
    return {
        "seconds": seconds,
        "cpu_seconds_a_step": statistics.median(spent[1:]),
        "fastest_step": min(spent),
        "peak_mib": peak(),
        "loaded_mib": loaded,
    }


def floor(macs, precision):
    """Returns the CPU seconds of convolutions with that many multiply-adds."""
    rate = convolution_rate(precision)
    return {"macs": macs, "convolution_macs_per_second": rate, "floor": macs / rate}


def convolution_rate(precision, n_frames=345, repeats=40):
    """Measures multiply-adds per CPU second in a convolution of the paper's conditioner, on 8 s."""
    convolve, macs = paper_convolution(precision, n_frames)
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(10):
            convolve()
        spent.append((time.process_time() - start) / 10)
    return macs / statistics.median(spent)


def repeated(song, seconds, rate):
    """Returns a song (the bundled one by default), repeated and cut to a length."""
    if song is None:
        with as_file(files("asteroid_instglow.recipes") / "demo_song") as folder:
            wav = sum(load_audio(path, rate)[0] for path in sorted(folder.glob("*.flac")))
    else:
        wav, _ = load_audio(song, rate)
    n = round(seconds * rate)
    return wav.repeat(1, -(-n // wav.shape[-1]))[None, :, :n]


def peak():
    """Returns the peak memory of this process in MiB."""
    # Not ru_maxrss, which starts at the parent's value in a new process.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def rounded(value):
    """Rounds numbers, also in dicts and lists, to four digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def default_line(row):
    """Formats a row."""
    return (
        f"{row['seconds']:6g} s: {row['cpu_seconds_per_second']:.3f} CPU s and "
        f"{row['real_time_factor']:.3f} wall s per second, floor "
        f"{row['floor']:.3f}; peak {row['peak_mib']:.0f} MiB = loaded "
        f"{row['loaded_mib']:.0f} + audio {row['audio_mib']:.0f} + {row['beyond_audio_mib']:.0f}"
    )


def plain_line(row, name="plain"):
    """Formats a row."""
    cpu = row.get("cpu_seconds_a_step") or row["cpu_seconds_per_second"]
    unit = "step" if "cpu_seconds_a_step" in row else f"second, {row['seconds']:g} s"
    memory = f"peak {row['peak_mib']:.0f} MiB, loaded {row['loaded_mib']:.0f}"
    return f"{name}: {cpu:.3f} CPU s per {unit}; {memory}"


def file_line(row):
    """Formats a row."""
    return plain_line(row, "file")


def paper_line(row):
    """Formats a row."""
    return (
        f"paper, {row['precision']}: {row['cpu_seconds_a_step']:.3f} CPU s per step, floor "
        f"{row['floor']:.3f}; {row['times_as_fast_as_plain']:.1f} times as fast as plain; peak "
        f"{row['peak_mib']:.0f} MiB, loaded {row['loaded_mib']:.0f}"
    )


if __name__ == "__main__":
    main()
