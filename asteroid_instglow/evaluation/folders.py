"""Scores folders of separated audio against folders of references, tracks in parallel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio.io import load_audio
from ..utils.checks import check_above_zero, check_one_of, check_whole
from ..utils.extras import check_installed
from ..utils.files import write_atomic
from ..utils.parallel import run_parallel
from .layout import Track, check_layout, find_tracks
from .protocols import PROTOCOLS, check_options, evaluate_signals, parse_protocols
from .store import read_track, write_track
from .summary import Report


def evaluate_folders(
    references: str | Path,
    estimates: str | Path,
    protocol: str | Sequence[str] = "sisec",
    sources: Sequence[str] | None = None,
    seconds: float | None = None,
    sample_rate: int | None = None,
    mono: bool = False,
    missing: str = "error",
    baseline: str | None = None,
    backend: str = "builtin",
    jobs: int = 1,
    output: str | Path | None = None,
    resume: bool = True,
    progress: bool = True,
) -> Report:
    """Scores ``<estimates>/<track>/<source>`` against ``<references>/<track>/<source>``.

    Tracks and sources are matched by name; case and audio format do not matter. Either folder may
    also be that of a single track. A reference named ``mixture`` or ``mix`` is the mixture; without
    one, the mixture is the sum of the track's references (without ``accompaniment``, unless it
    stands alone or beside ``vocals``). Estimates of other sources are ignored.

    Args:
        references (str | Path): Folder of the true sources.
        estimates (str | Path): Folder of the separated sources.
        protocol (str | list[str]): ``"sisec"``, ``"paper"``, ``"mdx"``, ``"si-sdr"``, or ``"all"``.
        sources (list[str], optional): Sources to score; all with a reference by default.
        seconds (float, optional): Length to score from the start of each track.
        sample_rate (int, optional): Rate to resample all files to, in Hz; by default estimates are
            resampled to the rate of their references. ``paper`` always uses 22 050 Hz.
        mono (bool): Whether to average channels (``paper`` always does). Otherwise references and
            estimates of a track must have equally many.
        missing (str): ``"error"``, or ``"skip"`` to count missing estimates and score the rest.
        baseline (str, optional): ``"mixture"`` also scores mixture / n_src as every source.
        backend (str): ``"builtin"``, or ``"museval"`` to compute BSSEval with that package.
        jobs (int): Number of processes. A script that asks for more than one needs
            ``if __name__ == "__main__":``.
        output (str | Path, optional): Folder for ``tracks/<protocol>/<track>.json``,
            ``tracks.csv``, ``aggregate.json`` and ``boxplot.png``.
        resume (bool): Whether to reuse scores in ``output`` of the same files (by size and time of
            change) under the same settings.
        progress (bool): Whether to show a progress bar on stderr.

    Returns:
        Report: Scores of all tracks.

    Raises:
        FileNotFoundError: If a folder, track or estimate is missing; the message lists them.
        ValueError: If lengths differ by 0.1 s or more (less is cut), channels differ, two files
            share a name, or an option is unknown.

    Examples:
        >>> report = evaluate_folders("references", "stems", "mdx", progress=False)
        >>> print(report.table())
        mdx: global SDR of the whole track, mean over tracks; 1 track, dB
        source     SDR  95 % interval
        bass     20.02              -
        drums    19.98              -
        average  20.00              -
    """
    names = parse_protocols(protocol)
    if output:
        check_installed("matplotlib")
    check_options(baseline, backend)
    check_one_of("missing", missing, ("error", "skip"))
    check_whole("jobs", jobs, 1)
    if seconds is not None:
        check_above_zero("seconds", seconds)
    if sample_rate is not None:
        check_whole("sample_rate", sample_rate, 1)
    settings: dict[str, Any] = {
        "sources": None if sources is None else [str(source) for source in sources],
        "seconds": None if seconds is None else float(seconds),
        "sample_rate": sample_rate,
        "mono": bool(mono),
        "baseline": baseline,
        "backend": backend,
    }
    tracks = find_tracks(Path(references), Path(estimates), settings["sources"], missing)
    scores: dict[str, dict[str, Any]] = {}
    tasks = []
    for track in tracks:
        done = read_track(output, names, track, settings) if output and resume else {}
        scores[track.name] = done
        if todo := [name for name in names if name not in done]:
            to_mono = mono or all(PROTOCOLS[name].mono for name in todo)
            # Headers are checked for all tracks first: an error should not come after hours.
            rate, frames = check_layout(track, sample_rate, settings["seconds"], to_mono)
            tasks.append((track, todo, rate, frames, to_mono, baseline, backend))
    bar = "evaluate" if progress and tasks else None
    for number, records in run_parallel(_evaluate_track, tasks, jobs, bar):
        track = tasks[number][0]
        scores[track.name].update(records)
        if output:
            for name in records:
                write_track(output, name, track, settings, records[name])
    ordered = {name: {p: done[p] for p in names} for name, done in scores.items()}
    report = Report(ordered, settings)
    if output:
        from .plot import box_plot  # matplotlib is slow to import, also in every worker

        write_atomic(Path(output) / "tracks.csv", report.to_csv())
        write_atomic(Path(output) / "aggregate.json", report.to_json())
        write_atomic(Path(output) / "boxplot.png", box_plot(report))
    return report


def _evaluate_track(
    track: Track,
    protocols: list[str],
    rate: int,
    frames: int,
    mono: bool,
    baseline: str | None,
    backend: str,
) -> dict[str, Any]:
    """Scores one track in a worker process; returns its records by protocol."""

    def load(path: Path) -> NDArray[np.float64]:
        wav = load_audio(path, rate, frames=frames)[0].numpy().astype(np.float64)
        return wav.mean(axis=0, keepdims=True) if mono else wav

    references = np.stack([load(path) for path in track.references.values()])
    estimates = np.zeros_like(references)
    for signal, path in zip(estimates, track.estimates.values()):
        if path is not None:
            signal[:] = load(path)
    return evaluate_signals(
        *(references, estimates, sum(load(path) for path in track.mixture)),
        sample_rate=rate,
        protocol=protocols,
        sources=list(track.references),
        baseline=baseline,
        backend=backend,
        missing=[source for source, path in track.estimates.items() if path is None],
    )
