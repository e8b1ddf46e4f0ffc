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
    made: dict[str, Any] = {"files": {}, "pieces": {}, "seconds": {}}
    made |= {"missing": list(track.missing), "silent": [], "padded": []}
    stems = {name: track.stems[name] for name in settings["sources"] if track.stems.get(name)}
    output.mkdir(parents=True, exist_ok=True)
    with scratch_folder(output, ".preparing-") as stage:
        writer = _Writer(stage, key, settings, made)
        folders = writer.test(stems, track.mixture) if key[0] == "test" else writer.pieces(stems)
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
    """Writes a stem as FLAC, or as floating-point WAV where it exceeds full scale."""
    over = float(wav.abs().max()) > 1
    path = folder / f"{name}{'.wav' if over else '.flac'}"
    save_audio(path, wav, sample_rate, "FLOAT" if over else subtype, clip="none")
    return path


class _Writer:
    """Writes the files of one track into a stage, and reads each of its streams once."""

    def __init__(
        self, stage: Path, key: tuple[str, str], settings: dict[str, Any], made: dict[str, Any]
    ):
        self._stage, self._key, self._settings, self._made = stage, key, settings, made
        self._wavs: dict[Any, tuple[torch.Tensor, int]] = {}

    def pieces(self, stems: dict[str, Any]) -> list[Path]:
        """Writes the sounding pieces of each source, mono; returns their folders."""
        settings, made = self._settings, self._made
        rate, folders = settings["sample_rate"], []
        for source, parts in stems.items():
            wav, own_rate = self._sum(parts)
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
                folders.append(Path(self._key[0], source, self._key[1]))
                folder = self._stage / folders[-1]
                folder.mkdir(parents=True)
                for i, (start, stop) in enumerate(pieces, 1):
                    save_audio(folder / f"{i:03d}.flac", wav[start:stop], rate, clip="none")
        return folders

    def test(self, stems: dict[str, Any], mixture: Any) -> list[Path]:
        """Writes the mixture and the stems at its length; returns their folder."""
        settings, made = self._settings, self._made
        mix, rate = self._sum(mixture)
        folder = self._stage / Path(*self._key)
        folder.mkdir(parents=True)
        for source, parts in {"mixture": mixture, **stems}.items():
            wav = mix
            if source != "mixture":
                wav = self._sum(parts)[0]
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
                wav = wav.mean(0, keepdim=True)
                wav = resample(wav, _check_rate(rate, own_rate, parts), own_rate)
            save_stem(folder, source, wav, own_rate)
        return [Path(*self._key)]

    def _sum(self, parts: Sequence[Any]) -> tuple[torch.Tensor, int]:
        # Parts added, the shorter ones padded, (channels, time), and their rate.
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
