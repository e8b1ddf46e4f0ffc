r"""The amortised encoder of one prior: mixture in, its source's share out.

A small network trained for its source alone, on the source's own solos against random mixtures of
other solos; no paired mixture is ever seen. For a mixture spectrogram Y it gives a guess of its
source, bin by bin,

.. math:: \mu_i = M_i Y

with a complex mask M, free to leave [0, 1]. What any set of independently trained encoders say of
one mixture is joined in ``solver.solve_encoder``, so that the sources sum to it.

Encoders of several sources can learn together first: one body with a mask for each (``n_src``),
whose step costs little more than one source's and teaches them all. ``alone`` then gives each
source an encoder of its own, to go on from.

References
    - [1] : "Open-Unmix - A Reference Implementation for Music Source Separation", Stoter et al.,
      2019. https://doi.org/10.21105/joss.01667 (the network; there one a source, for magnitudes).
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from ..audio.stft import stft

FLOOR = 1e-4
MASK = "mask."  # of the parameters that are a source's own
FIRST_GUESS = 0.25  # of the mixture, before anything is learnt


class SourceEncoder(nn.Module):
    """Recurrent network over the frames of a log-magnitude spectrogram.

    A linear map of all bins, LSTM layers that read it in both directions, and a linear map of both
    to the mask.

    Args:
        n_fft (int): Window and transform length, samples.
        hop_length (int): Samples between frames.
        n_bins (int, optional): Lowest bins that it works on; n_fft / 2 by default.
        width (int): Features of a frame, even.
        n_layers (int): Of the LSTM.
        n_src (int): Sources that it guesses at once.
        heard (list[str], optional): Names of the sources in the mixtures that it learnt from; None
            where that is not known.

    Examples:
        >>> encoder = SourceEncoder(n_fft=64, hop_length=16, width=4)
        >>> encoder(torch.randn(1, 4000)).shape
        torch.Size([1, 1, 33, 251])
    """

    def __init__(
        self,
        n_fft=2048,
        hop_length=512,
        n_bins=None,
        width=256,
        n_layers=3,
        n_src=1,
        heard=None,
    ):
        super().__init__()
        self._args = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.n_fft, self.hop_length, self.n_src = n_fft, hop_length, n_src
        self.n_bins = n_fft // 2 if n_bins is None else n_bins
        if not 1 <= self.n_bins <= n_fft // 2:
            raise ValueError(f"n_bins must be 1 to n_fft / 2 = {n_fft // 2}, got {n_bins}")
        if width < 2 or width % 2:
            raise ValueError(f"width must be even and positive, got {width}")
        self.bin_norm = nn.BatchNorm1d(self.n_bins)
        self.narrow = nn.Linear(self.n_bins, width, bias=False)
        self.narrow_norm = nn.BatchNorm1d(width)
        self.lstm = nn.LSTM(width, width // 2, n_layers, batch_first=True, bidirectional=True)
        self.join = nn.Linear(2 * width, width, bias=False)
        self.join_norm = nn.BatchNorm1d(width)
        self.mask = nn.Linear(width, n_src * self.n_bins * 2)
        with torch.no_grad():
            self.mask.weight.mul_(0.3)

    @property
    def heard(self):
        """Names of the sources that it has learnt to tell apart, or None."""
        return self._args["heard"]

    @heard.setter
    def heard(self, names):
        self._args["heard"] = None if names is None else list(names)

    def get_args(self):
        """Plain arguments that rebuild this encoder, without its weights."""
        return copy.deepcopy(self._args)

    def forward(self, wav):
        """Guesses the sources in a mixture.

        Args:
            wav (torch.Tensor): (batch, time).

        Returns:
            torch.Tensor: Complex (batch, n_src, n_freq, n_frames), on the scale of ``wav``'s
            :func:`~asteroid_instglow.audio.stft.stft`.
        """
        spec, scale = self.transform(wav)
        return self.masked(spec[:, 0]) * scale[..., None]

    def transform(self, wav):
        """The scaled spectrogram that a guess is made from, and of what it is to be made of.

        Args:
            wav (torch.Tensor): (batch, time), or (batch, n, time): signals that sum to the mixture.

        Returns:
            tuple: complex (batch, n, n_freq, n_frames), in which the mixture has bins of about unit
            variance, and the scale that was divided by, (batch, 1, 1).
        """
        parts = wav[:, None] if wav.ndim == 2 else wav
        level = parts.sum(1).square().mean(-1)[:, None, None].sqrt() + 1e-5
        # The window's gain: unit-variance noise has bins of unit variance.
        scale = level * (0.375 * self.n_fft) ** 0.5
        return stft(parts, self.n_fft, self.hop_length) / scale[..., None], scale

    def masked(self, spec):
        """Guesses from a scaled spectrogram.

        Args:
            spec (torch.Tensor): Of the mixture, complex (batch, n_freq, n_frames), see
                :meth:`transform`.

        Returns:
            torch.Tensor: Complex (batch, n_src, n_freq, n_frames), on the same scale.
        """
        # Above the bands there is nothing to say.
        return F.pad(self.masked_bins(spec), (0, 0, 0, spec.shape[1] - self.n_bins))

    def masked_bins(self, spec):
        """As :meth:`masked`, of the ``n_bins`` lowest frequencies alone."""
        return self._apply_mask(*self._hidden(spec))

    def _hidden(self, spec):
        # The lowest bins of a spectrogram, time before frequency, and what the body makes of them.
        bins = spec[:, : self.n_bins].transpose(1, 2).contiguous()
        return bins, self.body((bins.abs() + FLOOR).log())

    def _apply_mask(self, bins, hidden):
        mask = self.mask(hidden).float().view(*hidden.shape[:2], self.n_src, self.n_bins, 2)
        guess = (torch.view_as_complex(mask) + FIRST_GUESS) * bins[:, :, None]
        return guess.permute(0, 2, 3, 1)

    def has_body_of(self, other):
        """Whether another encoder differs in its mask alone."""
        own, others = self.state_dict(), other.state_dict()
        names = [name for name in own if not name.startswith(MASK)]
        alike = names == [name for name in others if not name.startswith(MASK)]
        return alike and all(torch.equal(own[name], others[name]) for name in names)

    @torch.no_grad()
    def alone(self, index):
        """A new encoder of one source, with a copy of the body and of that source's mask.

        Args:
            index (int): Which of the ``n_src``; -1: none of them, with a mask to be learnt.

        Returns:
            SourceEncoder: Of one source.
        """
        encoder = SourceEncoder(**{**self._args, "n_src": 1}).to(next(self.parameters()).device)
        own = encoder.state_dict()
        for name, value in self.state_dict().items():
            if not name.startswith(MASK):
                own[name] = value
            elif index >= 0:
                own[name] = value.unflatten(0, (self.n_src, -1))[index]
        encoder.load_state_dict(own)
        return encoder

    def body(self, magnitudes):
        """From log-magnitudes (batch, n_frames, n_bins) to features (batch, n_frames, width)."""
        h = _normed(self.bin_norm, magnitudes)
        h = torch.tanh(_normed(self.narrow_norm, self.narrow(h)))
        h = torch.cat([h, self.lstm(h)[0]], -1)
        return F.relu(_normed(self.join_norm, self.join(h)))


def guess_each(encoders, spec):
    """Guesses of one encoder a source; a body that several have alike works once.

    Args:
        encoders (Sequence[SourceEncoder]): Of one STFT setting and one source each.
        spec (torch.Tensor): Of the mixture, scaled, complex (batch, n_freq, n_frames).

    Returns:
        torch.Tensor: Complex (n_encoders, batch, n_freq, n_frames), on the same scale.
    """
    bodies, guesses = [], []
    for encoder in encoders:
        known = next((known for other, known in bodies if encoder.has_body_of(other)), None)
        if known is None:
            known = encoder._hidden(spec)
            bodies.append((encoder, known))
        guess = encoder._apply_mask(*known)[:, 0]
        guesses.append(F.pad(guess, (0, 0, 0, spec.shape[1] - encoder.n_bins)))
    return torch.stack(guesses)


def _normed(norm, h):
    return norm(h.flatten(0, 1)).view(h.shape)
