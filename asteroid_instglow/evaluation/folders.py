"""Scores folders of separated audio against folders of references: any system's, in parallel."""

import math
from pathlib import Path

import numpy as np

from ..audio.io import load_audio
from ..utils.checks import check_at_least, check_one_of
from ..utils.files import write_atomic
from ..utils.parallel import run_parallel
from .layout import check_layout, find_tracks
from .protocols import PROTOCOLS, check_options, evaluate_signals, parse_protocols
from .store import read_track, write_track
from .summary import Report


def evaluate_folders(
    references,
    estimates,
    protocol="sisec",
    sources=None,
    seconds=None,
    sample_rate=None,
    mono=False,
    missing="error",
    baseline=None,
    backend="builtin",
    jobs=1,
    output=None,
    resume=True,
    progress=True,
    n_bootstrap=1000,
    seed=0,
):
    """Scores ``<estimates>/<track>/<source>`` against ``<references>/<track>/<source>``.

    Tracks and sources are matched by name, whatever the case and the audio format; either side may
    also be the folder of a single track. A reference named ``mixture`` or ``mix`` is the mixture;
    without one the mixture is the sum of all references of the track (without ``accompaniment``,
    unless it stands alone or beside ``vocals``). Files other than the estimates of the scored
    sources are ignored. A source that has no reference in some track is not part of that track.

    Args:
        references (str or Path): Folder of the true sources.
        estimates (str or Path): Folder of the separated ones.
        protocol (str or list[str]): ``"sisec"``, ``"paper"``, ``"mdx"``, ``"si-sdr"``, or
            ``"all"``.
        sources (list[str], optional): Only these; all that have a reference when None.
        seconds (float, optional): Score only the first seconds of each track.
        sample_rate (int, optional): Resample everything to this rate (Hz); when None, estimates are
            resampled to their references' rate. ``paper`` always goes to 22 050 Hz.
        mono (bool): Average the channels first (``paper`` always does). Otherwise the references
            and estimates of a track must have equally many.
        missing (str): ``"error"``, or ``"skip"`` to count missing estimates and score the rest.
        baseline (str, optional): ``"mixture"`` also scores mixture / n_src as every source.
        backend (str): ``"builtin"``, or ``"museval"`` to have that package compute BSSEval.
        jobs (int): Processes, each taking whole tracks. A script that asks for more than one needs
            the usual ``if __name__ == "__main__":``.
        output (str or Path, optional): Folder for ``tracks/<protocol>/<track>.json``,
            ``tracks.csv``, ``aggregate.json`` and ``boxplot.png``.
        resume (bool): Take from ``output`` the tracks that were scored with the same settings on
            the same files (by size and time of change).
        progress (bool): Show a progress bar on stderr.
        n_bootstrap (int): Of the confidence intervals, see :class:`Report`.
        seed (int): Of the confidence intervals.

    Returns:
        Report: Scores of all tracks.

    Raises:
        FileNotFoundError: A folder, track or estimate is not there; the message lists them.
        ValueError: Lengths differ by 0.1 s or more (less is cut), channels differ, two files have
            one name, or an option is not known.

    Example:
        >>> report = evaluate_folders("test", "estimates", "all", jobs=4, output="scores")
        ... # doctest: +SKIP
        >>> report.table()  # doctest: +SKIP
    """
    names = parse_protocols(protocol)
    check_options(baseline, backend)
    _check_numbers(seconds, sample_rate, jobs, missing)
    settings = {
        "sources": None if sources is None else [str(source) for source in sources],
        "seconds": None if seconds is None else float(seconds),
        "sample_rate": None if sample_rate is None else int(sample_rate),
        "mono": bool(mono),
        "baseline": baseline,
        "backend": backend,
    }
    stored, todo = {}, []
    for track in find_tracks(Path(references), Path(estimates), settings["sources"], missing):
        task = {**track, "settings": settings}
        done = read_track(output, names, task) if output and resume else {}
        task["protocols"] = [name for name in names if name not in done]
        stored[track["name"]] = done
        if task["protocols"]:
            task["mono"] = settings["mono"] or all(PROTOCOLS[p].mono for p in task["protocols"])
            todo.append(task)
    # All headers first: a wrong file should be known before hours of scoring, not after.
    todo = [{**task, "layout": check_layout(task, task["mono"])} for task in todo]
    bar = "evaluate" if progress and todo else None
    for number, records in run_parallel(_evaluate_track, [(task,) for task in todo], jobs, bar):
        task = todo[number]
        stored[task["name"]].update(records)
        for name in records if output else ():
            write_track(output, name, task, records[name])
    ordered = {name: {p: done[p] for p in names} for name, done in stored.items()}
    report = Report(ordered, settings, n_bootstrap, seed)
    if output:
        from .plot import box_plot  # matplotlib takes long to import, also in every worker

        write_atomic(Path(output) / "tracks.csv", report.to_csv())
        write_atomic(Path(output) / "aggregate.json", report.to_json())
        write_atomic(Path(output) / "boxplot.png", box_plot(report))
    return report


def _check_numbers(seconds, sample_rate, jobs, missing):
    if seconds is not None and not 0 < seconds < math.inf:
        raise ValueError(f"seconds must be positive, got {seconds}")
    if sample_rate is not None and (sample_rate != int(sample_rate) or sample_rate < 1):
        raise ValueError(f"sample_rate must be a positive whole number of Hz, got {sample_rate}")
    check_at_least("jobs", jobs, 1)
    check_one_of("missing", missing, ("error", "skip"))


def _evaluate_track(task):
    """Records of one track, by protocol; runs in a worker."""
    settings, (rate, frames) = task["settings"], task["layout"]

    def load(path):
        wav = load_audio(path, rate, frames=frames)[0].numpy().astype(np.float64)
        return wav.mean(axis=0, keepdims=True) if task["mono"] else wav

    references = np.stack([load(path) for path in task["references"].values()])
    mixture = sum(load(path) for path in task["mixture"])
    estimates = np.zeros_like(references)
    for signal, path in zip(estimates, task["estimates"].values(), strict=True):
        if path is not None:
            signal[:] = load(path)
    return evaluate_signals(
        *(references, estimates, mixture),
        sample_rate=rate,
        protocol=task["protocols"],
        sources=list(task["references"]),
        baseline=settings["baseline"],
        backend=settings["backend"],
        missing=[source for source, path in task["estimates"].items() if path is None],
    )
