"""One training of a baseline: its data, options and folder, and the part that Lightning runs."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset

from ..data import Solo, data_digest
from ..training.checkpoints import checkpoint_to_resume, trained_weights
from ..training.options import TrainingOptions
from ..training.pace import device_of
from ..training.record import outcome
from ..training.system import TrainingSystem
from ..training.trainer import fit, make_system

DECAY_FROM = 0.5
Files = dict[str, list[Solo]]


@dataclass(frozen=True)
class Run:
    """Data, options and folder of a training, see :func:`~.training.train_baseline`.

    Args:
        files (dict): Recordings of each source to train on, in the order of the output.
        held_out (dict): Recordings of each source to validate on.
        output (Path): Folder of the model.
        model (dict): Arguments of the constructor, among them "sources" and "sample_rate".
        options (TrainingOptions): How to train.
    """

    files: Files
    held_out: Files
    output: Path
    model: dict
    options: TrainingOptions

    @property
    def sources(self) -> list[str]:
        """Names of the sources."""
        return list(self.files)

    @property
    def arguments(self) -> dict:
        """Plain arguments that a run to resume must have in common with this one."""
        names = ("n_steps", "batch_size", "segment", "lr", "seed", "precision")
        return {**{name: getattr(self.options, name) for name in names}, "model": self.model}

    @property
    def device(self) -> torch.device:
        """Device for computations outside Lightning."""
        return device_of(self.options.accelerator)


def fit_module(
    run: Run,
    module: nn.Module,
    system_class: type[TrainingSystem],
    output: Path,
    train: Dataset,
    validation: Dataset,
    keep: str = "best",
    clip: float | None = None,
    name: str = "",
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> dict:
    """Trains a module with Adam, whose rate falls to zero in the second half.

    Args:
        run (Run): The training.
        module (nn.Module): Gets the trained weights.
        system_class (type): Lightning system of the module.
        output (Path): Folder for ``checkpoints/`` and ``logs/``.
        train (Dataset): Endless items to train on.
        validation (Dataset): Items to validate on.
        keep (str): "best" or "last" weights.
        clip (float, optional): Largest norm of the gradient.
        name (str): Name on the progress bar.
        betas (tuple), weight_decay (float): Arguments of Adam.

    Returns:
        dict: Record of the training, see :func:`~asteroid_instglow.training.record.outcome`.
    """
    options = run.options
    held_out = {f"validation {source}": files for source, files in run.held_out.items()}
    digest = data_digest({**run.files, **held_out})
    checkpoint = checkpoint_to_resume(output, options, run.arguments, digest)
    optimizer = torch.optim.Adam(module.parameters(), options.lr, betas, weight_decay=weight_decay)

    def factor(step: int) -> float:
        return min(1.0, max(0.0, 1 - step / options.n_steps) / (1 - DECAY_FROM))

    counts = {
        part: {source: len(files) for source, files in found.items()}
        for part, found in (("train", run.files), ("validation", run.held_out))
    }
    optimizing = optimizer, {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
    config = {**run.arguments, "data_digest": digest, "data": counts}
    parts = (train, validation, options, config)
    system = make_system(system_class, module, optimizing, parts)
    options = replace(options, progress=options.progress and name != "")
    fit(system, output, options, checkpoint, clip, name)
    module.to("cpu").load_state_dict(trained_weights(output, keep))
    return outcome(output, options.n_steps, keep)
