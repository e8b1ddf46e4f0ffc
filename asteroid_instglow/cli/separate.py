"""``instglow separate``: separates files, into one file a source."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import explain

if TYPE_CHECKING:
    from ..adapter import Separator

HELP = "separate files into their sources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        "--skip-existing", action="store_true", help="skip files whose stems are all there"
    )
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


def run(args: argparse.Namespace) -> dict:
    """Separates every file; a file that fails is reported and the others go on."""
    from ..audio.writing import check_suffix
    from ..options import OPTION_NAMES
    from .models import load_separator

    options = {n: getattr(args, n) for n in OPTION_NAMES if getattr(args, n, None) is not None}
    # Mistakes in the command are one mistake, not one a file, and are found before the work.
    check_suffix(args.suffix, args.subtype)
    folders = output_folders(args.files, args.output)
    separator = load_separator(args.priors, args.residual).to(args.device)
    if args.sources:
        separator = separator.subset(args.sources)
    separator.resolved(separator.options.updated(options))
    return separate_files(separator, folders, args, clip=args.clip, suffix=args.suffix, **options)


def separate_files(
    separator: "Separator", folders: Sequence[Path], args: argparse.Namespace, **options
) -> dict:
    """Separates files into a folder each.

    Args:
        separator (Separator): Any model that separates files.
        folders (Sequence[Path]): Folder of the stems of each file.
        args (Namespace): With ``files``, ``overwrite``, ``skip_existing``, ``subtype``, ``quiet``,
            ``debug`` and ``parser``.
        **options: Of :meth:`~asteroid_instglow.adapter.Separator.file_separate`.

    Returns:
        dict: "files" (file to name of each source to its path), "skipped" (files), "failed" (file
        to the reason), "exit_code".
    """
    done, skipped, failed = {}, [], {}
    suffix = options.get("suffix", ".wav")
    for path, folder in zip(args.files, folders):
        stems = [folder / f"{name}{suffix}" for name in separator.sources]
        if args.skip_existing and all(stem.is_file() for stem in stems):
            skipped.append(str(path))
            continue
        try:
            written = separator.file_separate(
                path,
                folder,
                force_overwrite=args.overwrite,
                subtype=args.subtype,
                progress=not args.quiet,
                **options,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the other files go on
            if len(args.files) == 1 or args.debug:
                raise
            failed[str(path)] = explain(error, args.parser)
        else:
            done[str(path)] = {name: str(out) for name, out in written.items()}
    code = 1 if failed else 0
    return {"files": done, "skipped": skipped, "failed": failed, "exit_code": code}


def describe(answer: dict) -> str:
    """Lists what was written, what was skipped and what failed."""
    lines = [str(path) for files in answer["files"].values() for path in files.values()]
    lines += [f"skipped, all stems are there: {path}" for path in answer["skipped"]]
    lines += [f"failed: {path}: {why}" for path, why in answer["failed"].items()]
    return "\n".join(lines)


def output_folders(files: Sequence[Path], output: Path) -> list[Path]:
    """Returns a folder in ``output`` for each file, named like it.

    A file named ``mixture`` gives its folder the name of the folder that it is in.

    Examples:
        >>> [f.name for f in output_folders([Path("a.wav"), Path("b/mixture.wav")], Path("x"))]
        ['a', 'b']
    """
    from ..utils.checks import path_inside

    output = Path(output)
    if output.exists() and not output.is_dir():
        raise ValueError(f"output must be a folder, got the file {output}")
    names = [path.parent.resolve().name if path.stem == "mixture" else path.stem for path in files]
    names = [name.removesuffix(".stem") for name in names]
    for path, name in zip(files, names):
        if name in ("", ".", ".."):
            raise ValueError(f"{path} names no folder for its stems: its name is all dots")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"files must differ in their names, which name the folders of output; "
            f"got {', '.join(twice)} more than once"
        )
    return [path_inside(output, name) for name in names]
