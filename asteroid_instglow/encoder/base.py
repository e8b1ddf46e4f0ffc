r"""What the encoders have in common: scaling, complex masks, one body for several sources.

An encoder is a network trained on solos of its source against random mixtures of other solos; it
never sees a paired mixture. From a mixture spectrogram Y it estimates its source bin by bin,

.. math:: \mu_i = M_i Y

with a complex mask M, free to leave [0, 1]. It consists of a *body*, which several sources may
share, and a *mask*, a last layer of the source's own.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ..audio.stft import stft

MASK = "mask."  # prefix of the parameters that belong to one source
FIRST_GUESS = 0.25  # share of the mixture that an untrained encoder gives
ENCODERS = ("encoder", "strong_encoder")  # of a prior, the faster first
SILENCE = 1e-8  # added to the level, so that digital silence can be divided by it


class Encoder(nn.Module):
    """Estimates one or more sources from the spectrogram of a mixture.

    Subclasses define :meth:`body` (spectrogram to features), :meth:`mask_parts` (features to masks)
    and :meth:`source_part` (the share of one source in a parameter of the mask).

    Args:
        n_fft (int): Window and transform length, samples.
        hop_length (int): Samples between frames.
        n_src (int): Number of sources that are estimated at once.
        heard (list[str], optional): Names of the sources in the training mixtures; None if unknown.
    """

    architecture: str

    def __init__(self, n_fft: int, hop_length: int, n_src: int, heard: list[str] | None):
        super().__init__()
        self.n_fft, self.hop_length, self.n_src = n_fft, hop_length, n_src
        self._args: dict[str, Any] = {"n_fft": n_fft, "hop_length": hop_length, "n_src": n_src}
        self.heard = heard

    @property
    def heard(self) -> list[str] | None:
        """Names of the sources in the training mixtures, or None if unknown."""
        return self._args["heard"]

    @heard.setter
    def heard(self, names: Any) -> None:
        self._args["heard"] = None if names is None else list(names)

    def get_args(self) -> dict[str, Any]:
        """Returns the plain arguments that rebuild this encoder, without its weights.

        "architecture" is among them except for the default one, see :func:`build_encoder`.
        """
        named = {} if self.architecture == "lstm" else {"architecture": self.architecture}
        return {**named, **copy.deepcopy(self._args)}

    def body(self, spec: torch.Tensor) -> torch.Tensor:
        """Computes features from a scaled spectrogram, complex (batch, n_freq, n_frames)."""
        raise NotImplementedError

    def mask_parts(self, hidden: torch.Tensor) -> torch.Tensor:
        """Computes real and imaginary parts of masks, (batch, n_frames, n_src, n_bins, 2)."""
        raise NotImplementedError

    def mask_of(self, hidden: torch.Tensor) -> torch.Tensor:
        """Computes masks, complex (batch, n_src, n_bins, n_frames), from the features."""
        return torch.view_as_complex(self.mask_parts(hidden)).permute(0, 2, 3, 1)

    def source_part(self, name: str, value: torch.Tensor, index: int) -> torch.Tensor:
        """Returns the part of a mask parameter that belongs to source ``index``."""
        raise NotImplementedError

    def matrices(self) -> dict[int, list[nn.Parameter]]:
        """Returns the weights between features, by the number of matrices stacked in each.

        They are trained by Muon. Weights with bins on one side are left to Adam, which scales each
        entry on its own.
        """
        raise NotImplementedError

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Estimates the sources in a mixture.

        Args:
            wav (torch.Tensor): (batch, time).

        Returns:
            torch.Tensor: Complex (batch, n_src, n_freq, n_frames), on the scale of ``wav``'s
            :func:`~asteroid_instglow.audio.stft.stft`.
        """
        spec, scale = self.transform(wav)
        return self.estimate(spec[:, 0]) * scale[..., None]

    def transform(self, wav: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes spectrograms and scales them so that the mixture's bins have unit variance.

        Args:
            wav (torch.Tensor): (batch, time), or (batch, n, time): signals that sum to the mixture.

        Returns:
            tuple: Complex (batch, n, n_freq, n_frames) and the scale that it was divided by,
            (batch, 1, 1).
        """
        parts = wav[:, None] if wav.ndim == 2 else wav
        spec = stft(parts, self.n_fft, self.hop_length)
        scale = self.level(parts.sum(1), spec.sum(1))[:, None, None] + SILENCE
        return spec / scale[..., None], scale

    def level(self, wav: torch.Tensor, spec: torch.Tensor) -> torch.Tensor:
        """Returns the root mean square of the mixture's bins, (batch,), from wav or spectrogram."""
        # The window's gain: noise of unit variance has bins of unit variance.
        return wav.square().mean(-1).sqrt() * (0.375 * self.n_fft) ** 0.5

    def estimate(self, spec: torch.Tensor) -> torch.Tensor:
        """Estimates the sources from a scaled spectrogram.

        Args:
            spec (torch.Tensor): Mixture, complex (batch, n_freq, n_frames), see :meth:`transform`.

        Returns:
            torch.Tensor: Complex (batch, n_src, n_freq, n_frames), on the same scale.
        """
        return self.apply_mask(spec, self.body(spec))

    def apply_mask(self, spec: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Multiplies the mixture with the masks; bins that no mask covers become zero."""
        mask = self.mask_of(hidden) + FIRST_GUESS
        n_bins = mask.shape[2]
        guess = (mask * spec[:, None, :n_bins]).transpose(-1, -2)  # as it is laid out
        return nn.functional.pad(guess, (0, spec.shape[1] - n_bins)).transpose(-1, -2)

    def freeze_body(self) -> "Encoder":
        """Leaves only the mask to be trained, which is quick; returns the encoder itself."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith(MASK))
        return self

    @property
    def body_is_frozen(self) -> bool:
        """Whether no parameter but those of the mask is trained."""
        return not any(value.requires_grad for value in self._body_tensors().values())

    @torch.no_grad()
    def alone(self, index: int) -> "Encoder":
        """Returns a new encoder of one source, with a copy of the body and of that source's mask.

        Args:
            index (int): Index of the source, below ``n_src``; -1: a new source, with a mask yet to
                be trained.
        """
        encoder = type(self)(**{**self._args, "n_src": 1}).to(next(self.parameters()).device)
        own = encoder.state_dict()
        for name, value in self.state_dict().items():
            if not name.startswith(MASK):
                own[name] = value
            elif index >= 0:
                own[name] = self.source_part(name, value, index)
        encoder.load_state_dict(own)
        return encoder

    def has_body_of(self, other: "Encoder") -> bool:
        """Returns True if the two encoders differ in their masks alone."""
        if type(self) is not type(other):
            return False
        own, others = self._body_tensors(), other._body_tensors()
        return own.keys() == others.keys() and all(
            own[name] is others[name] or torch.equal(own[name], others[name]) for name in own
        )

    def _body_tensors(self) -> Any:
        tensors = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: value for name, value in tensors.items() if not name.startswith(MASK)}


def encoders_of(prior: Any) -> list[Encoder]:
    """Returns the encoders of a prior, the fastest first."""
    each = (getattr(prior, name, None) for name in ENCODERS)
    return [encoder for encoder in each if encoder is not None]


def share_bodies(encoders: Sequence[Encoder]) -> None:
    """Makes encoders whose bodies are equal hold the very same tensors.

    Estimates of encoders with one body are computed in one pass, see :func:`estimate_each`; each
    can still be trained, saved and used alone.

    Args:
        encoders (Sequence[Encoder]): Changed in place.
    """
    for i, encoder in enumerate(encoders):
        twin = next((e for e in encoders[:i] if e.has_body_of(encoder)), None)
        if twin is None:
            continue
        for name, _ in encoder.named_children():
            if not f"{name}.".startswith(MASK):
                setattr(encoder, name, getattr(twin, name))


def estimate_each(encoders: Sequence[Encoder], spec: torch.Tensor) -> torch.Tensor:
    """Estimates one source per encoder; a shared body runs once.

    Args:
        encoders (Sequence[Encoder]): Encoders of one source each, with the same STFT.
        spec (torch.Tensor): Mixture, scaled, complex (batch, n_freq, n_frames).

    Returns:
        torch.Tensor: Complex (n_encoders, batch, n_freq, n_frames), on the same scale.
    """
    bodies = with_bodies(encoders, lambda encoder: encoder.body(spec))
    # Laid out as the transforms do, frame by frame: (n_encoders, batch, n_frames, n_freq).
    each = [encoder.apply_mask(spec, hidden)[:, 0].transpose(-1, -2) for encoder, hidden in bodies]
    return torch.stack(each).transpose(-1, -2)


def with_bodies(
    encoders: Iterable[Encoder], run: Callable[[Encoder], torch.Tensor]
) -> Iterator[tuple[Encoder, torch.Tensor]]:
    """Yields each encoder and what ``run`` computes with its body, once for a shared one."""
    hidden: dict[int, torch.Tensor] = {}
    for encoder in encoders:
        key = id(next(encoder.children()))
        if key not in hidden:
            hidden[key] = run(encoder)
        yield encoder, hidden[key]
