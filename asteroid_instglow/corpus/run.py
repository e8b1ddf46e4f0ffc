"""Separates a corpus on the machines of a Ray cluster, or on this one."""

import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tqdm import tqdm

from ..audio.naming import TEMPLATE
from ..utils.checks import check_above_zero, check_at_least, check_whole
from ..utils.extras import check_installed
from .limits import TimeLimit
from .listing import CorpusSong
from .manifest import FOLDER, CorpusManifest
from .storage import Place
from .worker import SongWorker

logger = logging.getLogger(__name__)

MAX_FAILURES = 100  # songs in a row, after which the fault is not the songs'
MAX_STARTS = 3  # of workers that end before they are ready, in a row
PATIENCE = 60.0  # seconds without news, after which a warning says what is waited for
STORE_BYTES = 80 * 2**20  # the least: no audio goes through Ray's object store


def separate_corpus(
    songs: Sequence[CorpusSong],
    output: str | Path,
    load: Callable[[], Any],
    *,
    ray_address: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0.0,
    retries: int = 2,
    timeout: float | None = None,
    progress: bool = True,
    made_with: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Separates many songs, each into a folder of stems.

    Each worker is a Ray actor that loads the model once. A song is tried again if its worker ends
    or hangs, or if it fails for another reason than that it is no audio. Called again with the same
    output, the run goes on: songs that are done are skipped, those that failed get another chance.
    The stems of a song appear as a set on local disks; on object stores the manifest says which
    sets are whole, see :class:`~.manifest.CorpusManifest`.

    Args:
        songs (Sequence[CorpusSong]): From :func:`list_songs`.
        output (str | Path): Path or URL of the folder of all stems, which every worker can reach;
            new, or that of an earlier run.
        load (Callable): Function without arguments that returns the model, a
            :class:`~asteroid_instglow.adapter.Separator`; it runs in every worker.
        ray_address (str, optional): Of a cluster, "auto" or "ray://host:10001" say; by default a
            Ray of its own starts on this machine, and ends with the run.
        workers (int, optional): Number of workers; by default one for each processor core of the
            cluster, or as many as its GPUs have room for.
        num_gpus (float): GPUs of a worker; 0.25 puts four on one.
        retries (int): How often a song is tried again.
        timeout (float, optional): Seconds after which the worker of a song is killed and replaced,
            and the song counts as failed; by default many times what a song of its size takes, see
            :class:`~.limits.TimeLimit`.
        progress (bool): Whether to show a bar on stderr.
        made_with (dict, optional): Plain types that name the model: a run goes on only with the
            same.
        **options: Of :meth:`~asteroid_instglow.adapter.Separator.file_separate`.

    Returns:
        dict: "done", "skipped" (done earlier; numbers), "failed" (a list of "path", "track",
        "attempts", "error"), "workers", "audio_seconds" and "seconds" (of this run).

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ValueError: If an argument is out of range, or ``output`` holds something else.
        RuntimeError: If no worker can start, or ``MAX_FAILURES`` songs in a row fail.

    Examples:
        .. code-block:: python

            load = functools.partial(GenerativeSeparator.from_pretrained, "band")
            separate_corpus(list_songs("music", "stems"), "stems", load)
    """
    if workers is not None:
        check_whole("workers", workers, 1)
    check_whole("retries", retries, 0)
    check_at_least("num_gpus", num_gpus, 0)
    if timeout is not None:
        check_above_zero("timeout", timeout)
    if len({song.track for song in songs}) < len(songs):
        raise ValueError("songs must have different tracks, two have the same")
    if len(songs) > 1 and "{track}" not in options.get("name", TEMPLATE):
        raise ValueError(f"name must contain {{track}} for several songs, got {options['name']!r}")
    check_installed("ray")
    import ray

    place, began = Place(output), time.monotonic()
    options = {"progress": False, **options}
    with CorpusManifest(place, {**(made_with or {}), **options}) as manifest:
        todo, failed = _not_done(songs, manifest.tracks)
        answer: dict[str, Any] = {
            "done": 0,
            "skipped": len(songs) - len(todo) - len(failed),
            "failed": failed,
        }
        answer |= {"workers": 0, "audio_seconds": 0.0}
        bar = tqdm(total=len(songs), initial=len(songs) - len(todo), disable=not progress)
        bar.set_description("separating")
        if todo:
            with bar, _cluster(ray, ray_address, workers, num_gpus) as n_workers:
                answer["workers"] = min(n_workers, len(todo))
                make = ray.remote(num_cpus=1, num_gpus=num_gpus)(SongWorker).remote
                start = functools.partial(make, load, str(place), options)
                pool = _Pool(ray, start, answer["workers"], TimeLimit(timeout))
                for record in pool.separate(todo, retries):
                    manifest.add(record)
                    _count(answer, record)
                    bar.set_postfix(failed=len(failed), refresh=False)
                    bar.update()
        return {**answer, "seconds": round(time.monotonic() - began, 1)}


def _not_done(
    songs: Sequence[CorpusSong], tracks: dict[str, str]
) -> tuple[list[CorpusSong], list[dict[str, Any]]]:
    # The songs to separate, and the records of those whose names are taken.
    todo, failed = [], []
    for song in songs:
        owner = tracks.get(song.track)
        if owner is None and song.track.partition("/")[0] != FOLDER:
            todo.append(song)
        elif owner != song.path:
            error = f"its stems would replace {f'those of {owner}' if owner else 'the manifest'}"
            failed.append({**song._asdict(), "attempts": 0, "error": error})
    return todo, failed


def _count(answer: dict[str, Any], record: dict[str, Any]) -> None:
    if record["status"] == "done":
        answer["done"] += 1
        answer["audio_seconds"] += record.get("seconds", 0.0)
    else:
        kept = ("path", "track", "attempts", "error")
        answer["failed"].append({name: record[name] for name in kept})


class _Pool:
    # The workers of a run. A song goes only to a worker that has started: others may wait for room
    # in the cluster for ever.

    def __init__(self, ray: ModuleType, make: Callable[[], Any], n_workers: int, limit: TimeLimit):
        self._ray, self._make, self._limit = ray, make, limit
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, CorpusSong, int, float]] = {}
        self._failed_starts = 0
        for _ in range(n_workers):
            self._start()

    def separate(self, songs: Sequence[CorpusSong], retries: int) -> Iterator[dict[str, Any]]:
        """Yields the record of each song once, when it is done or has failed for good."""
        todo = deque((song, 1) for song in songs)
        in_a_row = 0
        while todo or self._running:
            while self._idle and todo:
                worker, (song, attempt) = self._idle.pop(), todo.popleft()
                began = time.monotonic()
                self._running[worker.separate.remote(*song)] = worker, song, attempt, began
            for song, attempt, result in self._wait():
                again = result.pop("again", False)
                if again and attempt <= retries:
                    todo.append((song, attempt + 1))
                    continue
                in_a_row = in_a_row + 1 if again else 0
                yield {**song._asdict(), "attempts": attempt, **result}
                if in_a_row == MAX_FAILURES:
                    raise RuntimeError(
                        f"{MAX_FAILURES} songs in a row have failed, the last with "
                        f"{result['error']}; the same command goes on"
                    )

    def _start(self) -> None:
        worker = self._make()
        self._starting[worker.name.remote()] = worker

    def _wait(self) -> Any:
        # Waits for news, and returns the songs that have a result.
        waiting = [*self._running, *self._starting]
        left = [self._left(*running) for running in self._running.values()]
        patience = max(0.0, min([PATIENCE, *left]))
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=patience)
        if len(waiting) > 1 and ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        elif not ready and not self._running:
            logger.warning("no worker is ready yet: the cluster may have no room for one")
        results = []
        for ref in ready:
            if ref in self._starting:
                self._welcome(ref)
            else:
                results.append(self._collect(ref))
        late = [ref for ref, running in self._running.items() if self._left(*running) <= 0]
        return results + [self._give_up(ref) for ref in late]

    def _left(self, worker: Any, song: CorpusSong, attempt: int, began: float) -> float:
        return began + self._limit(song) - time.monotonic()

    def _give_up(self, ref: Any) -> Any:
        worker, song, attempt, began = self._running.pop(ref)
        why = f"it took more than {self._limit(song):.0f} s"
        logger.info("%s: %s", song.path, why)
        self._ray.kill(worker)
        self._start()
        return song, attempt, {"status": "failed", "error": why, "again": True}

    def _welcome(self, ref: Any) -> None:
        worker = self._starting.pop(ref)
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts == MAX_STARTS:
                raise RuntimeError(f"no worker can start: {_last_line(error)}") from error
            self._start()
        else:
            self._failed_starts = 0
            self._idle.append(worker)

    def _collect(self, ref: Any) -> Any:
        worker, song, attempt, _ = self._running.pop(ref)
        try:
            result = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            # Killed, out of memory, or its machine is gone.
            why = f"its worker ended: {type(error).__name__}"
            logger.info("%s: %s: %s", song.path, why, error)
            self._start()
            return song, attempt, {"status": "failed", "error": why, "again": True}
        self._idle.append(worker)
        self._limit.learn(song, result["took"] if "seconds" in result else None)
        return song, attempt, result


@contextmanager
def _cluster(
    ray: ModuleType, address: str | None, workers: int | None, num_gpus: float
) -> Iterator[int]:
    # Connects to Ray, and yields the number of workers.
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    own = not ray.is_initialized()
    here = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    try:
        if own:
            ray.init(address or "local", **(here if address is None else {}), **quiet)
    except Exception as error:
        # Ray gives its own processes some 30 s, and raises errors of many types.
        raise RuntimeError(f"Ray did not start: {_last_line(error)}") from error
    try:
        room = ray.cluster_resources()
        fitting = int(room.get("CPU", 0))
        if num_gpus:
            # A worker never spans two GPUs with a fraction of each.
            per_gpu = int(1 / num_gpus) if num_gpus <= 1 else 1 / num_gpus
            fitting = min(fitting, int(room.get("GPU", 0) * per_gpu))
        if fitting < 1:
            raise ValueError(
                f"num_gpus must be what the cluster has room for, got {num_gpus:g} for a worker "
                f"of {room.get('GPU', 0):g} GPUs and {room.get('CPU', 0):g} processor cores in all"
            )
        yield workers or fitting
    finally:
        if own:
            ray.shutdown()


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1]
