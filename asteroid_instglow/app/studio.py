"""What the app does for a song, without a browser: separators by name, stems, spectrograms."""

import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..audio.io import load_audio, save_audio
from ..report.clips import MAX_FREQUENCY, draw_spectrogram, frequency_ticks, mel_spectrogram
from ..utils.files import read_json
from ..utils.progress import SeparationProgress

if TYPE_CHECKING:
    from ..separator import GenerativeSeparator

MIXTURE = "mixture"
_PLAYABLE = (8000, 48000)  # Hz, which every browser plays
_IMAGE_RATE = 44100  # Hz


@dataclass
class Clip:
    """A signal of the mixer.

    Attributes:
        name (str): "mixture", or a source.
        audio (Path): WAV file.
        image (Path): WebP file with its spectrogram.
        note (str): How sure it is, see :class:`~asteroid_instglow.uncertainty.confidence`.
    """

    name: str
    audio: Path
    image: Path
    note: str = ""


@dataclass
class Mix:
    """A separated song.

    Attributes:
        song (str): Name of the song.
        folder (Path): Folder of the files below.
        sample_rate (int): Sample rate of the clips, Hz.
        seconds (float): Length of the song.
        clips (list[Clip]): The mixture, and then the stems.
        archive (Path): ZIP file with the stems.
        ticks (list[tuple[str, float]]): Label and height (0 to 1) on the frequency axis.
    """

    song: str
    folder: Path
    sample_rate: int
    seconds: float
    clips: list[Clip]
    archive: Path
    ticks: list[tuple[str, float]]


class Studio:
    """Separates songs with sets of priors.

    Args:
        folder (str | Path): Where the songs' files are kept.
        load (Callable): Builds a separator from folders, names and Hub ids, as ``--priors`` takes
            them.
        sets (Iterable[Sequence[str]]): The first sets of priors, each as ``load`` takes it.

    Attributes:
        sets (dict[str, list[str]]): The sets of priors by name.
    """

    def __init__(
        self,
        folder: str | Path,
        load: Callable[[Sequence[str]], "GenerativeSeparator"],
        sets: Iterable[Sequence[str]],
    ):
        self.folder = Path(folder).resolve()
        self.sets = {" + ".join(specs): list(specs) for specs in sets}
        self._load = load
        self._separators: dict[str, GenerativeSeparator] = {}
        self._lock = threading.Lock()

    def separator(self, name: str) -> "GenerativeSeparator":
        """Returns the separator of a set, loaded when it is first asked for."""
        with self._lock:
            if name not in self._separators:
                self._separators[name] = self._load(self.sets[name])
            return self._separators[name]

    def add(self, name: str, spec: str) -> str:
        """Adds a prior to a set, or a whole separator as a set of its own.

        Args:
            name (str): The set, which stays as it is.
            spec (str): Folder, name or Hub id of a prior or separator, or ``NAME=DIR``.

        Returns:
            str: Name of the new set.

        Raises:
            ValueError, OSError: If there is no such model, or it does not fit the set.
        """
        if not spec.strip():
            raise ValueError("name a folder, or user/name on the Hub")
        spec = spec.strip()
        alone = self._load([spec])
        specs = [spec] if len(alone.sources) > 1 else [*self.sets[name], spec]
        separator = alone if specs == [spec] else self._load(specs)
        new = " + ".join(specs)
        with self._lock:
            self.sets[new], self._separators[new] = specs, separator
        return new

    def separate(
        self,
        path: str | Path,
        name: str,
        sources: Sequence[str] | None = None,
        progress: Callable[[float, str], Any] = lambda fraction, what: None,
        **options: Any,
    ) -> Mix:
        """Separates a song, and writes the clips and spectrograms that the mixer shows.

        Args:
            path (str | Path): An audio file.
            name (str): The set of priors.
            sources (Sequence[str], optional): Only these stems; all by default.
            progress (Callable): Called with the part that is done, 0 to 1, and what is going on.
            **options: Of :class:`~asteroid_instglow.SeparationOptions`.

        Returns:
            Mix: Its files lie in a new folder in ``folder``.
        """
        progress(0.0, "Loading the priors")
        separator = self.separator(name)
        song = Path(path).stem.removesuffix(".stem")
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="song-", dir=self.folder))
        try:
            report = SeparationProgress(
                lambda *_: progress(0.9 * report.fraction, f"{report.name.capitalize()} the song")
            )
            # Browsers save the files under the names that they have here.
            sure = separator.resolved(separator.options.updated(options)).solver == "encoder"
            stems = separator.file_separate(
                path,
                folder,
                name="stems/{track} - {stem}",
                track=song,
                sources=sources,
                progress=report,
                confidence=sure,
                **options,
            )
            told = read_json(stems.pop("confidence"))["sources"] if sure else {}
            progress(0.9, "Drawing the spectrograms")
            mixture, rate = load_audio(path)
            original = folder / "original" / "mixture.wav"
            original.parent.mkdir()
            save_audio(original, mixture, rate)
            seconds = mixture.shape[-1] / rate
            del mixture
            files = {MIXTURE: original, **stems}
            clips, top = _draw(files, folder, rate)
            for clip in clips:
                clip.note = told.get(clip.name, {}).get("summary", "")
            archive = folder / f"{song} stems.zip"
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
                for stem, path_of in stems.items():
                    file.write(path_of, f"{song}/{stem}.wav")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        # Audio of another rate plays, too, but resampled.
        playable = min(max(rate, _PLAYABLE[0]), _PLAYABLE[1])
        return Mix(song, folder, playable, seconds, clips, archive, frequency_ticks(top))

    def forget(self, folder: str | Path | None) -> None:
        """Deletes the files of a song; its folder must lie in ``folder``."""
        if folder is not None and Path(folder).resolve().parent == self.folder:
            shutil.rmtree(folder, ignore_errors=True)


def _draw(files: dict[str, Path], folder: Path, rate: int) -> tuple[list[Clip], float]:
    # All on one scale, so that their levels can be compared; one signal in memory at a time.
    rate = min(rate, _IMAGE_RATE)
    top = min(MAX_FREQUENCY, rate / 2)
    spectrograms = {
        name: mel_spectrogram(load_audio(path, rate)[0].numpy(), rate, top)
        for name, path in files.items()
    }
    loudest = max(float(power.max()) for power in spectrograms.values())
    clips = []
    for number, (name, path) in enumerate(files.items()):
        image = folder / f"{number}.webp"
        image.write_bytes(draw_spectrogram(spectrograms[name], loudest))
        clips.append(Clip(name, path, image))
    return clips, top
