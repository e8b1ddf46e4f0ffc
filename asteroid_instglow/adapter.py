"""Gives a model that separates short wavs Asteroid's whole separation interface."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import inference
from .audio.chunks import chunk_bounds
from .audio.naming import TEMPLATE, output_names, song_folder, stem_paths
from .audio.reading import check_file
from .audio.resampling import check_rates
from .audio.stems import StemSet
from .inference import Mixture, as_wav, open_mixture, shaped_as
from .uncertainty.confidence import confidence_of
from .uncertainty.files import ConfidenceFiles
from .utils.devices import device_of
from .utils.kept import KeptEstimates
from .utils.progress import SeparationProgress, as_progress


class Separator:
    """Asteroid's separation interface for a model that separates a short wav.

    A model that inherits it has ``sources``, ``sample_rate`` (Hz), ``options`` (``chunk`` and
    ``overlap`` in seconds, ``updated(dict)``) and :meth:`_solve`, and overrides what does not fit.
    """

    sample_rate: int
    options: Any

    @property
    def sources(self) -> list[str]:
        """Names of the sources in the order of the output."""
        raise NotImplementedError

    def _begin(self, options: Any) -> Any:
        """Returns the options with every default filled in; may warn."""
        return options

    def _solve(self, wav: torch.Tensor, options: Any, report: SeparationProgress) -> torch.Tensor:
        """Separates (batch, channels, time) into (n_src, batch, channels, time)."""
        raise NotImplementedError

    def _sums_up(self, options: Any) -> bool:
        """Returns whether the sources sum to the mixture."""
        raise NotImplementedError

    def _fitted(self, mixture: Mixture, options: dict[str, Any], report: Any) -> "Separator":
        """Returns the model for a recording, which it may have learnt from, and rewinds that."""
        return self

    def _by_channel(self, options: Any) -> bool:
        """Returns whether equal channels get equal sources, so that one of them will do."""
        return False

    def _gather(self, n_seconds: int, options: Any) -> Any:
        """Returns a collector of the powers from which the errors are estimated."""
        raise ValueError(f"confidence must be False, {type(self).__name__} estimates no errors")

    def _playing(self, mixture: Mixture, options: Any, report: Any, kept: Any) -> "Separator":
        """Returns a model of the sources that play in a file; may keep their estimates."""
        raise ValueError(f'sources must be names, {type(self).__name__} has no "auto"')

    def _kept_size(self, mixture: Mixture, options: Any) -> int:
        """Returns how many bytes :meth:`_playing` keeps at most."""
        return 0

    def _n_iter(self, options: Any) -> int:
        """Returns how often :meth:`_solve` reports its progress."""
        return 0

    @property
    def _window(self) -> int:
        """Samples that a wav must have at least."""
        return 1

    def forward_wav(self, wav: torch.Tensor, **options: Any) -> torch.Tensor:
        """Separates at the model's sample rate, for :mod:`asteroid.separate`.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time).
            **options: Of ``options``.

        Returns:
            torch.Tensor: (n_src, time), (batch, n_src, time) or, with two channels or more,
            (batch, n_src, channels, time).
        """
        out = self.torch_separate(wav, **options)
        if not out.any():
            # Asteroid divides by the sum of the output: keep that from being zero.
            out.view(-1)[0] = 1e-30
        return out

    forward = forward_wav

    def separate(
        self,
        wav: torch.Tensor | np.ndarray | str | Path,
        output_dir: str | Path | None = None,
        force_overwrite: bool = False,
        resample: bool = True,
        **options: Any,
    ) -> Any:
        """Separates a tensor, an array or a file.

        Args:
            wav (torch.Tensor | numpy.ndarray | str | Path): Mixture; a file of any format, rate,
                length and number of channels.
            output_dir, force_overwrite, resample: For files, see :meth:`file_separate`.
            **options: Of :meth:`torch_separate`, or of :meth:`file_separate`.

        Returns:
            torch.Tensor | numpy.ndarray | dict: As the input; of a file, the paths by source.
        """
        if isinstance(wav, (str, Path)):
            return self.file_separate(wav, output_dir, force_overwrite, resample, **options)
        if isinstance(wav, np.ndarray):
            return self.numpy_separate(wav, **options)
        if isinstance(wav, torch.Tensor):
            return self.torch_separate(wav, **options)
        raise TypeError(
            f"wav must be a tensor, an array or the path of a file, got {type(wav).__name__}"
        )

    def numpy_separate(self, wav: np.ndarray, **options: Any) -> Any:
        """Separates an array as :meth:`torch_separate` does a tensor."""
        out = self.torch_separate(torch.from_numpy(np.asarray(wav, order="C")), **options)
        return (out[0].numpy(), out[1]) if isinstance(out, tuple) else out.numpy()

    def torch_separate(
        self,
        wav: torch.Tensor,
        sample_rate: int | None = None,
        progress: bool | Callable | SeparationProgress | None = None,
        confidence: bool = False,
        **options: Any,
    ) -> Any:
        """Separates a tensor; the items of a batch one by one, so that none affects another.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time), finite; floating
                point or int16.
            sample_rate (int, optional): Sample rate of ``wav``, Hz; by default the model's.
                Another is resampled in and back out.
            progress (bool | Callable, optional): True shows a bar; for a callable see
                :class:`~asteroid_instglow.utils.progress.SeparationProgress`.
            confidence (bool): Also return how sure the result is, second by second.
            **options: Of ``options``.

        Returns:
            torch.Tensor | tuple: As :meth:`forward_wav`, on the device of ``wav``; with
            ``confidence`` that, and a list of one ``Confidence`` per item.

        Raises:
            ValueError: If ``wav`` is empty, has another shape, or holds NaN or infinity.
        """
        mixture, n_axes = as_wav(wav)
        rate = self.sample_rate if sample_rate is None else sample_rate
        is_fitted = getattr(self.options.updated(options), "adapt", 0)
        items, told = [], []
        with as_progress(progress) as report:
            for rows in mixture.split(1 if is_fitted else len(mixture)):
                recording = inference.as_mixture(rows, rate)
                model = self._fitted(recording, options, report)
                solve, *pieces = model._piecewise(recording, len(rows), options, report, confidence)
                for x in rows.split(1):
                    items.append(inference.separate_long(solve, x, len(self.sources), *pieces))
                    if confidence:
                        told.append(confidence_of(report.evidence, self.sources))
        out = shaped_as(n_axes, items[0] if len(items) == 1 else torch.cat(items, 1), wav.dtype)
        return (out, told) if confidence else out

    def file_separate(
        self,
        filename: str | Path,
        output_dir: str | Path | None = None,
        force_overwrite: bool = False,
        resample: bool = True,
        subtype: str = "PCM_16",
        clip: str = "rescale",
        suffix: str = ".wav",
        mp3_bitrate: int | None = None,
        name: str = TEMPLATE,
        track: str | None = None,
        sources: Sequence[str] | str | None = None,
        two_stems: str | None = None,
        progress: bool | Callable | SeparationProgress | None = None,
        confidence: bool | str = False,
        **options: Any,
    ) -> dict[str, Path]:
        """Separates a file into one file a source: ``<output_dir>/<song>/<source>.wav``.

        The file is read, separated and written block by block, whatever its length. The stems
        appear in their folder as a set, when all are complete.

        Args:
            filename (str | Path): WAV, FLAC, OGG, MP3 or what ffmpeg reads.
            output_dir (str | Path, optional): Folder of the song's; by default that of the file.
            force_overwrite (bool): Replace existing files.
            resample (bool): Take a file of another sample rate than the priors'.
            subtype, clip, suffix, mp3_bitrate: See :class:`~.audio.stems.StemSet`.
            name (str): Template of the files' names in ``output_dir``, see
                :func:`~asteroid_instglow.audio.naming.stem_paths`.
            track (str, optional): Name of the song; by default that of the file, see
                :func:`~asteroid_instglow.audio.naming.song_folder`.
            sources (Sequence[str] | str, optional): Write only these; "auto": separate into those
                that play, the others are silent.
            two_stems (str, optional): Write this source, and the sum of all others as
                ``no_<source>``.
            confidence (bool | str): Write ``confidence.json``, too, named like a stem, see
                :class:`~.uncertainty.confidence.Confidence`; "picture": and ``confidence.png``.
                Without it, those of stems that are replaced are deleted.
            **options: As for :meth:`torch_separate`, ``progress`` among them.

        Returns:
            dict[str, Path]: Name of each stem, and "confidence" and "confidence picture" if asked
            for, to its file.

        Raises:
            FileExistsError: If a file is there and ``force_overwrite`` is not set.
            ValueError: If the file is no audio, or has another rate without ``resample``.
        """
        path = check_file(filename)
        folder, track = song_folder(path, output_dir, track)
        outputs = output_names(self.sources, sources, two_stems)
        paths = stem_paths(folder, track, list(outputs), suffix, name)
        files = ConfidenceFiles(folder, track, name, confidence)
        how = (suffix, subtype, clip, force_overwrite, mp3_bitrate, files.paths.values())
        with (
            StemSet(folder / track, paths, *how) as stems,
            KeptEstimates(folder) as kept,
            as_progress(progress) as report,
            open_mixture(path, None if resample else self.sample_rate) as mixture,
        ):
            stems.start(*mixture[:3], self._kept_size(mixture, options) if sources == "auto" else 0)
            model = self._fitted(mixture, options, report)
            if sources == "auto":
                model = model._playing(mixture, options, report, kept)  # keeps the estimates
                report = SeparationProgress()
                mixture.rewind()
            names = [[self.sources[i] for i in indices] for indices in outputs.values()]
            own = [[model.sources.index(n) for n in some if n in model.sources] for some in names]
            report.estimates = kept if kept.is_complete else None
            for block in model._separate_stream(mixture, report, options, bool(confidence)):
                stems.write(np.stack([block[i, 0].sum(0).numpy() for i in own]))
            told = confidence_of(report.evidence, model.sources) if confidence else None
            files.attach(stems, told)
        return {**stems.paths, **files.paths}

    def _hear(self, mixture: Mixture, report: Any, options: Any, kept: Any = None) -> Any:
        # Goes through a file only to gather evidence of its errors, and to keep the estimates.
        report.estimates, report.is_result_used = kept, False
        for _ in self._separate_stream(mixture, report, options, True):
            pass
        report.estimates, report.is_result_used = None, True
        return report.evidence

    def _separate_stream(
        self, mixture: Mixture, report: Any, options: dict[str, Any], confidence: bool
    ) -> Iterator[torch.Tensor]:
        solve, *pieces = self._piecewise(mixture, 1, options, report, confidence)
        return inference.separate_blocks(solve, mixture.read, mixture.n_samples, *pieces)

    def _piecewise(
        self, mixture: Mixture, n_items: int, options: Any, report: Any, confidence: bool
    ) -> tuple[Callable[[torch.Tensor], torch.Tensor], int, int]:
        # What separates a piece, and the longest piece and the overlap in samples.
        options = self._begin(self.options.updated(options))
        rate, model_rate = check_rates(mixture.sample_rate, int(self.sample_rate))
        n_samples = mixture.n_samples
        chunk = max(1, round(options.chunk * rate))
        overlap = min(round(options.overlap * rate), chunk // 2)
        starts = [start for start, _ in chunk_bounds(n_samples, chunk, overlap)]
        report.start(n_items * len(starts), self._n_iter(options))
        gather = partial(self._gather, math.ceil(n_samples / rate), options)
        report.evidence = gather() if confidence else None
        each_start = itertools.cycle(starts)
        solve = partial(self._solve, options=options, report=report)

        @torch.no_grad()
        def piecewise(wav: torch.Tensor) -> torch.Tensor:
            start = next(each_start)
            heard = inference.one_if_equal(wav) if self._by_channel(options) else wav
            if confidence:
                report.evidence = report.evidence if start else gather()
                gain, n_equal = float(wav.abs().max().clamp_min(1)), wav.shape[1] // heard.shape[1]
                report.evidence.begin(start / rate, gain, n_equal)
            sizes = len(self.sources), (rate, model_rate), self._window
            use = self._sums_up(options), not report.is_result_used
            out = inference.separate_piece(solve, heard.to(device_of(self)), *sizes, *use)
            report.next_piece()
            return out.to(wav.device).expand(-1, -1, wav.shape[1], -1)

        return piecewise, chunk, overlap
