r"""KL-NMF: a dictionary of spectra for each source, learned from its solos.

.. math:: X \approx W H, \quad \min \sum X \log\frac{X}{WH} - X + WH

on magnitude spectrograms. W is learned for each source. A mixture is explained by the dictionaries
of all sources side by side, with W fixed, and each bin is divided in proportion to the sources.

References
    - [1] : "Algorithms for Non-negative Matrix Factorization", Lee & Seung 2000 (the updates).
    - [2] : "Supervised and Semi-supervised Separation of Sounds from Single-channel Mixtures",
      Smaragdis, Raj & Shashanka 2007 (the dictionaries).
"""

import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ..audio.stft import stft
from ..data import Recordings, Solo, data_digest
from ..utils.progress import SeparationProgress
from ..weights.config import CONFIG
from ..weights.folder import read_model, staged, write_model
from .base import constructor_arguments
from .runs import Run
from .source_only import SourceOnly

EPS = 1e-8
PIECE = 2.0  # seconds
SILENCE_DB = -50.0


class KLNMF(SourceOnly):
    """Explains sources as non-negative sums of learned spectra.

    Args:
        sources (list[str]): Names of the sources.
        sample_rate (int): Sample rate in Hz.
        n_fft (int): Window and transform length in samples.
        hop_length (int): Samples between frames.
        n_atoms (int): Number of spectra per source.
        n_iter (int): Number of updates of the activations in a separation.
        max_frames (int): Largest number of frames of the solos to learn from.

    Examples:
        >>> model = KLNMF(["bass", "drums"], n_fft=64, hop_length=16, n_atoms=2)
        >>> model.separate(torch.randn(1, 4000)).shape
        torch.Size([1, 2, 4000])
    """

    defaults = {"n_steps": 100}
    sizes = {"n_atoms": 2**13, "n_iter": 10**6, "max_frames": 10**8}

    def __init__(
        self,
        sources: list[str],
        sample_rate: int = 22050,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_atoms: int = 64,
        n_iter: int = 100,
        max_frames: int = 20_000,
    ):
        super().__init__(constructor_arguments(locals()))
        self.n_fft, self.hop_length, self.n_iter = n_fft, hop_length, n_iter

    def _part(self) -> "Dictionary":
        args = self.get_model_args()
        return Dictionary(args["n_fft"] // 2 + 1, args["n_atoms"])

    def _magnitudes(self, mixture: torch.Tensor, report: SeparationProgress) -> torch.Tensor:
        return explain(mixture, [part.atoms for part in self.parts], self.n_iter)

    @classmethod
    def fit_source(cls, run: Run, source: str, output: Path) -> tuple["KLNMF", dict]:
        """Updates spectra and activations in turn, and saves both, so that a run can resume."""
        model = cls(**{**run.model, "sources": [source]})
        options = run.options
        target = _frames(run.files[source], model, options.seed, options.progress).to(run.device)
        digest = data_digest({source: run.files[source]})
        factors = Factors(output, {"seed": options.seed, **model.get_model_args()}, digest)
        if not (options.resume and factors.load()):
            factors.start(target, model.get_model_args()["n_atoms"], options.seed)
        limit = math.inf if options.time_limit is None else 60 * options.time_limit
        late, started = False, time.monotonic()
        atoms, activations = factors.atoms.to(run.device), factors.activations.to(run.device)
        with tqdm(
            total=options.n_steps,
            initial=factors.steps,
            desc=f"training {source}",
            unit="step",
            disable=not options.progress,
        ) as bar:
            while factors.steps < options.n_steps and not late:
                activations = update_activations(target, atoms, activations)
                atoms, activations = update_atoms(target, atoms, activations)
                factors.steps += 1
                bar.update()
                late = time.monotonic() - started > limit
        factors.save(target, atoms.cpu(), activations.cpu())
        model.parts[0].load_state_dict({"atoms": factors.atoms})
        return model, {
            "steps": factors.steps,
            "finished": factors.steps >= options.n_steps,
            "loss_before": factors.history[0]["loss"],
            "loss_after": factors.history[-1]["loss"],
            "frames": target.shape[1],
            "history": factors.history,
        }


class Dictionary(nn.Module):
    """Holds the spectra of one source, (n_freq, n_atoms)."""

    def __init__(self, n_freq: int, n_atoms: int):
        super().__init__()
        self.atoms = nn.Parameter(torch.full((n_freq, n_atoms), 1 / n_freq))


class Factors:
    """Spectra, activations and history of a training, saved in a folder.

    Args:
        folder (Path): The folder.
        arguments (dict): Arguments of the training, plain types.
        digest (str): Digest of the recordings.
    """

    def __init__(self, folder: Path, arguments: dict, digest: str):
        self.folder, self.arguments, self.digest = folder, arguments, digest
        self.atoms = self.activations = torch.empty(0)
        self.history: list[dict] = []
        self.steps = 0

    def load(self) -> bool:
        """Loads them; returns False if there is nothing to load."""
        if not (self.folder / CONFIG).is_file():
            return False
        config, state = read_model(self.folder)
        if config["model_args"] != self.arguments:
            raise ValueError(
                f"the arguments must be {config['model_args']} as in the run to resume, got "
                f"{self.arguments}; resume=False starts anew"
            )
        if config.get("data_digest", self.digest) != self.digest:
            # The activations belong to the recordings: other_data=True could not keep them.
            raise ValueError(
                f"data must be the recordings of the run to resume in {self.folder}, got others; "
                "resume=False starts anew"
            )
        self.atoms, self.activations = state["atoms"], state["activations"]
        self.history = config["history"]
        self.steps = self.history[-1]["step"]
        return True

    def start(self, target: torch.Tensor, n_atoms: int, seed: int) -> None:
        """Draws random spectra and activations."""
        rng = torch.Generator().manual_seed(seed)
        level = (target.mean() / n_atoms).sqrt().cpu()
        self.atoms = level * (0.5 + torch.rand(len(target), n_atoms, generator=rng))
        self.activations = level * (0.5 + torch.rand(n_atoms, target.shape[1], generator=rng))
        self._note(target)

    def save(self, target: torch.Tensor, atoms: torch.Tensor, activations: torch.Tensor) -> None:
        """Saves new spectra and activations."""
        self.atoms, self.activations = atoms, activations
        if self.history[-1]["step"] < self.steps:
            self._note(target)
        config = {"model_name": "KLNMFTraining", "model_args": self.arguments}
        config["data_digest"] = self.digest
        state = {"atoms": atoms, "activations": activations}
        with staged(self.folder) as stage:
            write_model(stage, {**config, "history": self.history}, state)

    def _note(self, target: torch.Tensor) -> None:
        loss = divergence(target.cpu(), self.atoms @ self.activations)
        self.history.append({"step": self.steps, "loss": float(loss)})


def update_activations(
    target: torch.Tensor, atoms: torch.Tensor, activations: torch.Tensor
) -> torch.Tensor:
    """Updates H multiplicatively, which lowers the divergence.

    Args:
        target (torch.Tensor): X, (..., n_freq, n_frames), not negative.
        atoms (torch.Tensor): W, (n_freq, n_atoms).
        activations (torch.Tensor): H, (..., n_atoms, n_frames).

    Returns:
        torch.Tensor: The new H.
    """
    ratio = _ratio(target, atoms, activations)
    return activations * (atoms.T @ ratio) / (atoms.sum(0)[:, None] + EPS)


def update_atoms(
    target: torch.Tensor, atoms: torch.Tensor, activations: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Updates W multiplicatively and scales its columns to sum to one.

    Args:
        target, atoms, activations: As :func:`update_activations`, without a batch.

    Returns:
        tuple: The new W, and H scaled inversely.
    """
    ratio = _ratio(target, atoms, activations)
    atoms = atoms * (ratio @ activations.T) / (activations.sum(1) + EPS)
    scale = atoms.sum(0) + EPS
    return atoms / scale, activations * scale[:, None]


def _ratio(target: torch.Tensor, atoms: torch.Tensor, activations: torch.Tensor) -> torch.Tensor:
    # In place: three arrays of this size would take as long as the products.
    return torch.matmul(atoms, activations).add_(EPS).reciprocal_().mul_(target)


def divergence(target: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """Computes the mean generalised Kullback-Leibler divergence of ``model`` from ``target``."""
    return (torch.xlogy(target, (target + EPS) / (model + EPS)) - target + model).mean()


def explain(magnitude: torch.Tensor, dictionaries: list[torch.Tensor], n_iter: int) -> torch.Tensor:
    """Computes the part of a mixture's magnitudes that each dictionary explains.

    Args:
        magnitude (torch.Tensor): (batch, n_freq, n_frames).
        dictionaries (list[torch.Tensor]): (n_freq, n_atoms) each.
        n_iter (int): Number of updates.

    Returns:
        torch.Tensor: (n_src, batch, n_freq, n_frames).
    """
    atoms = torch.cat(dictionaries, 1)
    activations = magnitude.new_ones(len(magnitude), atoms.shape[1], magnitude.shape[-1])
    for _ in range(n_iter):
        activations = update_activations(magnitude, atoms, activations)
    parts = activations.split([d.shape[1] for d in dictionaries], 1)
    return torch.stack([d @ h for d, h in zip(dictionaries, parts)])


def _frames(files: list[Solo], model: KLNMF, seed: int, progress: bool) -> torch.Tensor:
    # Spectra (n_freq, n_frames) of random pieces of all recordings that are not silent.
    args = model.get_model_args()
    recordings = Recordings(files, args["sample_rate"], progress=progress)
    length = max(model.n_fft, round(PIECE * args["sample_rate"]))
    pieces = recordings.segments(length, SILENCE_DB)
    n_pieces = max(1, args["max_frames"] // (1 + length // model.hop_length))
    chosen = np.random.default_rng(seed).permutation(len(pieces))[:n_pieces]
    places = (pieces[i] for i in sorted(chosen))
    drawn = [recordings.read(number, start, length) for number, start in places]
    spectra = [stft(torch.from_numpy(x), model.n_fft, model.hop_length).abs() for x in drawn]
    return torch.cat(spectra, 1)
