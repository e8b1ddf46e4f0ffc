"""Slakh2100: rendered MIDI songs, summed up to the sub-mixes bass, drums, guitar and piano.

    <root>/{train,validation,test}/Track00001/{metadata.yaml, mix.flac, stems/S00.flac, ...}

Copies at other rates (44.1, 22.05 or 16 kHz) and as WAV are read, too, and folders without splits
such as BabySlakh's. A sub-mix is the plain sum of its stems, as the mixture is of all; a song
without a guitar has no guitar track. Stems that are listed and not there are counted.

References
    - [1] : "Cutting Music Source Separation Some Slakh", Manilow et al. 2019.
      https://doi.org/10.5281/zenodo.4599666
"""

import json
from pathlib import Path
from typing import Any

import yaml

from ...utils.checks import check_one_of
from .download import Archive
from .prepare import SPLITS, Part, Track

SOURCES = ("bass", "drums", "guitar", "piano")
RESIDUAL = "residual"
# The field's grouping ("band" in the authors' tools): General MIDI programs, 128 for drum kits.
GROUPS: dict[str, dict[str, Any]] = {
    "program_num": {
        "bass": range(32, 40),
        "drums": (128,),
        "guitar": range(24, 32),
        "piano": range(8),
    },
    "inst_class": {name: (name.title(),) for name in SOURCES},
}
MIXTURES = ("submix", "full")
_SUFFIXES = (".flac", ".wav")
ARCHIVES = {
    "redux": Archive(
        "https://zenodo.org/records/4599666/files/slakh2100_flac_redux.tar.gz",
        size=104_322_767_708,
        checksum="md5:f4b71b6c45ac9b506f59788456b3f0c4",
        unpacked_size=106_000_000_000,
        access="It is free (CC BY 4.0): see https://zenodo.org/records/4599666.",
    ),
    "baby": Archive(
        "https://zenodo.org/records/4603870/files/babyslakh_16k.tar.gz",
        size=None,
        checksum="md5:311096dc2bde7d61c97e930edbfc7f78",
        unpacked_size=2_000_000_000,
        access="It is free (CC BY 4.0): see https://zenodo.org/records/4603870.",
    ),
}


def slakh_tracks(
    root: str | Path,
    mixing_key: str = "program_num",
    mixture: str = "submix",
    split_file: str | Path | None = None,
) -> list[Track]:
    """Lists the tracks of Slakh2100 with their sub-mixes.

    Args:
        root (str | Path): Folder with ``train/``, ``validation/`` and ``test/`` (``omitted/`` is
            left out), or with the tracks themselves: then the last tenth is for testing, the tenth
            before it for validation.
        mixing_key (str): Entry of a stem's metadata that says what it is: ``"program_num"`` or
            ``"inst_class"``.
        mixture (str): ``"submix"``: the mixture is the sum of the four sub-mixes, as in the paper;
            ``"full"``: of all stems.
        split_file (str | Path, optional): ``redux.json`` or ``splits_v2.json`` of the authors'
            slakh-utils, to follow those splits wherever the tracks lie.

    Returns:
        list of Track: With the sources in ``SOURCES`` and ``"residual"``, the sum of all others, as
        far as a track has them.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no track in it, or an option is unknown.

    Examples:
        .. code-block:: python

            tracks = slakh_tracks("slakh2100_flac_redux")
    """
    root = Path(root)
    check_one_of("mixing_key", mixing_key, GROUPS)
    check_one_of("mixture", mixture, MIXTURES)
    if not root.is_dir():
        raise FileNotFoundError(f"root must be the folder of Slakh2100, there is none at {root}")
    groups = {value: name for name, values in GROUPS[mixing_key].items() for value in values}
    found = []
    for folder, split in _folders(root, split_file):
        track = _track(folder, split, mixing_key, groups, mixture)
        if track.mixture:
            found.append(track)
    if not found:
        raise ValueError(
            f"root must hold train/, validation/ and test/ with Track*/metadata.yaml, got {root}"
        )
    return found


def _folders(root: Path, split_file: str | Path | None) -> list[tuple[Path, str]]:
    # Folder and split of every track that has metadata.
    by_split = [(path.parent, path.parts[-3]) for path in sorted(root.glob("*/*/metadata.yaml"))]
    if split_file is not None:
        splits = json.loads(Path(split_file).read_text(encoding="utf-8"))
        moved = [(folder, _new_split(folder, splits)) for folder, _ in by_split]
        return [(folder, split) for folder, split in moved if split in SPLITS]
    by_split = [(folder, split) for folder, split in by_split if split in SPLITS]
    if by_split:
        return by_split
    folders = [path.parent for path in sorted(root.glob("*/metadata.yaml"))]
    n_test = max(1, len(folders) // 10)
    splits = ["train"] * max(0, len(folders) - 2 * n_test)
    splits += ["validation"] * n_test + ["test"] * n_test
    return list(zip(folders, splits))


def _new_split(folder: Path, splits: dict[str, dict]) -> str:
    entry = splits.get(folder.name)
    if entry is None:
        raise ValueError(f"split_file must know every track, it has no {folder.name}")
    if not entry["action"]:
        return entry["source_split"]
    return entry["destination_split"] if entry["action"] == "move" else "omitted"


def _track(
    folder: Path, split: str, mixing_key: str, groups: dict[Any, str], mixture: str
) -> Track:
    metadata = yaml.load((folder / "metadata.yaml").read_bytes(), _LOADER)
    audio = folder / metadata.get("audio_dir", "stems")
    found: dict[str, list[Part]] = {}
    missing = []
    for name, entry in sorted(metadata["stems"].items()):
        paths = [audio / f"{name}{suffix}" for suffix in _SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            # Some were never rendered, and are not in the mixture either.
            missing += [name] * bool(entry.get("audio_rendered", True))
            continue
        group = "drums" if entry.get("is_drum") else groups.get(entry[mixing_key], RESIDUAL)
        found.setdefault(group, []).append(Part(path))
    names = SOURCES if mixture == "submix" else (*SOURCES, RESIDUAL)
    parts = tuple(part for name in names for part in found.get(name, ()))
    stems = {name: tuple(group) for name, group in found.items()}
    return Track(folder.name, split, stems, parts, tuple(missing))


# Three thousand files: libyaml reads them ten times faster, where it is there.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
