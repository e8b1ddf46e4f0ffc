"""One track of a data set, as a worker prepares it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...audio.chunks import fit_length
from ...audio.io import load_audio, resample, save_audio
from ...utils.files import scratch_folder
from .silence import audible_spans, cut_pieces

TEST_FORMATS = ("native", "mono")


def prepare_track(key: tuple[str, str], track: Any, output: Path, settings: dict) -> dict:
    """Writes the files of one track, and replaces existing ones.

    Args:
        key (tuple): (split, track).
        track (Track): The track.
        output (Path): Folder of the prepared data set.
        settings (dict): Those of :func:`~asteroid_instglow.data.corpora.prepare.prepare`.

    Returns:
        dict: "files" (name below ``output`` to size in bytes), "pieces" and "seconds" of each
        source, and the names of its sources that are "missing", "silent" or "padded".

    Raises:
        ValueError: If a file cannot be read or has a lower sample rate than is wanted.
    """
    load = _Loader()
    made: dict[str, Any] = {
        "files": {},
        "pieces": {},
        "seconds": {},
        "missing": list(track.missing),
    }
    made |= {"silent": [], "padded": []}
    stems = {name: track.stems[name] for name in settings["sources"] if track.stems.get(name)}
    write = _write_test if key[0] == "test" else _write_pieces
    output.mkdir(parents=True, exist_ok=True)
    with scratch_folder(output, ".preparing-") as stage:
        folders = write(stage, key, stems, track.mixture, load, settings, made)
        for folder in folders:
            os.chmod(stage / folder, 0o755)
            target = output / folder
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(stage / folder, target)
            for path in sorted(target.iterdir()):
                made["files"][path.relative_to(output).as_posix()] = path.stat().st_size
    return made


def save_stem(
    folder: Path, name: str, wav: torch.Tensor, sample_rate: int, subtype: str = "PCM_16"
) -> Path:
    """Writes a stem without loss of level: FLAC, or floating-point WAV where it exceeds full scale.

    Args:
        folder (Path): Folder of the file.
        name (str): Name without a suffix.
        wav (torch.Tensor): (channels, time).
        sample_rate (int): Sample rate in Hz.
        subtype (str): Kind of FLAC, ``"PCM_16"`` or ``"PCM_24"``.

    Returns:
        Path: The file.
    """
    over = float(wav.abs().max()) > 1
    path = folder / f"{name}{'.wav' if over else '.flac'}"
    save_audio(path, wav, sample_rate, "FLOAT" if over else subtype, clip="none")
    return path


def _write_pieces(
    stage: Path,
    key: tuple[str, str],
    stems: dict[str, Any],
    mixture: Any,
    load: "_Loader",
    settings: dict[str, Any],
    made: dict[str, Any],
) -> list[Path]:
    rate, folders = settings["sample_rate"], []
    for source, parts in stems.items():
        wav, own_rate = load.sum(parts)
        wav = resample(wav.mean(0), _check_rate(own_rate, rate, parts), rate)
        # One factor for the track, so that its pieces keep their levels.
        wav = wav / wav.abs().max().clamp_min(1.0)
        spans = audible_spans(wav.numpy(), rate, settings["silence_db"], settings["max_pause"])
        if not spans:
            made["silent"].append(source)
        pieces = cut_pieces(spans, rate, settings["piece_seconds"], settings["min_seconds"])
        made["pieces"][source] = len(pieces)
        made["seconds"][source] = round(sum(stop - start for start, stop in pieces) / rate, 3)
        if pieces:
            folders.append(Path(key[0], source, key[1]))
            folder = stage / folders[-1]
            folder.mkdir(parents=True)
            for i, (start, stop) in enumerate(pieces, 1):
                save_audio(folder / f"{i:03d}.flac", wav[start:stop], rate, clip="none")
    return folders


def _write_test(
    stage: Path,
    key: tuple[str, str],
    stems: dict[str, Any],
    mixture: Any,
    load: "_Loader",
    settings: dict[str, Any],
    made: dict[str, Any],
) -> list[Path]:
    mix, rate = load.sum(mixture)
    folder = stage / Path(*key)
    folder.mkdir(parents=True)
    for source, parts in {"mixture": mixture, **stems}.items():
        wav = mix
        if source != "mixture":
            wav = load.sum(parts)[0]
            if wav.shape[-1] < mix.shape[-1]:
                made["padded"].append(source)
            # Decoders add some samples at the end, and stems may be shorter than the mixture.
            wav = fit_length(wav, mix.shape[-1]).expand(max(len(wav), len(mix)), -1)
            if not wav.any():
                made["silent"].append(source)
            made["seconds"][source] = round(mix.shape[-1] / rate, 3)
        own_rate = rate
        if settings["test_format"] == "mono":
            own_rate = settings["sample_rate"]
            wav = resample(wav.mean(0, keepdim=True), _check_rate(rate, own_rate, parts), own_rate)
        save_stem(folder, source, wav, own_rate)
    return [Path(*key)]


class _Loader:
    """Cache that reads each stream of a track once."""

    def __init__(self) -> None:
        self._wavs: dict[Any, tuple[torch.Tensor, int]] = {}

    def sum(self, parts: Sequence[Any]) -> tuple[torch.Tensor, int]:
        """Adds parts, the shorter ones padded; returns (channels, time) and the rate."""
        wavs = [self._load(part) for part in parts]
        rates = {rate for _, rate in wavs}
        if len(rates) > 1:
            raise ValueError(
                f"stems of a track must have one sample rate, got {sorted(rates)} Hz in "
                f"{parts[0].path.parent}"
            )
        length = max(wav.shape[-1] for wav, _ in wavs)
        total: Any = sum(fit_length(wav, length) for wav, _ in wavs)
        return total, rates.pop()

    def _load(self, part: Any) -> tuple[torch.Tensor, int]:
        if part not in self._wavs:
            wav, rate = load_audio(part.path, stream=part.stream)
            # What AAC decodes to above full scale is cut by the 16 bits of the musdb package, too.
            self._wavs[part] = wav.clamp(-1, 1), rate
        return self._wavs[part]


def _check_rate(rate: int, wanted: int, parts: Sequence[Any]) -> int:
    if rate < wanted:
        raise ValueError(
            f"sample_rate must be at most the {rate} Hz of {parts[0].path}, got {wanted}: "
            "above that there is nothing to learn from"
        )
    return rate
