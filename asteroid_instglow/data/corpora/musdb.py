"""MUSDB18 and MUSDB18-HQ, as the ``musdb`` package reads them.

    <root>/{train,test}/<track>.stem.mp4                                    MUSDB18
    <root>/{train,test}/<track>/{mixture,vocals,drums,bass,other}.wav       MUSDB18-HQ

The 14 validation tracks are those that the package names; they are taken out of the training set.

References
    - [1] : "MUSDB18 - a corpus for music separation", Rafii et al. 2017.
      https://doi.org/10.5281/zenodo.1117372
    - [2] : "MUSDB18-HQ - an uncompressed version of MUSDB18", Rafii et al. 2019.
      https://doi.org/10.5281/zenodo.3338373
"""

from pathlib import Path
from typing import Any

from .download import Archive
from .prepare import Part, Track

SOURCES = ("vocals", "bass", "drums", "other", "accompaniment")
_SPLITS = (("train", "train", "train"), ("validation", "train", "valid"), ("test", "test", None))
_ACCESS = (
    "Open {page} in a browser, log in, ask for access if the page says so (the tracks are for "
    "research and education only), download {name} there, put it into the folder and run this "
    "stage again: what is there is checked and unpacked."
)
_STEMS_PAGE, _HQ_PAGE = "https://zenodo.org/records/1117372", "https://zenodo.org/records/3338373"
ARCHIVES = {
    "7s": Archive(
        "https://github.com/sigsep/sigsep-mus-db/releases/download/v0.4.0/MUSDB18-7-STEMS.zip",
        size=147_209_385,
        checksum="md5:dc2bdfac5b46ce742bd60009866758a5",
        unpacked_size=150_000_000,
        access="The same file is at https://zenodo.org/records/3270814.",
    ),
    "musdb18": Archive(
        f"{_STEMS_PAGE}/files/musdb18.zip",
        size=4_684_228_845,
        checksum="md5:af06762477334799bfc5abf237648207",
        unpacked_size=4_800_000_000,
        access=_ACCESS.format(page=_STEMS_PAGE, name="musdb18.zip"),
    ),
    "musdb18hq": Archive(
        f"{_HQ_PAGE}/files/musdb18hq.zip",
        size=None,
        checksum="sha256:baac80d0483c61d74b2e5f3be75fa557eec52898339e6aa45c1fa48833c5d21d",
        unpacked_size=31_000_000_000,
        access=_ACCESS.format(page=_HQ_PAGE, name="musdb18hq.zip"),
    ),
}


def musdb_tracks(root: str | Path) -> list[Track]:
    """Lists the tracks of MUSDB18, whichever of its two formats is there.

    Args:
        root (str | Path): Folder with ``train/`` and ``test/``.

    Returns:
        list of Track: With the sources in ``SOURCES`` as far as the track has them; the
        accompaniment is the sum of the other three, and missing where one of them is.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no track in it, or a file that ffmpeg cannot read.
        RuntimeError: If the ``ffmpeg`` command is not there.

    Examples:
        .. code-block:: python

            tracks = musdb_tracks("musdb18hq")
            len([track for track in tracks if track.split == "validation"])
            # 14
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"root must be the folder of MUSDB18, there is none at {root}")
    is_wav = _is_wav(root)
    import ffmpeg
    import musdb  # looks for the ffmpeg command as soon as it is imported

    found = []
    for split, subset, part in _SPLITS:
        try:
            tracks = musdb.DB(str(root), is_wav=is_wav, subsets=subset, split=part).tracks
        except ffmpeg.Error as error:
            reason = error.stderr.decode(errors="replace").strip().splitlines()[-1]
            raise ValueError(f"root {root} holds a file that is no audio: {reason}") from error
        found += [_track(track, split) for track in tracks if track.sources]
    return found


def _is_wav(root: Path) -> bool:
    subsets = [root / subset for subset in ("train", "test")]
    if any(path for subset in subsets for path in subset.glob("*/*.wav")):
        return True
    if any(path for subset in subsets for path in subset.glob("*.stem.mp4")):
        return False
    inside = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
    raise ValueError(
        f"root must hold train/ and test/ with <track>.stem.mp4 or <track>/*.wav, got {inside} in "
        f"{root}"
    )


def _track(track: Any, split: str) -> Track:
    stems, missing = {}, []
    for source in SOURCES:
        wanted = ("bass", "drums", "other") if source == "accompaniment" else (source,)
        parts = [_part(track, track.sources.get(name)) for name in wanted]
        if None in parts:
            missing.append(source)
        else:
            stems[source] = tuple(parts)
    mixture = [_part(track, track)]
    if mixture == [None]:
        missing.append("mixture")
        mixture = [part for name in SOURCES[:4] for part in stems.get(name, ())]
    return Track(track.name, split, stems, tuple(mixture), tuple(missing))


def _part(track: Any, source: Any) -> Part | None:
    # A MultiTrack is its own mixture; a file has one stream, a stem.mp4 one for each stem.
    if source is None or not Path(source.path).is_file():
        return None
    if track.is_wav:
        return Part(Path(source.path))
    if source.stem_id >= track.info.nb_audio_streams:
        return None
    return Part(Path(source.path), source.stem_id)
