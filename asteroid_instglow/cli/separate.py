"""``instglow separate``: files in, one file a source out."""

from pathlib import Path

HELP = "separate files into their sources"


def add_arguments(parser):
    """Declares the options; those of the search are named as in SeparationOptions."""
    from ..options import PRECISIONS, SOLVERS

    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="audio to separate")
    parser.add_argument(
        "--priors",
        nargs="+",
        default=["minislakh"],
        metavar="DIR|NAME=DIR",
        help="folder, name or Hub id of a separator, or of priors (named by themselves or NAME)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="only these sources")
    parser.add_argument("--residual", action="store_true", help="add what no prior explains")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--subtype", default="PCM_16", choices=["PCM_16", "PCM_24", "FLOAT"])
    parser.add_argument("--clip", default="rescale", choices=["rescale", "clamp", "none"])
    parser.add_argument("--suffix", default=".wav", choices=[".wav", ".flac", ".ogg", ".mp3"])
    parser.add_argument("--device", default="cpu", help="torch device, cuda say")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    search = parser.add_argument_group("search (see SeparationOptions; unset: the defaults)")
    search.add_argument("--solver", choices=SOLVERS)
    search.add_argument("--n-iter", type=int)
    search.add_argument("--lr", type=float)
    search.add_argument("--precision", choices=PRECISIONS)
    search.add_argument("--prior-weight", type=float)
    search.add_argument("--space", choices=["latent", "data"])
    search.add_argument("--init-scale", type=float)
    search.add_argument("--frame-mask", action="store_true", default=None)
    search.add_argument("--wiener", action="store_true", default=None)
    search.add_argument("--no-wiener", dest="wiener", action="store_false")
    search.add_argument("--early-stop", type=float)
    search.add_argument("--stereo", choices=["auto", "mid", "channels"])
    search.add_argument("--chunk", type=float, help="seconds")
    search.add_argument("--overlap", type=float, help="seconds")
    search.add_argument("--seed", type=int)


def run(args):
    """Separates every file; a file that fails is reported and the others go on."""
    from ..options import OPTION_NAMES
    from .models import load_separator

    options = {n: getattr(args, n) for n in OPTION_NAMES if getattr(args, n, None) is not None}
    folders = output_folders(args.files, args.output)
    separator = load_separator(args.priors, args.residual).to(args.device)
    if args.sources:
        separator = separator.subset(args.sources)
    # Bad options are one mistake, not one a file.
    separator.options.updated(options)
    return separate_files(separator, folders, args, clip=args.clip, suffix=args.suffix, **options)


def separate_files(model, folders, args, **options):
    """Separates every file of ``args.files``; one that fails is reported, the others go on.

    Args:
        model (Separator): A separator or a baseline.
        folders (Sequence[Path]): The folder of each file's stems.
        args (argparse.Namespace): Reads files, overwrite, subtype, quiet and parser.
        **options: Further arguments of ``model.file_separate``.

    Returns:
        dict: The answer of the command.
    """
    from .errors import explain

    done, failed = {}, {}
    for path, folder in zip(args.files, folders):
        try:
            written = model.file_separate(
                path,
                folder,
                force_overwrite=args.overwrite,
                subtype=args.subtype,
                progress=not args.quiet,
                **options,
            )
        except Exception as error:  # noqa: BLE001 - one file must not end the batch
            if len(args.files) == 1 or args.debug:
                raise
            failed[str(path)] = explain(error, args.parser)
        else:
            done[str(path)] = {name: str(out) for name, out in written.items()}
    return {"files": done, "failed": failed, "exit_code": 1 if failed else 0}


def describe(answer):
    """Lists what was written and what failed."""
    lines = [str(path) for files in answer["files"].values() for path in files.values()]
    lines += [f"failed: {path}: {why}" for path, why in answer["failed"].items()]
    return "\n".join(lines)


def output_folders(files, output):
    """Returns a folder in ``output`` for each file, named by it; by its folder for mixture.wav."""
    from ..utils.checks import path_inside

    names = [path.parent.resolve().name if path.stem == "mixture" else path.stem for path in files]
    names = [name.removesuffix(".stem") for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"files must differ in their names, which name the folders of output; "
            f"got {', '.join(twice)} more than once"
        )
    for path, name in zip(files, names):
        if name in ("", ".", ".."):
            raise ValueError(f"{path} names no folder for its stems: its name is all dots")
    return [path_inside(output, name) for name in names]
