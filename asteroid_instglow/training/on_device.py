"""Training of an encoder with everything on one device: mixtures, effects, steps.

Without data loaders and transfers between processor and GPU, a GPU learns from hundreds of excerpts
a second. A run is decided by its seed and number of steps; one that was stopped goes on
exactly.
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.on_device import DeviceMixtures
from ..encoder.base import Encoder
from ..encoder.loss import encoder_loss
from ..utils.files import write_atomic
from ..weights.tensors import write_pickle
from .encoder_optimizer import encoder_optimizer

log = logging.getLogger(__name__)
WARM_STEPS = 5  # not counted when the speed is measured: they compile
MEASURED_STEPS = 20
REPORT_EVERY = 10  # steps: reading the loss waits for the device
MAX_SKIPPED = 20  # steps in a row without a finite gradient, after which a run is refused


@dataclass(frozen=True)
class DeviceRun:
    """How an encoder is trained on a device.

    Args:
        n_steps (int, optional): Number of steps; None: as many as fit into ``seconds``.
        seconds (float): Time for the steps where ``n_steps`` is None.
        lr (float): Learning rate of the matrices between features (Muon).
        adam_lr (float): Learning rate of all other parameters (Adam).
        ema (float): Decay of the average of the weights, which is the result.
        clip (float): Largest norm of the gradient.
        compile (bool): Compile the network.
        checkpoint (Path, optional): File to save to and to go on from.
        checkpoint_seconds (float): Time between checkpoints.
    """

    n_steps: int | None = None
    seconds: float = 60.0
    lr: float = 0.02
    adam_lr: float = 2e-3
    ema: float = 0.999
    clip: float = 1.0
    compile: bool = False
    checkpoint: Path | None = None
    checkpoint_seconds: float = 60.0


def train_on_device(
    encoder: Encoder,
    mixtures: DeviceMixtures,
    run: DeviceRun,
    progress: Callable[[int, int, float], None] | None = None,
) -> dict:
    """Trains an encoder in place and leaves it the averaged weights.

    Args:
        encoder (Encoder): Encoder of ``n_src`` sources, on the device of ``mixtures``.
        mixtures (DeviceMixtures): Source of the batches.
        run (DeviceRun): Length, rates and checkpoint.
        progress (Callable, optional): Called every ``REPORT_EVERY`` steps with the step, the number
            of steps and the averaged loss.

    Returns:
        dict: "steps", "skipped", "loss", "mixtures_per_second", "seconds".

    Raises:
        RuntimeError: If gradients stay NaN or infinite.
    """
    device = next(encoder.parameters()).device
    loop = _Loop(encoder, mixtures, run, device)
    with compiled(encoder) if run.compile else contextlib.nullcontext():
        start, n_steps, seconds = _train(loop, progress)
    encoder.load_state_dict(loop.average)
    done = max(1, n_steps - start)
    return {
        "steps": n_steps,
        "skipped": int(loop.skipped),
        "loss": loop.loss(),
        "mixtures_per_second": round(done * mixtures.batch_size / max(seconds, 1e-9), 1),
        "seconds": round(seconds, 1),
        "run": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(run).items()},
    }


@contextlib.contextmanager
def compiled(encoder: Encoder) -> Iterator[Encoder]:
    """Runs the body of a band-split encoder compiled inside the context."""
    network: Any = encoder
    if hasattr(network, "features"):
        network.features = torch.compile(network.features)
    try:
        yield encoder
    finally:
        vars(encoder).pop("features", None)


def _train(
    loop: "_Loop", progress: Callable[[int, int, float], None] | None
) -> tuple[int, int, float]:
    start = loop.restore()
    run = loop.run
    n_steps = loop.n_steps or start + loop.measure(start)
    loop.schedule(n_steps)
    began, saved = time.monotonic(), time.monotonic()
    for step in range(start, n_steps):
        loop.step(step)
        if progress is not None and ((step + 1) % REPORT_EVERY == 0 or step + 1 == n_steps):
            progress(step + 1, n_steps, loop.loss())
        if step % 50 == 0 or step + 1 == n_steps:
            loop.refuse_nan()
        if run.checkpoint and time.monotonic() - saved > run.checkpoint_seconds:
            loop.save(step + 1)
            saved = time.monotonic()
    return start, n_steps, time.monotonic() - began


class _Loop:
    # The state of a run: weights, their average, the optimizer.

    def __init__(
        self, encoder: Encoder, mixtures: DeviceMixtures, run: DeviceRun, device: torch.device
    ):
        self.encoder, self.mixtures, self.run, self.device = encoder, mixtures, run, device
        self.state: Any = None
        self.n_steps = run.n_steps
        self.average = {k: v.detach().clone() for k, v in encoder.state_dict().items()}
        self.skipped = torch.zeros((), device=device, dtype=torch.long)
        self.in_a_row = torch.zeros((), device=device, dtype=torch.long)
        self.smooth = torch.zeros((), device=device)
        self.taken = 0

    def schedule(self, n_steps: int) -> None:
        self.n_steps = n_steps
        self.optimizer, schedule = encoder_optimizer(
            self.encoder, n_steps, self.run.lr, self.run.adam_lr
        )
        self.scheduler = schedule["scheduler"]
        if self.state is not None:
            self.optimizer.load_state_dict(self.state["optimizer"])
            self.scheduler.load_state_dict(self.state["scheduler"])
            self.state = None

    def measure(self, start: int) -> int:
        # Number of steps that fit into the time, from the speed of the first few.
        saved = {k: v.detach().clone() for k, v in self.encoder.state_dict().items()}
        self.schedule(10**6)
        for i in range(WARM_STEPS + MEASURED_STEPS):
            if i == WARM_STEPS:
                self._synchronise()
                began = time.monotonic()
            self.step(start + i)
        self._synchronise()
        pace = (time.monotonic() - began) / MEASURED_STEPS
        self.encoder.load_state_dict(saved)
        self.average = saved
        self.taken = 0
        self.skipped.zero_()
        log.info("%.1f steps a second", 1 / pace)
        return max(1, round(self.run.seconds / pace))

    def step(self, number: int) -> None:
        encoder = self.encoder.train()
        batch = self.mixtures.batch(number)
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")
        with half:
            loss = encoder_loss(encoder, batch).mean()
        self.optimizer.zero_grad()
        loss.backward()
        parameters = [p for p in encoder.parameters() if p.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.run.clip)
        # Without waiting for the device: a gradient that is not finite moves nothing.
        finite = norm.isfinite() & loss.isfinite()
        for parameter in parameters:
            grad: Any = parameter.grad
            parameter.grad = torch.where(finite, grad, 0.0)
        self.skipped += ~finite
        self.in_a_row = (self.in_a_row + 1) * ~finite
        self.optimizer.step()
        self.scheduler.step()
        self._average()
        value = torch.where(finite, loss.detach(), self.smooth)
        self.smooth = value if self.taken == 0 else self.smooth.lerp(value, 0.02)
        self.taken += 1

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.run.ema, (self.taken + 1) / (self.taken + 10))
        own = self.encoder.state_dict()
        names = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in names], [own[n] for n in names], 1 - decay)
        for name in own.keys() - set(names):
            self.average[name].copy_(own[name])

    def loss(self) -> float:
        return float(self.smooth)

    def refuse_nan(self) -> None:
        if int(self.in_a_row) >= MAX_SKIPPED or not math.isfinite(self.loss()):
            raise RuntimeError(
                f"the last {int(self.in_a_row)} gradients are NaN or infinite: lower lr, or train "
                "with compile=False"
            )

    def save(self, step: int) -> None:
        state = {
            "step": step,
            "n_steps": self.n_steps,
            "taken": self.taken,
            "smooth": self.smooth,
            "skipped": self.skipped,
            "model": self.encoder.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }
        write_atomic(self.run.checkpoint or "", lambda path: write_pickle(path, state))

    def restore(self) -> int:
        self.state = None
        if not (self.run.checkpoint and Path(self.run.checkpoint).exists()):
            return 0
        state = torch.load(self.run.checkpoint, map_location=self.device, weights_only=True)
        self.encoder.load_state_dict(state["model"])
        self.average, self.smooth = state["average"], state["smooth"]
        self.taken, self.skipped = state["taken"], state["skipped"]
        self.n_steps, self.state = state["n_steps"], state
        return state["step"]

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
