"""Gives a model that separates short wavs Asteroid's whole separation interface."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from .audio.chunks import chunk_bounds
from .audio.ffmpeg import check_file, open_decoded, read_frames
from .audio.naming import TEMPLATE, output_names, song_folder, stem_paths
from .audio.resampling import check_rate, check_resamples
from .audio.stems import StemSet
from .inference import as_wav, separate_blocks, separate_long, separate_piece
from .utils.progress import SeparationProgress, as_progress

_SCAN = 2**18  # frames


class Separator:
    """Asteroid's separation interface for a model that separates a short wav.

    A model that inherits it has ``sources`` (names), ``sample_rate`` (Hz) and ``options`` (with
    ``chunk`` and ``overlap`` in seconds, and ``updated(dict)``), and defines :meth:`_solve` and
    those of the methods beside it for which the defaults are wrong.
    """

    sample_rate: int

    @property
    def sources(self) -> list[str]:
        """Names of the sources in the order of the output."""
        raise NotImplementedError

    def resolved(self, options):
        """Returns the options with every default filled in."""
        return options

    def _begin(self, options):
        """Returns the resolved options of a separation that is about to begin."""
        return self.resolved(options)

    def _solve(self, wav, options, report):
        """Separates (batch, channels, time) into (n_src, batch, channels, time)."""
        raise NotImplementedError

    def _sums_up(self, options):
        """Returns whether the sources sum to the mixture."""
        raise NotImplementedError

    def _n_iter(self, options):
        """Returns how often :meth:`_solve` reports its progress."""
        return 0

    @property
    def _window(self):
        """Samples that a wav must have at least."""
        return 1

    def forward(self, wav: torch.Tensor, **options) -> torch.Tensor:
        """Separates as :meth:`forward_wav`."""
        return self.forward_wav(wav, **options)

    def forward_wav(self, wav: torch.Tensor, **options) -> torch.Tensor:
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

    def separate(
        self,
        wav: torch.Tensor | np.ndarray | str | Path,
        output_dir: str | Path | None = None,
        force_overwrite: bool = False,
        resample: bool = True,
        **options,
    ) -> torch.Tensor | np.ndarray | dict[str, Path]:
        """Separates a tensor, an array or a file.

        Args:
            wav (torch.Tensor | numpy.ndarray | str | Path): Mixture; a file of any format, rate,
                length and number of channels.
            output_dir, force_overwrite, resample: For files, see :meth:`file_separate`.
            **options: Of :meth:`torch_separate`, or of :meth:`file_separate`.

        Returns:
            torch.Tensor | numpy.ndarray | dict: As the input; for a file, name of each source to
            the path written.
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

    def numpy_separate(self, wav: np.ndarray, **options) -> np.ndarray:
        """Separates an array as :meth:`torch_separate` does a tensor."""
        return self.torch_separate(torch.from_numpy(np.asarray(wav, order="C")), **options).numpy()

    def torch_separate(
        self,
        wav: torch.Tensor,
        sample_rate: int | None = None,
        progress: bool | Callable | SeparationProgress | None = None,
        **options,
    ) -> torch.Tensor:
        """Separates a tensor; the items of a batch one by one, so that none affects another.

        Args:
            wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time), finite; floating
                point or int16.
            sample_rate (int, optional): Sample rate of ``wav``, Hz; by default the model's.
                Another is resampled in and back out.
            progress (bool | Callable, optional): True shows a bar; for a callable see
                :class:`~asteroid_instglow.utils.progress.SeparationProgress`.
            **options: Of ``options``.

        Returns:
            torch.Tensor: As :meth:`forward_wav`, on the device of ``wav``.

        Raises:
            ValueError: If ``wav`` is empty, has another shape, or holds NaN or infinity.
        """
        mixture, n_axes = as_wav(wav)
        rate = self.sample_rate if sample_rate is None else sample_rate
        with as_progress(progress) as report:
            solve, *pieces = self._piecewise(rate, len(mixture), mixture.shape[-1], options, report)
            items = [separate_long(solve, x[None], len(self.sources), *pieces) for x in mixture]
        out = items[0] if len(items) == 1 else torch.cat(items, 1)
        out = out.movedim(0, 1)
        if mixture.shape[1] == 1:
            out = out.squeeze(2)
        out = out[0] if n_axes == 1 else out
        if not wav.is_floating_point():
            return out
        if wav.dtype == torch.float16:  # What is beyond its range would be infinite.
            out = out.clamp(-65504, 65504)
        return out.to(wav.dtype)

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
        sources: Sequence[str] | None = None,
        two_stems: str | None = None,
        progress: bool | Callable | SeparationProgress | None = None,
        **options,
    ) -> dict[str, Path]:
        """Separates a file into one file a source: ``<output_dir>/<song>/<source>.wav``.

        The file is read, separated and written block by block, whatever its length. The stems
        appear in their folder as a set, when all are complete.

        Args:
            filename (str | Path): WAV, FLAC, OGG, MP3 or what ffmpeg reads.
            output_dir (str | Path, optional): Where the song's folder goes; by default beside the
                file.
            force_overwrite (bool): Replace existing files.
            resample (bool): Take a file of another sample rate than the priors'.
            subtype, clip, suffix, mp3_bitrate: See
                :class:`~asteroid_instglow.audio.stems.StemSet`.
            name (str): Template of the files' names in ``output_dir``, see
                :func:`~asteroid_instglow.audio.naming.stem_paths`.
            track (str, optional): Name of the song; by default that of the file, see
                :func:`~asteroid_instglow.audio.naming.song_folder`.
            sources (Sequence[str], optional): Write only these; all are separated.
            two_stems (str, optional): Write this source, and the sum of all others as
                ``no_<source>``.
            progress, **options: As for :meth:`torch_separate`.

        Returns:
            dict[str, Path]: Name of each stem to its file.

        Raises:
            FileExistsError: If a file is there and ``force_overwrite`` is not set.
            ValueError: If the file is no audio, or has another rate and ``resample`` is False.
        """
        path = Path(filename)
        folder, track = song_folder(path, output_dir, track)
        outputs = output_names(self.sources, sources, two_stems)
        paths = stem_paths(folder, track, list(outputs), suffix, name)
        check_file(path)
        writing = (suffix, subtype, clip, force_overwrite, mp3_bitrate)
        with StemSet(folder / track, paths, *writing) as stems:
            self._separate_into(stems, path, list(outputs.values()), resample, progress, options)
        return stems.paths

    def _separate_into(self, stems, path, outputs, resample, progress, options):
        # Writes the stems of a file; each of the outputs is a sum of sources, by their indices.
        with open_decoded(path) as (file, _), as_progress(progress) as report:
            rate, channels, n = file.samplerate, file.channels, file.frames
            if rate != self.sample_rate and not resample:
                raise ValueError(
                    f"{path} must have {self.sample_rate} Hz as the priors, got {rate} Hz; "
                    "pass resample=True"
                )
            # Read once before the work: a file that is damaged at its end is refused at once.
            for start in range(0, n, _SCAN):
                read_frames(file, path, start, min(_SCAN, n - start))
            file.seek(0)
            solve, *pieces = self._piecewise(rate, 1, n, options, report)
            stems.start(rate, channels, n)

            def read(frames):
                return torch.from_numpy(read_frames(file, path, None, frames).T.copy())[None]

            for block in separate_blocks(solve, read, n, *pieces):
                stems.write(np.stack([block[i, 0].sum(0).numpy() for i in outputs]))

    def _piecewise(self, rate, n_items, n_samples, options, report):
        # What separates a piece, and the longest piece and the overlap in samples.
        options = self._begin(self.options.updated(options))
        rate, model_rate = check_rate("sample_rate", rate), int(self.sample_rate)
        if rate != model_rate:
            check_resamples("sample_rate", rate)
        chunk = max(1, round(options.chunk * rate))
        overlap = min(round(options.overlap * rate), chunk // 2)
        n_pieces = len(chunk_bounds(n_samples, chunk, overlap))
        report.start(n_items * n_pieces, self._n_iter(options))
        solve = partial(self._solve, options=options, report=report)
        weights = itertools.chain(self.parameters(), self.buffers())
        device = next((weight.device for weight in weights), torch.device("cpu"))

        def piecewise(wav):
            with torch.no_grad():
                out = separate_piece(
                    solve,
                    wav.to(device),
                    len(self.sources),
                    (rate, model_rate),
                    self._window,
                    self._sums_up(options),
                )
            report.next_piece()
            return out.to(wav.device)

        return piecewise, chunk, overlap
