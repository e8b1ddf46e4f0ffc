"""Random mixtures drawn on the device that trains: solos decoded once, everything else is tensors.

A processor mixes some 20 excerpts a second, a GPU hundreds. The solos of each source are held in
one buffer on the device, with copies played whole semitones up and down; a batch of mixtures is a
few gathers and filters.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from ..audio.gains import signed_gains
from ..audio.io import load_audio, resample
from .effects import apply_effects
from .recordings import SILENCE_DB

SEMITONES = (-2, -1, 1, 2)  # transpositions beside the original, which is half of the excerpts
STRIDE = 0.25  # seconds between the places that an excerpt may start at
PAD = 4096  # multiple that lengths are padded to, so that they transform fast


@dataclass(frozen=True)
class Part:
    """How the excerpts of one source are drawn.

    Args:
        p_absent (float): Chance that the source is absent from a mixture.
        p_second (float): Chance that a second excerpt of the source is added to the first.
        gain_db (float): Gains are drawn between minus and plus this, dB.
    """

    p_absent: float = 0.1
    p_second: float = 0.0
    gain_db: float = 3.0


class DeviceSolos:
    """The solos of one source in one buffer on a device.

    Args:
        folders (Mapping[Sequence[Path], float]): Files of each folder to the folder's weight: the
            chance, before scaling, that an excerpt is drawn from it.
        segment (int): Length of an excerpt, samples.
        sample_rate (int): Hz.
        device (torch.device | str): Device that holds the buffer.
        detune (float): The transposed copies are out of tune by up to this, semitones.

    Raises:
        ValueError: If no folder has an excerpt that can be heard.
    """

    def __init__(
        self,
        folders: Mapping[tuple[Path, ...], float],
        segment: int,
        sample_rate: int = 22050,
        device: torch.device | str = "cpu",
        detune: float = 0.0,
    ):
        generator = torch.Generator().manual_seed(0)
        self.segment, self.device = segment, torch.device(device)
        self.jitter = round(STRIDE * sample_rate)
        buffers, starts, first, count, weights = [], [], [], [], []
        offset = n_starts = 0
        self.seconds = 0.0
        for files, weight in folders.items():
            wavs = [wav for wav in read_mono(files, sample_rate) if len(wav) >= segment]
            self.seconds += sum(map(len, wavs)) / sample_rate
            for semitone in (0, *SEMITONES):
                found = []
                for wav in wavs:
                    played = wav.to(self.device)
                    if semitone:
                        off = detune * (2 * float(torch.rand(1, generator=generator)) - 1)
                        played = transpose(played, semitone + off)
                    played = F.pad(played, (0, self.jitter))
                    if len(played) < segment + self.jitter:
                        continue
                    level = played.square().unfold(0, segment, self.jitter).mean(1)
                    audible = (level > 10 ** (SILENCE_DB / 10)).nonzero()[:, 0] * self.jitter
                    # The last place is kept a stride from the end, for the jitter.
                    found.append(audible[audible <= len(played) - segment - self.jitter] + offset)
                    buffers.append((played.clamp(-1, 1) * 32767).round().to(torch.int16))
                    offset += len(played)
                places = torch.cat(found) if found else torch.zeros(0, dtype=torch.long)
                starts.append(places.to(self.device))
                first.append(n_starts)
                count.append(len(places))
                share = 0.5 if semitone == 0 else 0.5 / len(SEMITONES)
                weights.append(weight * share if len(places) else 0.0)
                n_starts += len(places)
        if not n_starts:
            raise ValueError("folders must hold an excerpt that can be heard, got none")
        self.buffer, self.starts = torch.cat(buffers), torch.cat(starts)
        self.first = torch.tensor(first, device=self.device)
        self.count = torch.tensor(count, device=self.device)
        self.weights = torch.tensor(weights, device=self.device)

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draws excerpts, (n, segment), float32."""
        block = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        place = torch.rand(n, device=self.device, generator=generator) * self.count[block]
        start = self.starts[self.first[block] + place.long().minimum(self.count[block] - 1)]
        shift = torch.rand(n, device=self.device, generator=generator) * self.jitter
        index = (start + shift.long())[:, None] + torch.arange(self.segment, device=self.device)
        return self.buffer[index].float() / 32767


class DeviceMixtures:
    """Batches of random mixtures; batch number and seed decide what is in them.

    Args:
        solos (Mapping[str, DeviceSolos]): Solos by source; the trained sources first.
        parts (Mapping[str, Part], optional): How each source is drawn; ``Part()`` by default.
        n_src (int, optional): Number of sources to train; the rest is background. All by default.
        batch_size (int): Mixtures in a batch.
        eq_db (float): Spread of a random equaliser on each excerpt, dB.
        p_effect (float): Chance of each further effect (reverberation, soft clipping, gain ride).
        seed (int): Random seed.
    """

    def __init__(
        self,
        solos: Mapping[str, DeviceSolos],
        parts: Mapping[str, Part] | None = None,
        n_src: int | None = None,
        batch_size: int = 8,
        eq_db: float = 3.0,
        p_effect: float = 0.0,
        seed: int = 0,
    ):
        self.solos = dict(solos)
        self.parts = [(parts or {}).get(name, Part()) for name in solos]
        self.n_src = len(self.solos) if n_src is None else n_src
        self.batch_size, self.eq_db, self.p_effect, self.seed = batch_size, eq_db, p_effect, seed
        self.device = next(iter(self.solos.values())).device

    @torch.no_grad()
    def batch(self, number: int) -> torch.Tensor:
        """Draws batch ``number``.

        Returns:
            torch.Tensor: (batch_size, n, time), the parts of each mixture; the trained sources
            first, then, if there is one, the sum of the background.
        """
        # Any batch can be drawn anew, so that a run that was stopped goes on exactly.
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + number)
        wavs = [self._excerpts(solos, part, generator) for solos, part in self._all()]
        heard = torch.stack([wav.abs().amax(1) > 0 for wav in wavs], 1)
        mixture = torch.stack(wavs, 1)
        silent = ~heard[:, : self.n_src].any(1)
        if silent.any():  # a mixture without any source teaches nothing
            first = next(iter(self.solos.values()))
            mixture[:, 0] += silent[:, None] * first.draw(self.batch_size, generator)
        sources, background = mixture[:, : self.n_src], mixture[:, self.n_src :]
        if background.shape[1] == 0:
            return sources
        return torch.cat([sources, background.sum(1, keepdim=True)], 1)

    def _all(self) -> Iterator[tuple[DeviceSolos, Part]]:
        return zip(self.solos.values(), self.parts)

    def _excerpts(self, solos: DeviceSolos, part: Part, generator: torch.Generator) -> torch.Tensor:
        n = self.batch_size

        def chance(p: float) -> torch.Tensor:
            return torch.rand(n, 1, device=self.device, generator=generator) < p

        wav = self._varied(solos.draw(n, generator), part, generator)
        if part.p_second:
            second = self._varied(solos.draw(n, generator), part, generator)
            wav = wav + second * chance(part.p_second)
        return wav * ~chance(part.p_absent)

    def _varied(self, wav: torch.Tensor, part: Part, generator: torch.Generator) -> torch.Tensor:
        wav = apply_effects(wav, self.eq_db, self.p_effect, generator)
        return wav * signed_gains((len(wav), 1), part.gain_db, generator)


def read_mono(files: Sequence[Path], sample_rate: int) -> list[torch.Tensor]:
    """Decodes files to mono signals of one sample rate, several at a time."""

    def read(path: Path) -> torch.Tensor:
        wav, rate = load_audio(path)
        wav = wav.mean(0)
        return wav if rate == sample_rate else resample(wav, rate, sample_rate)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(read, files))


def transpose(wav: torch.Tensor, semitones: float) -> torch.Tensor:
    """Plays a signal (time,) faster, and so higher, by semitones."""
    n_samples = len(wav)
    wav = F.pad(wav, (0, -n_samples % PAD))
    length = round(len(wav) / 2 ** (semitones / 12) / 64) * 64
    spectrum = torch.fft.rfft(wav)
    n_bins = length // 2 + 1
    spectrum = F.pad(spectrum, (0, n_bins - len(spectrum)))
    played = torch.fft.irfft(spectrum, length) * (length / len(wav))
    return played[: round(n_samples * length / len(wav))]
