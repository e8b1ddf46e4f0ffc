"""``instglow sample``: hear what a prior has learnt."""

from pathlib import Path

HELP = "draw sounds from a prior"


def add_arguments(parser):
    """Declares the options."""
    parser.add_argument("prior", help="folder or Hub id of a prior")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder")
    parser.add_argument("--n", type=int, default=1, help="number of draws")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--temperature", type=float, default=0.7, help="spread of the latents")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def run(args):
    """Draws magnitudes and finds a phase for them (Griffin-Lim)."""
    import torch
    from torchaudio.transforms import GriffinLim

    from ..audio.io import save_audio
    from ..prior import GlowPrior
    from ..weights.base import load_model

    prior = load_model(args.prior)
    if not isinstance(prior, GlowPrior):
        raise ValueError(f"prior must be a prior, got a separator: {args.prior}")
    if not args.seconds > 0 or args.n < 1:
        raise ValueError(f"seconds and n must be above 0, got {args.seconds} and {args.n}")
    generator = torch.Generator().manual_seed(args.seed)
    torch.manual_seed(args.seed)
    n_frames = 1 + int(args.seconds * prior.sample_rate) // prior.hop_length
    magnitude = prior.sample(n_frames, args.n, args.temperature, generator)
    to_wav = GriffinLim(prior.n_fft, hop_length=prior.hop_length, power=1.0)
    args.output.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, wav in enumerate(to_wav(magnitude), 1):
        path = args.output / f"{prior.source}_{i}.wav"
        save_audio(path, wav, int(prior.sample_rate), overwrite=args.overwrite)
        paths.append(str(path))
    return {"files": paths}


def describe(answer):
    """Lists the files."""
    return "\n".join(answer["files"])
