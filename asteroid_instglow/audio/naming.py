"""Names the files of a song's stems by a template, for the command and for Python."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..utils.checks import path_inside

TEMPLATE = "{track}/{stem}"
_FIELDS = ("{track}", "{stem}", "{ext}")


def song_folder(
    path: str | Path, output_dir: str | Path | None = None, track: str | None = None
) -> tuple[Path, str]:
    """Returns where the stems of a song go, and the song's name.

    Args:
        path (str | Path): The audio file.
        output_dir (str | Path, optional): Folder of all songs; by default that of the file.
        track (str, optional): Name of the song; by default that of its file without the suffix, and
            in ``output_dir`` that of its folder if the file is called ``mixture``.

    Returns:
        tuple: The folder of all songs, and the name.

    Raises:
        ValueError: If nothing but dots is left of the name.

    Examples:
        >>> song_folder("Track1/mixture.wav", "out")[1], song_folder("a.stem.mp4")[1]
        ('Track1', 'a')
    """
    path = Path(path)
    if track is None:
        is_named_by_folder = path.stem == "mixture" and output_dir is not None
        track = path.absolute().parent.name if is_named_by_folder else path.stem
        track = track.removesuffix(".stem")
    if track in ("", ".", ".."):
        raise ValueError(f"{path} names no folder for its stems: its name is all dots")
    return path.parent if output_dir is None else Path(output_dir), track


def stem_paths(
    folder: str | Path,
    track: str,
    sources: Sequence[str],
    suffix: str = ".wav",
    name: str = TEMPLATE,
) -> dict[str, Path]:
    """Returns the file of each stem of a song.

    Args:
        folder (str | Path): Output folder.
        track (str): Name of the song; "/" separates folders.
        sources (Sequence[str]): Names of the stems.
        suffix (str): Suffix of the files, such as ".wav".
        name (str): Template of a path in ``folder``: ``{track}`` and ``{stem}`` are replaced.
            ``.{ext}`` at its end is the suffix, which is appended anyway.

    Returns:
        dict[str, Path]: Name of each stem to its file.

    Raises:
        ValueError: If the template lacks ``{stem}``, has another field, or leads out of ``folder``.

    Examples:
        >>> stem_paths("out", "song", ["bass"], ".flac", "{track} ({stem})")["bass"].as_posix()
        'out/song (bass).flac'
    """
    check_template(name)
    paths = {}
    for source in sources:
        values = {"{track}": track, "{stem}": source}
        # In one pass: a song may be called "{stem}".
        parts = re.split(r"(\{track\}|\{stem\})", _body(name))
        text = "".join(values.get(part, part) for part in parts)
        path = Path(folder)
        for part in f"{text}{suffix}".split("/"):
            path = path_inside(path, part)
        paths[source] = path
    if len(set(paths.values())) < len(paths):
        raise ValueError(f"name gives two stems one file: {name!r}")
    return paths


def check_template(name: str) -> None:
    """Refuses a template that :func:`stem_paths` cannot fill in."""
    unknown = sorted(set(re.findall(r"\{[^{}]*\}", name)) - set(_FIELDS))
    if unknown:
        raise ValueError(f"name has the unknown field {unknown[0]}: use {', '.join(_FIELDS)}")
    body = _body(name)
    if "{stem}" not in body or "{ext}" in body:
        raise ValueError(
            f"name must contain {{stem}}, and {{ext}} only at its end as .{{ext}}, got {name!r}"
        )
    is_file = body[0] != "/" and body[-1] != "/" and "//" not in body
    if {"", ".", ".."} & set(PurePosixPath(body).parts) or not is_file:
        raise ValueError(f"name must be a path inside the output folder, got {name!r}")


def output_names(
    sources: Sequence[str], wanted: Sequence[str] | str | None = None, two_stems: str | None = None
) -> dict[str, list[int]]:
    """Returns which sources each output is the sum of.

    Args:
        sources (Sequence[str]): Sources of the separator.
        wanted (Sequence[str] | str, optional): Only these, in this order; "auto": all.
        two_stems (str, optional): This source, and the sum of the others as ``no_<source>``.

    Returns:
        dict[str, list[int]]: Name of each output to the indices of its sources.

    Raises:
        ValueError: If a name is no source, or both are given.

    Examples:
        >>> output_names(["bass", "drums", "vocals"], two_stems="vocals")
        {'vocals': [2], 'no_vocals': [0, 1]}
        >>> output_names(["bass", "drums"], "auto")
        {'bass': [0], 'drums': [1]}
    """
    sources = list(sources)
    wanted = None if wanted == "auto" else wanted
    if two_stems is not None and wanted is not None:
        raise ValueError("sources and two_stems exclude each other, got both")
    if two_stems is not None:
        _check_sources("two_stems", [two_stems], sources)
        index = sources.index(two_stems)
        rest = [i for i in range(len(sources)) if i != index]
        return {two_stems: [index]} | ({f"no_{two_stems}": rest} if rest else {})
    if wanted is not None:
        _check_sources("sources", wanted, sources)
    return {name: [sources.index(name)] for name in (sources if wanted is None else wanted)}


def _check_sources(option: str, names: Sequence[str], sources: Sequence[str]) -> None:
    if not names or set(names) - set(sources):
        raise ValueError(f"{option} must be out of {', '.join(sources)}, got {', '.join(names)}")


def _body(name: str) -> str:
    return name.removesuffix(".{ext}")
