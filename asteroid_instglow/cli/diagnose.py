"""``instglow diagnose``: likelihoods of stems and of estimates, and how the search ended."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .models import add_priors_argument

if TYPE_CHECKING:
    import torch

HELP = "show how likely each true stem is under each prior, and why the search stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options; those of the search are named as in SeparationOptions."""
    from ..options import PRECISIONS, SOLVERS

    parser.add_argument(
        "songs",
        nargs="+",
        type=Path,
        metavar="FILE|SONG_DIR",
        help="mixture, or folder of a song's stems (with a mixture, else their sum is used)",
    )
    add_priors_argument(parser, "minislakh")
    parser.add_argument(
        "--references", type=Path, metavar="DIR", help="<references>/<song>/<source>.wav"
    )
    parser.add_argument("--seconds", type=float, help="only the first seconds of each song")
    parser.add_argument("--solver", choices=SOLVERS)
    parser.add_argument("--n-iter", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--precision", choices=PRECISIONS)
    parser.add_argument("--early-stop", type=float)
    parser.add_argument("--seed", type=int)


def run(args: argparse.Namespace) -> dict:
    """Diagnoses each song and averages the results."""
    from ..audio.naming import song_folder
    from ..diagnosis import diagnose, summarise
    from ..options import OPTION_NAMES
    from .models import load_separator

    options = {n: getattr(args, n) for n in OPTION_NAMES if getattr(args, n, None) is not None}
    if args.seconds is not None and not args.seconds > 0:
        raise ValueError(f"seconds must be above 0, got {args.seconds}")
    names = [song_folder(path, Path())[1] for path in args.songs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"songs must differ in their names, got {', '.join(twice)} twice")
    separator = load_separator(args.priors)
    separator.options.updated(options)
    songs = {}
    for name, path in zip(names, args.songs):
        mixture, stems = _load(path, name, args.references, separator.sample_rate, args.seconds)
        songs[name] = diagnose(separator, mixture, stems, **options)
    return {"songs": songs, **summarise(list(songs.values()))}


def describe(answer: dict) -> str:
    """Formats tables of likelihoods, and one line per search."""
    priors = list(answer["estimates"])
    lines = ["NLL (nats per dimension) of each true stem under each prior; * is the likeliest"]
    if answer["stems"]:
        lines.append(_row("stem", priors))
        for stem, row in answer["stems"].items():
            best = min(row, key=row.get)
            cells = [f"{row[name]:.3f}{'*' if name == best else ' '}" for name in priors]
            lines.append(_row(stem, cells))
        right, known = answer["told_apart"]
        lines.append(f"the right prior is the likeliest for {right} of {known} stems")
    else:
        lines.append("no true stems: pass --references, or folders of stems")
    lines += ["", "NLL of the estimates, and the gap to the true stems (below 0: likelier)"]
    lines.append(_row("", priors))
    lines.append(_row("estimate", [f"{value:.3f} " for value in answer["estimates"].values()]))
    gaps = [f"{answer['gap'][n]:+.3f} " if n in answer["gap"] else "- " for n in priors]
    lines += [_row("gap", gaps), "", "where the search stopped, and why"]
    for song, result in answer["songs"].items():
        for i, piece in enumerate(result["search"]):
            name = song if len(result["search"]) == 1 else f"{song}, piece {i + 1}"
            losses = [piece["first_loss"], piece["last_loss"]]
            path = " -> ".join("none" if loss is None else f"{loss:.4g}" for loss in losses)
            end = f"iteration {piece['iterations']}, {piece['stopped']}"
            lines.append(f"{name}: {end}, loss {path}")
        if not result["search"]:
            lines.append(f"{song}: no search")
    return "\n".join(lines)


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:<16}" + "".join(f"{cell:>12}" for cell in cells)


def _load(
    path: Path, name: str, references: Path | None, sample_rate: float, seconds: float | None
) -> tuple["torch.Tensor", dict[str, "torch.Tensor"]]:
    # Mixture (time,), and stems by name.
    from ..audio.chunks import fit_length
    from ..audio.io import audio_info, load_audio
    from ..evaluation.layout import MIXTURE_NAMES, list_audio

    def read(file: Path) -> "torch.Tensor":
        info = audio_info(file)
        whole = seconds is None or seconds >= info.seconds
        frames = None if whole else round((seconds or 0) * sample_rate)
        return load_audio(file, int(sample_rate), frames=frames)[0].mean(0)

    folder = references / name if references else path if path.is_dir() else None
    files = {}
    if folder is not None:
        if not folder.is_dir():
            raise FileNotFoundError(f"references must hold a folder {name}, there is no {folder}")
        files = {f.stem: f for f in list_audio(folder)}
    own = path if path.is_file() else next((files[n] for n in MIXTURE_NAMES if n in files), None)
    stems = {stem: read(file) for stem, file in files.items() if stem not in MIXTURE_NAMES}
    if own is None and not stems:
        raise ValueError(f"{path} must be an audio file or a folder with some, it is not")
    if own is not None:
        return read(own), stems
    length = max(len(wav) for wav in stems.values())
    mixture: Any = sum(fit_length(wav, length) for wav in stems.values())
    return mixture, stems
