"""Encoders as an ONNX file, for programs without PyTorch."""

import copy
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..utils.extras import check_installed
from ..utils.files import write_atomic
from .band_split import PIECE, BandSplitEncoder
from .base import FIRST_GUESS, Encoder, share_bodies, with_bodies

OPSET = 17


def export_onnx(
    encoders: Sequence[Encoder], path: str | Path, sources: Sequence[str], sample_rate: int
) -> dict[str, str]:
    """Writes encoders into one ONNX file; a body that they share is in it once.

    The file's input is "spectrogram", (batch, n_freq, n_frames, 2), real and imaginary parts on the
    scale of :meth:`Encoder.transform`; its output "estimates", (batch, n_src, n_freq, n_frames, 2),
    on the same scale. The estimates do not yet sum to the mixture, see
    :func:`~.solve.reconcile`.

    Args:
        encoders (Sequence[Encoder]): One per source, all of one STFT setting.
        path (str | Path): The file to write.
        sources (Sequence[str]): Names of the sources.
        sample_rate (int): Hz.

    Returns:
        dict[str, str]: What the file's metadata say: "sources" (a JSON list), "sample_rate",
        "n_fft", "hop_length", and "max_frames", 0 for any number. A :class:`BandSplitEncoder` is
        exported for the pieces that it takes a longer input in.

    Raises:
        ModuleNotFoundError: If ``onnx`` is not installed: it comes with the extra [export].

    Examples:
        .. code-block:: python

            export_onnx([prior.encoder], "bass.onnx", [prior.source], prior.sample_rate)
    """
    check_installed("onnx")
    import onnx

    real = RealEncoders(encoders).eval()
    first = encoders[0]
    spec = torch.zeros(2, first.n_fft // 2 + 1, 16, 2)
    frames = {0: "batch", 2: "n_frames"}, {0: "batch", 3: "n_frames"}
    written: Any = io.BytesIO()  # annotated as a path in some versions
    with warnings.catch_warnings():
        # This exporter is deprecated; the newer one unrolls the frames of the LSTM:
        # its file takes one length only.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            real,
            (spec,),
            written,
            input_names=["spectrogram"],
            output_names=["estimates"],
            dynamic_axes=dict(zip(("spectrogram", "estimates"), frames)),
            opset_version=OPSET,
            dynamo=False,
        )
    is_split = any(isinstance(encoder, BandSplitEncoder) for encoder in encoders)
    metadata = {
        "sources": json.dumps(list(sources)),
        "sample_rate": str(int(sample_rate)),
        "n_fft": str(first.n_fft),
        "hop_length": str(first.hop_length),
        "max_frames": str(PIECE if is_split else 0),
    }
    model = onnx.load_model_from_string(written.getvalue())
    onnx.helper.set_model_props(model, metadata)
    write_atomic(path, model.SerializeToString())
    return metadata


class RealEncoders(nn.Module):
    """Encoders on real tensors: ONNX has no complex numbers.

    Args:
        encoders (Sequence[Encoder]): Copied.

    Shape:
        - Input: (batch, n_freq, n_frames, 2), output: (batch, n_src, n_freq, n_frames, 2).
    """

    def __init__(self, encoders: Sequence[Encoder]):
        super().__init__()
        copies = copy.deepcopy(list(encoders))
        share_bodies(copies)
        self.encoders = nn.ModuleList(copies)
        for encoder in copies:
            if isinstance(encoder, BandSplitEncoder):
                _simplify(encoder)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        estimates = []
        encoders: Any = self.encoders
        for encoder, hidden in with_bodies(encoders, lambda encoder: _features(encoder, x)):
            mask = encoder.mask_parts(hidden).permute(0, 2, 3, 1, 4)
            real, imaginary = mask[..., 0] + FIRST_GUESS, mask[..., 1]
            heard = x[:, None, : mask.shape[2]]
            a, b = heard[..., 0], heard[..., 1]
            guess = torch.stack([real * a - imaginary * b, real * b + imaginary * a], -1)
            estimates.append(F.pad(guess, (0, 0, 0, 0, 0, x.shape[1] - mask.shape[2])))
        return torch.cat(estimates, 1)


class _Norm(nn.Module):
    # RMSNorm in operations that ONNX has.
    def __init__(self, norm: Any):
        super().__init__()
        self.weight = norm.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        eps = torch.finfo(x.dtype).eps
        return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * self.weight


def _simplify(encoder: Any) -> None:
    # The plain form of attention, not the one for processors that has complex positions.
    encoder._attend_fast = encoder._attend
    for module in [*encoder.modules()]:
        for name, child in module.named_children():
            if isinstance(child, nn.RMSNorm):
                setattr(module, name, _Norm(child))


def _features(encoder: Any, x: torch.Tensor) -> torch.Tensor:
    if isinstance(encoder, BandSplitEncoder):
        return encoder.features(x.transpose(1, 2))
    return encoder.features(x[:, : encoder.n_bins].transpose(1, 2).square().sum(-1).sqrt())
