"""What ``separate`` takes and gives besides tensors: arrays and files, as any Asteroid model."""

from pathlib import Path

import numpy as np
import torch

from .audio.io import load_audio, save_audio


class FileSeparation:
    """Asteroid's ``separate`` family for a model with ``torch_separate`` and ``sources``."""

    def separate(self, wav, output_dir=None, force_overwrite=False, resample=True, **options):
        """Separates a tensor, an array or a file.

        Args:
            wav (torch.Tensor | numpy.ndarray | str | Path): Mixture; a file of any format, rate,
                length and number of channels.
            output_dir, force_overwrite, resample: For files, see :meth:`file_separate`.
            **options: Of :meth:`GenerativeSeparator.torch_separate`.

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

    def numpy_separate(self, wav, **options):
        """As ``torch_separate``, arrays in and out."""
        return self.torch_separate(torch.from_numpy(np.ascontiguousarray(wav)), **options).numpy()

    def file_separate(
        self,
        filename,
        output_dir=None,
        force_overwrite=False,
        resample=True,
        subtype="PCM_16",
        clip="rescale",
        suffix=".wav",
        **options,
    ):
        """Separates a file into one file a source, named by the source.

        All sources are separated before the first file is written, and each file appears whole.

        Args:
            filename (str | Path): WAV, FLAC, OGG, MP3 or what ffmpeg reads.
            output_dir (str | Path, optional): Folder of the sources, made if need be; by default
                one beside the file, named like it without the suffix.
            force_overwrite (bool): Replace existing files.
            resample (bool): Take a file of another sample rate than the priors'.
            subtype (str): "PCM_16", "PCM_24" or "FLOAT".
            clip (str): What to do with samples above full scale in integer formats: "rescale" all
                sources by one factor, so that they still sum up, "clamp", or "none" (refuse).
            suffix (str): ".wav", ".flac", ...
            **options: Of ``torch_separate``.

        Returns:
            dict[str, Path]: Name of each source to its file.

        Raises:
            FileExistsError: If a file is there and ``force_overwrite`` is not set.
            ValueError: If the file is no audio, or has another rate and ``resample`` is False.
        """
        filename = Path(filename)
        output_dir = filename.with_suffix("") if output_dir is None else Path(output_dir)
        paths = {name: output_dir / f"{name}{suffix}" for name in self.sources}
        there = [str(path) for path in paths.values() if path.exists()]
        if there and not force_overwrite:
            raise FileExistsError(f"{', '.join(there)} exists: pass force_overwrite to replace it")
        wav, rate = load_audio(filename)
        if rate != self.sample_rate and not resample:
            raise ValueError(
                f"{filename} must have {self.sample_rate} Hz as the priors, got {rate} Hz; "
                "pass resample=True"
            )
        (out,) = self.torch_separate(wav[None], sample_rate=rate, **options)
        if clip == "rescale":
            # One factor for all sources, so that they still sum to the mixture, scaled; floating
            # point holds what is above full scale as it is.
            clip = "none"
            if subtype != "FLOAT":
                out = out / out.abs().max().clamp_min(1.0)
        output_dir.mkdir(parents=True, exist_ok=True)
        for path, source in zip(paths.values(), out):
            save_audio(path, source, rate, subtype, clip, overwrite=force_overwrite)
        return paths


def as_wav(wav):
    """Checks a mixture and gives it three axes.

    Args:
        wav (torch.Tensor): (time,), (batch, time) or (batch, channels, time).

    Returns:
        tuple: float32 (batch, channels, time), the shape that came.
    """
    shape = tuple(wav.shape)
    if wav.ndim not in (1, 2, 3):
        raise ValueError(
            f"wav must be (time,), (batch, time) or (batch, channels, time), got {shape}"
        )
    if wav.numel() == 0:
        raise ValueError(f"wav must have at least one sample, got {shape}")
    if wav.dtype == torch.int16:
        wav = wav.float() / 32768
    if not wav.is_floating_point():
        raise ValueError(f"wav must be floating point or int16, got {wav.dtype}")
    wav = wav.float()
    if not wav.isfinite().all():
        bad = int((~wav.isfinite()).sum())
        raise ValueError(f"wav must be finite, got {bad} samples that are NaN or infinite")
    if wav.ndim == 1:
        wav = wav[None]
    return (wav[:, None] if wav.ndim == 2 else wav), shape
