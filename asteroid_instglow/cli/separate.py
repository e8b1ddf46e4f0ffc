"""``instglow separate``: separates files, into a file for each source."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .models import add_device_argument, add_priors_argument
from .songs import load_on_device, separate_songs

if TYPE_CHECKING:
    from ..separator import GenerativeSeparator

HELP = "separate files into their sources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="folder (default: beside each file)"
    )
    add_file_arguments(parser, output)
    add_model_arguments(parser)
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="write confidence.json and .png (if matplotlib is installed), too: the SDR to expect "
        "of each second",
    )
    parser.add_argument("--jobs", type=int, default=1, help="files at once, each in a process")
    add_separation_arguments(parser, output)


def add_file_arguments(parser: argparse.ArgumentParser, output: argparse._ActionsContainer) -> None:
    """Declares which files are separated, on which device, and what becomes of existing stems."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE|DIR|PATTERN",
        help="audio files, folders of them, or patterns such as 'music/**/*.mp3'",
    )
    add_device_argument(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    output.add_argument("--overwrite", action="store_true", help="replace existing files")
    output.add_argument(
        "--skip-existing", action="store_true", help="skip files whose stems are all there"
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares which priors separate, and which of their sources are written."""
    add_priors_argument(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--sources",
        nargs="+",
        metavar="NAME",
        help="write only these sources; auto: separate into those that play, the others are silent",
    )
    which.add_argument(
        "--two-stems", metavar="NAME", help="write this source, and all others as no_NAME"
    )
    parser.add_argument("--residual", action="store_true", help="add what no prior explains")


def add_separation_arguments(
    parser: argparse.ArgumentParser, output: argparse._ArgumentGroup
) -> None:
    """Declares how files are written, and the options of SeparationOptions by their names."""
    from ..options import ADAPT_STEPS, PRECISIONS, QUALITIES, SOLVERS, STEREO

    output.add_argument(
        "--name",
        metavar="TEMPLATE",
        help="of the files in OUT (default: {track}/{stem}), such as '{track} ({stem})'",
    )
    output.add_argument("--suffix", default=".wav", choices=[".wav", ".flac", ".ogg", ".mp3"])
    output.add_argument("--subtype", default="PCM_16", choices=["PCM_16", "PCM_24", "FLOAT"])
    output.add_argument(
        "--mp3-bitrate", type=int, metavar="KBIT", help="32 to 320; writes MP3 (default: variable)"
    )
    output.add_argument("--clip", default="rescale", choices=["rescale", "clamp", "none"])
    how = parser.add_argument_group("separation (see SeparationOptions; unset: the defaults)")
    how.add_argument("--solver", choices=SOLVERS)
    how.add_argument("--quality", choices=QUALITIES)
    how.add_argument(
        "--adapt",
        nargs="?",
        type=int,
        const=ADAPT_STEPS,
        metavar="STEPS",
        help="let the encoders learn the sounds of each file first: better, and slower by a minute "
        f"of one core (without a number: {ADAPT_STEPS} steps)",
    )
    how.add_argument("--no-retune", dest="retune", action="store_false", default=None)
    how.add_argument("--n-iter", type=int)
    how.add_argument("--lr", type=float)
    how.add_argument("--precision", choices=PRECISIONS)
    how.add_argument("--prior-weight", type=float)
    how.add_argument("--space", choices=["latent", "data"])
    how.add_argument("--init-scale", type=float)
    how.add_argument("--frame-mask", action="store_true", default=None)
    how.add_argument("--wiener", action="store_true", default=None)
    how.add_argument("--no-wiener", dest="wiener", action="store_false")
    how.add_argument("--early-stop", type=float)
    how.add_argument(
        "--stereo",
        choices=STEREO,
        help="spatial: use where each source stands between the channels",
    )
    how.add_argument("--chunk", type=float, help="seconds")
    how.add_argument("--overlap", type=float, help="seconds")
    how.add_argument("--seed", type=int)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Separates every file; a file that fails is reported and the others go on."""
    from ..audio.songs import find_songs
    from ..utils.checks import check_whole

    # Mistakes in the command are reported once, not for every file, and before the work begins.
    check_whole("jobs", args.jobs, 1)
    options = read_separation_options(args)
    songs = find_songs(args.files, args.output)
    model = (args.priors, args.residual, args.device)
    separator = load_on_device(*model)
    check_options(separator, options)
    return separate_songs(separator, songs, args, model, **options)


def read_separation_options(args: argparse.Namespace) -> dict[str, Any]:
    """Reads the options of ``file_separate``, checked as far as they can be without a model."""
    from ..audio.naming import TEMPLATE, check_template
    from ..audio.writing import check_bitrate, check_suffix
    from ..options import OPTION_NAMES
    from ..separator import RESIDUAL
    from ..uncertainty.files import drawable

    if args.mp3_bitrate is not None and args.suffix == ".wav":
        args.suffix = ".mp3"
    check_suffix(args.suffix, args.subtype)
    check_bitrate(args.suffix, args.mp3_bitrate)
    check_template(args.name or TEMPLATE)
    if args.sources == ["auto"]:
        args.sources = "auto"
    elif args.sources and args.residual:
        args.sources = [*dict.fromkeys([*args.sources, RESIDUAL])]
    writing = {
        "suffix": args.suffix,
        "subtype": args.subtype,
        "clip": args.clip,
        "mp3_bitrate": args.mp3_bitrate,
        "name": args.name or TEMPLATE,
        "sources": args.sources,
        "two_stems": args.two_stems,
        "confidence": getattr(args, "confidence", False) and drawable(),
    }
    own = {n: getattr(args, n) for n in OPTION_NAMES if getattr(args, n, None) is not None}
    return {**writing, **own}


def check_options(separator: "GenerativeSeparator", options: dict[str, Any]) -> None:
    """Refuses options of a separation that a separator cannot follow."""
    from ..options import OPTION_NAMES

    own = {name: value for name, value in options.items() if name in OPTION_NAMES}
    separator.resolved(separator.options.updated(own))


def describe(answer: dict[str, Any]) -> str:
    """Lists what was written, what was skipped and what failed."""
    lines = [str(path) for files in answer["files"].values() for path in files.values()]
    lines += [f"skipped, all stems are there: {path}" for path in answer["skipped"]]
    lines += [f"failed: {path}: {why}" for path, why in answer["failed"].items()]
    return "\n".join(lines)
