"""Separates a bundled song with shipped priors, or a synthesised one with new priors."""

from concurrent.futures import ProcessPoolExecutor
from importlib.resources import as_file, files
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from ..audio.io import load_audio, save_audio
from ..data import make_band
from ..data.band.synth import SOURCES
from ..evaluation import Report, evaluate_signals
from ..report import separation_figure
from ..separator import GenerativeSeparator
from ..training.encoder import train_encoder
from ..training.joint import pretrain_encoders
from ..training.prior import train_prior
from ..utils.files import write_atomic
from ..weights.config import shipped_names

N_SONGS, SECONDS = 9, 20.0
# Small enough to train in a minute; the published flow has 12 blocks of 128 channels.
FLOW = {"n_blocks": 4, "hidden": 32}
ENCODER = {"width": 128}


def separate_bundled(
    output: str | Path, priors: str | Path | None = None, progress: bool = True
) -> dict[str, Any]:
    """Separates the bundled song that suits the priors, and scores the stems.

    Args:
        output (str | Path): Folder for the stems and the picture.
        priors (str | Path, optional): See :func:`load_bundled`.
        progress (bool): Whether to show a bar.

    Returns:
        dict: "table" (text), "scores", "stems" (name to path), "picture" (path).
    """
    return _separate_song(*load_bundled(priors), Path(output), progress)


def load_bundled(priors: str | Path | None = None) -> tuple[GenerativeSeparator, torch.Tensor, int]:
    """Loads priors and a bundled song: a rendered one for "minislakh", else a real one.

    Args:
        priors (str | Path, optional): Name or folder of a separator; "band" by default, or
            "minislakh" where "band" does not ship.

    Returns:
        tuple: See :func:`read_song`.
    """
    if priors is None:
        priors = "band" if "band" in shipped_names() else "minislakh"
    folder = "demo_song" if priors == "minislakh" else "demo_song_band"
    with as_file(files(__package__) / folder) as song:
        return read_song(GenerativeSeparator.from_pretrained(priors), song)


def train_and_separate(
    output: str | Path,
    seed: int = 0,
    n_steps: int = 150,
    joint_steps: int = 200,
    encoder_steps: int = 40,
    jobs: int = 2,
    progress: bool = True,
) -> dict[str, Any]:
    """Synthesises a small band, trains four small priors on it, separates a song kept aside.

    Args:
        output (str | Path): Folder for the band, the priors, the stems and the picture.
        seed (int): Random seed for the band and the training.
        n_steps (int): Training steps of each flow.
        joint_steps (int): Training steps of the encoders together.
        encoder_steps (int): Training steps of each encoder from there.
        jobs (int): Trainings that run at the same time.
        progress (bool): Whether to show bars.

    Returns:
        dict: As :func:`separate_bundled`.
    """
    output = Path(output)
    band, held_out, joint = output / "band", output / "held_out", output / "priors" / "joint"
    if not band.is_dir():
        make_band(band, N_SONGS - 1, SECONDS, seed=seed, progress=progress)
    if not held_out.is_dir():
        make_band(held_out, 1, SECONDS, seed=seed + 1, progress=progress)
    folders = {name: output / "priors" / name for name in SOURCES}
    common: dict[str, Any] = {"seed": seed, "progress": progress}
    # Spawned: a fork would inherit torch's threads in an unknown state.
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        flow: dict[str, Any] = {
            "n_steps": n_steps,
            "val_every": max(1, n_steps // 3),
            "lr": 1e-3,
            "model": FLOW,
        }
        started = [
            pool.submit(
                pretrain_encoders,
                list(SOURCES),
                band,
                joint,
                n_steps=joint_steps,
                model=ENCODER,
                precision="auto",
                **common,
            )
        ]
        for name, folder in folders.items():
            started.append(pool.submit(train_prior, name, band, folder, **flow, **common))
        for training in started:
            training.result()
        alone: dict[str, Any] = {
            "n_steps": encoder_steps,
            "lr": 7e-3,
            "init": joint,
            "precision": "auto",
        }
        for training in [
            pool.submit(train_encoder, folder, band, **alone, **common)
            for folder in folders.values()
        ]:
            training.result()
    separator = GenerativeSeparator.from_pretrained(folders)
    song = read_song(separator, next(held_out.glob("Track*")))
    return _separate_song(*song, output, progress)


def read_song(
    separator: GenerativeSeparator, song: Path
) -> tuple[GenerativeSeparator, torch.Tensor, int]:
    """Reads the stems of a song, and reduces a separator to the sources that play in it.

    Args:
        separator (GenerativeSeparator): Separator.
        song (Path): Folder of the stems, <source>.flac or <source>.ogg.

    Returns:
        tuple: A separator of the sources that the song has, with a residual if the song has others;
        the stems in that order, (n_src, channels, time), the others summed; their sample rate, Hz.
    """
    paths = sorted([*song.glob("*.flac"), *song.glob("*.ogg")])
    stems = {path.stem: _read_stem(path) for path in paths if path.stem != "mixture"}
    named = [name for name in separator.sources if name in stems]
    others = [wav for name, (wav, _) in stems.items() if name not in named]
    separator = separator.subset(named)
    separator.residual = bool(others)
    truth: list[Any] = [stems[name][0] for name in named] + ([sum(others)] if others else [])
    return separator, torch.stack(truth), next(iter(stems.values()))[1]


def _read_stem(path: Path) -> tuple[torch.Tensor, int]:
    wav, rate = load_audio(path)
    if path.suffix == ".ogg":
        # 16 bits with dither: a codec leaves empty bands, where BSSEval's filters are undefined.
        generator = torch.Generator().manual_seed(len(path.stem))
        noise = torch.rand((2, *wav.shape), generator=generator)
        wav = torch.round(wav * 32768 + noise[0] - noise[1]) / 32768
    return wav, rate


def _separate_song(
    separator: GenerativeSeparator, truth: torch.Tensor, rate: int, output: Path, progress: bool
) -> dict[str, Any]:
    mixture = truth.sum(0)
    output.mkdir(parents=True, exist_ok=True)
    save_audio(output / "mixture.wav", mixture, rate, overwrite=True)
    paths = separator.file_separate(
        output / "mixture.wav",
        output / "stems",
        force_overwrite=True,
        name="{stem}",
        progress=progress,
    )
    # The mean of the channels is scored and drawn.
    stems = torch.stack([load_audio(path)[0].mean(0) for path in paths.values()])
    truth = truth.mean(1)
    scores = evaluate_signals(
        truth.numpy(),
        stems.numpy(),
        sample_rate=rate,
        protocol=["sisec", "si-sdr"],
        sources=separator.sources,
        baseline="mixture",
    )
    sdr = {
        name: value["SDR"]["value"]
        for name, value in Report({"song": scores}).summary["sisec"]["estimates"].items()
    }
    figure = separation_figure(
        mixture.mean(0),
        dict(zip(separator.sources, stems)),
        rate,
        dict(zip(separator.sources, truth)),
        {name: f"{name}, {sdr[name]:.1f} dB" for name in separator.sources},
    )
    picture = output / "separation.png"
    write_atomic(picture, lambda path: figure.savefig(path, dpi=110, format="png"))
    return {
        "table": Report({"song": scores}).table(),
        "scores": scores,
        "stems": {name: str(path) for name, path in paths.items()},
        "picture": str(picture),
    }
