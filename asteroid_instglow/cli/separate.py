"""``instglow separate``: separates files, into a file for each source."""

import argparse
import contextlib
import functools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import explain
from .models import add_device_argument, add_priors_argument

if TYPE_CHECKING:
    from ..adapter import Separator
    from ..audio.songs import Song
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
    from ..options import PRECISIONS, QUALITIES, SOLVERS, STEREO

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


def separate_songs(
    separator: "Separator",
    songs: Sequence["Song"],
    args: argparse.Namespace,
    model: tuple | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Separates songs.

    Args:
        separator (Separator): Any model that separates files.
        songs (Sequence[Song]): From :func:`~asteroid_instglow.audio.songs.find_songs`.
        args (Namespace): With ``overwrite``, ``skip_existing``, ``quiet``, ``debug``, ``parser``.
        model (tuple, optional): Arguments of :func:`load_on_device` that load ``separator`` in
            other processes, for ``args.jobs`` of them.
        **options: Of :meth:`~asteroid_instglow.adapter.Separator.file_separate`.

    Returns:
        dict: "files" (file to name of each stem to its path), "skipped" (files), "failed" (file to
        the reason), "exit_code".
    """
    from ..audio.placing import finish_interrupted

    done: dict[str, Any] = {}
    failed: dict[str, str] = {}
    skipped = []
    todo = []
    for song, stems in zip(songs, _planned(separator, songs, options)):
        # If a killed process had begun to put the stems in place, this finishes it; they may then
        # all be there. An error here is raised again when the song is separated.
        with contextlib.suppress(OSError):
            finish_interrupted(song.folder / song.track, stems)
        if args.skip_existing and all(path.is_file() for path in stems):
            skipped.append(str(song.path))
        else:
            todo.append(song)
    options["force_overwrite"] = args.overwrite
    for song, written, error in _separate_all(separator, todo, args, model, options):
        if error is None:
            done[str(song.path)] = {name: str(out) for name, out in written.items()}
        elif len(songs) == 1 or args.debug:
            raise error
        else:
            failed[str(song.path)] = explain(error, args.parser)
    code = 1 if failed else 0
    return {"files": done, "skipped": skipped, "failed": failed, "exit_code": code}


def describe(answer: dict[str, Any]) -> str:
    """Lists what was written, what was skipped and what failed."""
    lines = [str(path) for files in answer["files"].values() for path in files.values()]
    lines += [f"skipped, all stems are there: {path}" for path in answer["skipped"]]
    lines += [f"failed: {path}: {why}" for path, why in answer["failed"].items()]
    return "\n".join(lines)


def load_on_device(
    priors: Sequence[str], residual: bool = False, device: str = "auto"
) -> "GenerativeSeparator":
    """Builds the separator of ``--priors`` and ``--residual`` on the device of ``--device``."""
    from ..utils.devices import pick_device
    from .models import load_separator

    place = pick_device(device)
    return load_separator(priors, residual).to(place)


def _planned(
    separator: Any, songs: Sequence["Song"], options: dict[str, Any]
) -> list[Collection[Path]]:
    # The files of each song; no two songs may share one.
    from ..audio.naming import TEMPLATE, output_names, stem_paths

    suffix, name = options.get("suffix", ".wav"), options.get("name", TEMPLATE)
    outputs = output_names(separator.sources, options.get("sources"), options.get("two_stems"))
    plan: list[Collection[Path]] = []
    owners: dict[Path, Path] = {}
    for song in songs:
        paths = stem_paths(song.folder, song.track, list(outputs), suffix, name).values()
        plan.append(paths)
        for path in paths:
            if path in owners:
                raise ValueError(
                    f"name must give each song files of its own: {owners[path]} and {song.path} "
                    f"would both be written to {path}"
                )
            owners[path] = song.path
    return plan


def _separate_all(
    separator: Any,
    songs: Sequence["Song"],
    args: argparse.Namespace,
    model: Any,
    options: dict[str, Any],
) -> Iterator[tuple[Any, Any, Any]]:
    # Yields the song, its stems and None, or the song, None and the error.
    jobs = getattr(args, "jobs", 1)
    if model is None or jobs == 1 or len(songs) < 2:
        for song in songs:
            yield song, *_separate_one(separator, song, {**options, "progress": not args.quiet})
        return
    from ..utils.parallel import run_parallel

    model = (tuple(model[0]), *model[1:])
    tasks = [(model, song, options) for song in songs]
    name = None if args.quiet else "separating"
    for number, (written, why) in run_parallel(_separate_elsewhere, tasks, jobs, name, "file"):
        yield songs[number], written, why and RuntimeError(why)


def _separate_one(separator: Any, song: "Song", options: dict[str, Any]) -> Any:
    try:
        written = separator.file_separate(song.path, song.folder, track=song.track, **options)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other files go on
        return None, error
    return written, None


_load_once = functools.cache(load_on_device)


def _separate_elsewhere(model: Any, song: "Song", options: dict[str, Any]) -> Any:
    # In another process; not every error can be sent from there, but its text can.
    written, error = _separate_one(_load_once(*model), song, options)
    return written, error and explain(error)
