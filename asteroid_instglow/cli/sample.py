"""``instglow sample``: draws sounds from a prior."""

import argparse
from pathlib import Path

HELP = "draw sounds from a prior"
MAX_DRAWS = 10_000
MAX_SECONDS = 600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("prior", help="folder or Hub id of a prior")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder")
    parser.add_argument("--n", type=int, default=1, help="number of draws")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--temperature", type=float, default=0.7, help="spread of the latents")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def run(args: argparse.Namespace) -> dict:
    """Draws magnitudes, finds a phase for them (Griffin-Lim) and writes files."""
    import torch
    from torchaudio.transforms import GriffinLim

    from ..audio.placing import place_files
    from ..audio.writing import AudioWriter
    from ..prior import GlowPrior
    from ..utils.checks import check_between, check_whole, path_inside
    from ..utils.files import naming, nearest_folder, scratch_folder
    from ..weights.base import load_model

    prior = load_model(args.prior)
    if not isinstance(prior, GlowPrior):
        raise ValueError(f"prior must be a single prior, {args.prior} holds a separator")
    check_whole("n", args.n, 1, MAX_DRAWS)
    check_whole("seed", args.seed, 0, 2**63 - 1)
    # Shorter than a window, no phase can be found.
    check_between("seconds", args.seconds, prior.n_fft / prior.sample_rate, MAX_SECONDS)
    paths = [path_inside(args.output, f"{prior.source}_{i + 1}.wav") for i in range(args.n)]
    taken = [str(path) for path in paths if path.exists()]
    if taken and not args.overwrite:
        raise FileExistsError(f"{taken[0]} exists; pass --overwrite to replace it")
    generator = torch.Generator().manual_seed(args.seed)
    torch.manual_seed(args.seed)
    n_frames = 1 + int(args.seconds * prior.sample_rate) // prior.hop_length
    to_wav = GriffinLim(prior.n_fft, hop_length=prior.hop_length, power=1.0)
    with scratch_folder(nearest_folder(args.output), ".sampling-") as stage:
        for path in paths:
            wav = to_wav(prior.sample(n_frames, 1, args.temperature, generator))
            if not wav.isfinite().all():
                raise ValueError(f"prior must draw finite sounds, {args.prior} draws others")
            wav = wav / wav.abs().max().clamp_min(1)
            with naming(path), AudioWriter(stage / path.name, int(prior.sample_rate), 1) as file:
                file.write(wav.numpy())
        place_files(stage, {stage / path.name: path for path in paths})
    return {"files": [str(path) for path in paths]}


def describe(answer: dict) -> str:
    """Lists the files."""
    return "\n".join(answer["files"])
