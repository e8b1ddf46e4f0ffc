"""Which file is what: tracks and sources matched by name between two folders."""

import math
import unicodedata

from ..audio.io import AUDIO_SUFFIXES, audio_info

MIXTURE_NAMES = ("mixture", "mix")
MAX_LENGTH_DIFFERENCE = 0.1  # seconds


def _key(name):
    # One song, however the file system spells its accents (macOS decomposes them).
    return unicodedata.normalize("NFC", name).casefold()


def _by_key(folder, paths, name):
    """Dict of paths by key of their name; two with one name are refused."""
    found = {}
    for path in paths:
        other = found.setdefault(_key(name(path)), path)
        if other is not path:
            raise ValueError(
                f"{folder} must hold each name once (case does not count), "
                f"got {other.name} and {path.name}"
            )
    return found


def _audio_files(folder):
    """Audio files of a folder by key of their stem."""
    paths = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    audio = [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES]
    return _by_key(folder, audio, lambda path: path.stem)


def _track_folders(name, root):
    """Folders of tracks by key, and whether it is the root itself: it is where it holds audio."""
    if not root.is_dir():
        raise FileNotFoundError(f"{name} must be a folder, but there is none at {root}")
    if _audio_files(root):
        return {_key(root.resolve().name): root}, True
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()]
    shown = [path for path in folders if not path.name.startswith(".")]
    return _by_key(root, shown, lambda path: path.name), False


def _mixture_files(files):
    """The files whose sum is the mixture: itself, else the sources that overlap with no other."""
    for name in MIXTURE_NAMES:
        if name in files:
            return [files[name]]
    parts = {name for name in files if name != "accompaniment"}
    # Beside more than the vocals, the accompaniment is a sum of the others.
    return [files[name] for name in files if name in parts or not parts - {"vocals"}]


def find_tracks(references, estimates, sources, missing):
    """Matches what is there, as :func:`evaluate_folders` says.

    Args:
        references (Path): Folder.
        estimates (Path): Folder.
        sources (list[str], optional): The only ones to score.
        missing (str): ``"error"`` or ``"skip"``.

    Returns:
        list[dict]: Per track ``name`` (str), ``references`` (source to Path), ``estimates`` (source
        to Path or None) and ``mixture`` (list of Path, to be summed).

    Raises:
        FileNotFoundError: Nothing to score, or an estimate is not there and may not be missing.
        ValueError: Two files or folders have one name.
    """
    reference_folders, _ = _track_folders("references", references)
    estimate_folders, is_track = _track_folders("estimates", estimates)
    if is_track and len(reference_folders) == 1:
        estimate_folders = dict.fromkeys(reference_folders, estimates)
    # A source has one spelling in the report, whatever the files of each track are called.
    spelling = {_key(source): source for source in sources or ()}
    unseen = set(spelling)
    tracks, absent = [], []
    for key, folder in reference_folders.items():
        files = _audio_files(folder)
        mixture = _mixture_files(files)
        scored = [name for name in files if name not in MIXTURE_NAMES]
        if sources is not None:
            scored = [name for name in spelling if name in files]
            unseen -= set(scored)
        if not scored:
            continue
        name = folder.resolve().name
        found = _audio_files(estimate_folders[key]) if key in estimate_folders else {}
        spelled = {source: spelling.setdefault(source, files[source].stem) for source in scored}
        lacking = [f"{name}/{spelled[source]}" for source in scored if source not in found]
        absent += lacking if found else [f"{name} (the whole track)"]
        tracks.append(
            {
                "name": name,
                "references": {spelled[source]: files[source] for source in scored},
                "estimates": {spelled[source]: found.get(source) for source in scored},
                "mixture": mixture,
            }
        )
    if unseen or not tracks:
        what = ", ".join(spelling[source] for source in spelling if source in unseen)
        what = f"no reference of {what}" if what else "no audio"
        raise FileNotFoundError(f"references: {what} in {references} or the folders inside it")
    if absent and missing == "error":
        listed = ", ".join(absent[:10])
        listed += f" and {len(absent) - 10} more" if len(absent) > 10 else ""
        raise FileNotFoundError(
            f"estimates: nothing in {estimates} for {listed}; give sources to score fewer, "
            "or missing='skip' to count these and score the rest"
        )
    return tracks


def track_files(task):
    """All files that the scores of a track depend on, each once."""
    paths = [*task["references"].values(), *task["mixture"], *task["estimates"].values()]
    return list(dict.fromkeys(path for path in paths if path is not None))


def check_layout(task, mono):
    """What all files of a track are brought to; reads headers only.

    Args:
        task (dict): A track of :func:`find_tracks` with the ``settings`` of the evaluation.
        mono (bool): Whether channels are averaged, and so may differ in number.

    Returns:
        tuple: (sample rate in Hz, frames).

    Raises:
        ValueError: Lengths or numbers of channels differ.
    """
    settings = task["settings"]
    paths = track_files(task)
    infos = [audio_info(path) for path in paths]
    rate = int(settings["sample_rate"] or infos[0].sample_rate)
    limit = settings["seconds"] or math.inf
    lengths = [min(info.seconds, limit) for info in infos]
    if max(lengths) - min(lengths) >= MAX_LENGTH_DIFFERENCE:
        longest, shortest = (lengths.index(f(lengths)) for f in (max, min))
        raise ValueError(
            f"track {task['name']}: all files must have one length within "
            f"{MAX_LENGTH_DIFFERENCE} s, got {lengths[longest]:.2f} s in {paths[longest]} and "
            f"{lengths[shortest]:.2f} s in {paths[shortest]}"
        )
    channels = [info.channels for info in infos]
    if len(set(channels)) > 1 and not mono:
        other = next(i for i, n in enumerate(channels) if n != channels[0])
        raise ValueError(
            f"track {task['name']}: all files must have equally many channels (mono=True averages "
            f"them), got {channels[0]} in {paths[0]} and {channels[other]} in {paths[other]}"
        )
    # What resampling gives, in whole numbers: ceil(frames * rate / own rate).
    frames = min(-(-info.frames * rate // info.sample_rate) for info in infos)
    return rate, frames if limit == math.inf else min(frames, max(1, round(limit * rate)))
