"""Stage 2 of a recipe: joins the priors to a separator, separates the test set and scores it."""

import glob
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..audio.io import load_audio, save_audio
from ..baselines.oracles import Oracle
from ..data.corpora.manifest import MANIFEST
from ..data.corpora.tracks import save_stem
from ..evaluation import Report, evaluate_folders
from ..separator import GenerativeSeparator
from ..utils.files import digest, hash_file, read_json, write_atomic, write_json
from ..weights.tensors import write_pickle

logger = logging.getLogger(__name__)

CHECKPOINT, METRICS, TABLE = "best_model.pth", "final_metrics.json", "all_metrics.csv"
_ESTIMATES, _SETTINGS = "estimates", "settings.json"


def assemble(exp: str | Path, sources: list[str], options: dict[str, Any]) -> GenerativeSeparator:
    """Joins trained priors to a separator, and saves it as ``best_model.pth``.

    Args:
        exp (str | Path): Folder of the experiment.
        sources (list[str]): Names, in the order of the output.
        options (dict): Arguments of :class:`GenerativeSeparator`.

    Returns:
        GenerativeSeparator: In evaluation mode.
    """
    priors = {source: Path(exp) / "priors" / source for source in sources}
    separator = GenerativeSeparator.from_pretrained(priors, **options)
    package = separator.serialize()
    write_atomic(Path(exp) / CHECKPOINT, lambda path: write_pickle(path, package))
    return separator


def evaluate(
    separator: GenerativeSeparator,
    data: str | Path,
    exp: str | Path,
    sources: list[str] | None = None,
    protocol: Iterable[str] = ("paper", "sisec", "si-sdr"),
    jobs: int = 1,
    n_examples: int = 3,
    example_seconds: float = 30.0,
    progress: bool = True,
) -> Report:
    """Separates the test set and scores it, or resumes at the track where it stopped.

    Args:
        separator (GenerativeSeparator): Separator, on its device.
        data (str | Path): Prepared data set, what :func:`~.data.corpora.prepare.prepare` made.
        exp (str | Path): Folder of the experiment.
        sources (list[str], optional): Sources to score; by default all of the separator.
        protocol (list[str]): Names of protocols, see :func:`evaluate_folders`.
        jobs (int): Number of processes that score.
        n_examples (int): Number of tracks to keep excerpts of.
        example_seconds (float): Length of an excerpt, which is from the middle.
        progress (bool): Whether bars show on stderr.

    Returns:
        Report: The scores.
    """
    exp, references = Path(exp), Path(data) / "test"
    estimates = exp / _ESTIMATES
    _separate_tracks(separator, references, estimates, _key(separator, Path(data), exp), progress)
    scored = []
    for name in sources or separator.sources:
        if any(references.glob(f"*/{name}.*")):
            scored.append(name)
        else:
            logger.warning("no track of the test set has %s: it is not scored", name)
    report = evaluate_folders(
        references,
        estimates,
        list(protocol),
        sources=scored,
        jobs=jobs,
        baseline="mixture",
        output=exp / "scores",
        progress=progress,
    )
    tracks = sorted(path for path in references.iterdir() if path.is_dir())[:n_examples]
    shutil.rmtree(exp / "examples", ignore_errors=True)
    for track in tracks:
        _excerpt(track, estimates / track.name, exp / "examples" / track.name, example_seconds)
    write_atomic(exp / TABLE, report.to_csv())
    write_json(exp / METRICS, final_metrics(report))
    return report


def final_metrics(report: Report) -> dict[str, Any]:
    """Reads the numbers of a table.

    Args:
        report (Report): Scores.

    Returns:
        dict: ``[protocol][source or "average"][metric]``, dB, None where nothing was scored, and
        for each source how many tracks are behind it or left out, and why; and "n_tracks".
    """
    content = report.to_dict()
    metrics = {"n_tracks": content["n_tracks"]}
    for name, protocol in content["protocols"].items():
        metrics[name] = {
            source: {
                metric: row["value"] if isinstance(row, dict) else row
                for metric, row in rows.items()
                if "windows" not in metric
            }
            for source, rows in protocol["scores"]["estimates"].items()
        }
    return metrics


def _key(separator: Any, data: Path, exp: Path) -> str:
    # Digest of all that the estimates depend on. A model's configuration has the hash of its
    # weights; that in "model" is of another system.
    arguments = {k: v for k, v in separator.get_model_args().items() if k != "priors"}
    folders = [exp / "priors" / source for source in separator.sources] + [exp / "model"]
    configs = [folder / "config.json" for folder in folders]
    hashes = [hash_file(config) if config.is_file() else None for config in configs]
    return digest([hash_file(data / MANIFEST), arguments, separator.sources, hashes])


def _separate_tracks(
    separator: Any, references: Path, estimates: Path, key: str, progress: bool
) -> None:
    settings = estimates / _SETTINGS
    if not (settings.is_file() and read_json(settings)["key"] == key):
        shutil.rmtree(estimates, ignore_errors=True)
    estimates.mkdir(parents=True, exist_ok=True)
    write_json(settings, {"key": key})
    tracks = sorted(path for path in references.iterdir() if path.is_dir())
    bar = tqdm(tracks, "separating", unit="track", disable=not progress)
    for track in bar:
        if (estimates / track.name).is_dir():
            continue

        def show(iteration: int, loss: float, name: str = track.name) -> None:
            # A log keeps every line.
            shown = f"{name}, iteration {iteration}, loss {loss:.4g}"
            bar.set_postfix_str(shown, refresh=iteration % 10 == 0)

        mixture, rate = load_audio(next(track.glob("mixture.*")))
        options = {"sample_rate": rate, "progress": show}
        if isinstance(separator, Oracle):
            options["references"] = _truth(track, separator.sources, mixture)
        (wavs,) = separator.torch_separate(mixture[None], **options)
        stage = estimates / f".{track.name}.part"
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        for name, wav in zip(separator.sources, wavs):
            save_stem(stage, name, wav.reshape(mixture.shape), rate, subtype="PCM_24")
        stage.rename(estimates / track.name)
        n_done = sum(path.is_dir() for path in estimates.iterdir())
        logger.info("separated %s (%d of %d)", track.name, n_done, len(tracks))


def _truth(track: Path, sources: list[str], mixture: torch.Tensor) -> torch.Tensor:
    # The true sources, (1, n_src, channels, time); one that is not there is silent.
    files = [next(track.glob(f"{glob.escape(name)}.*"), None) for name in sources]
    silent = torch.zeros_like(mixture)
    return torch.stack([silent if f is None else load_audio(f)[0] for f in files])[None]


def _excerpt(references: Path, estimates: Path, output: Path, seconds: float) -> None:
    # Copies the middle of a track: the mixture, the truth and the estimates.
    output.mkdir(parents=True)
    files = {f"{path.stem}_estimate": path for path in estimates.iterdir()}
    shown = {"mixture", *(path.stem for path in estimates.iterdir())}
    files |= {path.stem: path for path in references.iterdir() if path.stem in shown}
    for name, path in sorted(files.items()):
        wav, rate = load_audio(path)
        length = min(wav.shape[-1], round(seconds * rate))
        start = (wav.shape[-1] - length) // 2
        save_audio(output / f"{name}.wav", wav[:, start : start + length], rate, clip="clamp")
