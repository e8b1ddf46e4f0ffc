"""``instglow detect``: tells which sources play in a recording, and when."""

import argparse
from pathlib import Path
from typing import Any

from .models import add_device_argument, add_priors_argument

HELP = "tell which sources play in a recording, when, and whether the music is familiar"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    from ..options import QUALITIES

    parser.add_argument("file", type=Path, metavar="FILE", help="audio file of any format")
    add_priors_argument(parser)
    parser.add_argument("--quality", choices=QUALITIES)
    add_device_argument(parser)
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw who plays over time: .png or .svg"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Separates the file and tells who plays, see :class:`~.uncertainty.detection.Detection`."""
    from ..uncertainty.picture import draw_detection
    from ..utils.checks import check_one_of
    from ..utils.extras import check_installed
    from .songs import load_on_device

    if args.picture is not None:
        check_installed("matplotlib")
        check_one_of("suffix of picture", args.picture.suffix, (".png", ".svg"))
        if not args.picture.parent.is_dir():
            raise FileNotFoundError(f"the folder of {args.picture} does not exist")
    options = {} if args.quality is None else {"quality": args.quality}
    separator = load_on_device(args.priors, False, args.device)
    answer = separator.detect(args.file, progress=not args.quiet, **options).to_dict()
    if args.picture is not None:
        draw_detection(args.picture, answer)
    return answer


def describe(answer: dict[str, Any]) -> str:
    """Lists the sources, surest first, with the seconds in which they play."""
    from ..uncertainty.detection import PLAYS, UNFAMILIAR

    rows = sorted(answer["sources"].items(), key=lambda item: -item[1]["probability"])
    lines = []
    for name, found in rows:
        n = sum(p >= PLAYS for p in found["seconds"])
        seconds = f"{n} of {len(found['seconds'])} s"
        lines.append(f"{name:<12} {100 * found['probability']:5.1f} %   plays in {seconds}")
    lines.append(f"unexplained  {100 * answer['unexplained']:5.1f} % of the power")
    lines.append(f"familiar     {answer['familiar']:.3f}")
    if answer["familiar"] < UNFAMILIAR:
        lines.append("unlike the mixtures that the priors' encoders were tried on")
    return "\n".join(lines)
