"""One training of a baseline: its data, its length, its place; and Lightning's part of it."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch
from torch.optim.lr_scheduler import LambdaLR

from ..data import as_folders, data_digest, list_sources, split_by_source
from ..training.checkpoints import checkpoint_to_resume, trained_weights
from ..training.loaders import shard_loader, stream_loader
from ..training.options import TrainingOptions
from ..training.record import outcome
from ..training.trainer import fit

DECAY_FROM = 0.5


@dataclass(frozen=True)
class Run:
    """What :meth:`Baseline.fit` gets; see :func:`~.training.train_baseline`.

    Args:
        files (dict): Recordings of each source to train on, in the order of the output.
        held_out (dict): Likewise, to validate on.
        output (Path): Folder of the model.
        model (dict): Arguments of the constructor, "sources" and "sample_rate" among them.
        n_steps (int): Batches, or iterations.
        batch_size (int): Items of a batch.
        segment (float): Length of an item, seconds.
        lr (float): Learning rate.
        val_every (int): Steps between validations.
        seed, resume, precision, num_workers, progress, time_limit, accelerator,
        checkpoint_minutes: As those of :class:`~asteroid_instglow.training.TrainingOptions`.
    """

    files: dict
    held_out: dict
    output: Path
    model: dict
    n_steps: int
    batch_size: int = 1
    segment: float = 2.0
    lr: float = 1e-3
    val_every: int = 100
    seed: int = 0
    resume: bool = True
    precision: str = "32"
    num_workers: int = 0
    progress: bool = True
    time_limit: float | None = None
    accelerator: str = "auto"
    checkpoint_minutes: float = 5.0

    options: TrainingOptions = field(init=False)

    def __post_init__(self):
        names = (f.name for f in fields(TrainingOptions) if hasattr(self, f.name))
        options = TrainingOptions(**{name: getattr(self, name) for name in names})
        object.__setattr__(self, "options", options)

    @property
    def sources(self):
        """Names of the sources."""
        return list(self.files)

    @property
    def arguments(self):
        """What a run to resume must have in common with this one: plain types."""
        names = ("n_steps", "batch_size", "segment", "lr", "seed", "precision")
        return {**{name: getattr(self, name) for name in names}, "model": self.model}

    @property
    def device(self):
        """Where to compute what Lightning does not."""
        wanted = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return torch.device("cuda" if wanted else "cpu")


def fit_module(
    run,
    module,
    system_class,
    output,
    train,
    validation,
    keep="best",
    clip=None,
    bar=None,
    betas=(0.9, 0.999),
    weight_decay=0.0,
):
    """Trains a module with Adam, whose rate falls to zero in the second half.

    Args:
        run (Run): The training.
        module (nn.Module): Gets the weights that were learnt.
        system_class (type): Subclass of :class:`~asteroid_instglow.training.system.TrainingSystem`.
        output (Path): Folder for ``checkpoints/`` and ``logs/``.
        train (Dataset): Endless. validation (Dataset): With an end.
        keep (str): "best" or "last" weights.
        clip (float, optional): Largest norm of the gradient.
        bar (str, optional): What is trained, for the progress bar.
        betas (tuple), weight_decay (float): Of Adam.

    Returns:
        dict: Record of the training, see :func:`~asteroid_instglow.training.record.outcome`.
    """
    held_out = {f"validation {name}": files for name, files in run.held_out.items()}
    digest = data_digest({**run.files, **held_out})
    checkpoint = checkpoint_to_resume(output, run.options, run.arguments, digest)
    optimizer = torch.optim.Adam(module.parameters(), run.lr, betas, weight_decay=weight_decay)

    def factor(step):
        return min(1.0, max(0.0, 1 - step / run.n_steps) / (1 - DECAY_FROM))

    counts = {
        part: {name: len(files) for name, files in found.items()}
        for part, found in (("train", run.files), ("validation", run.held_out))
    }
    system = system_class(
        module,
        optimizer,
        stream_loader(train, run.batch_size, run.num_workers),
        shard_loader(validation, run.batch_size),
        {"scheduler": LambdaLR(optimizer, factor), "interval": "step"},
        config={**run.arguments, "data_digest": digest, "data": counts},
    )
    options = replace(run.options, progress=run.progress and bar is not None)
    fit(system, output, options, checkpoint, clip, bar or "")
    module.to("cpu").load_state_dict(trained_weights(output, keep))
    return outcome(output, run.n_steps, keep)


def find_files(data, sources, validation_data, seed):
    """Recordings of each source, for training and for validation.

    Args:
        data (str, Path or list of them): Folders, see :func:`~asteroid_instglow.data.find_solos`.
        sources (list[str], optional): Names; by default all that the folders hold.
        validation_data (str, Path or list of them, optional): Likewise; by default a tenth of the
            recordings of each source is set aside.
        seed (int): Which of them.

    Returns:
        tuple: Two dicts of lists by source.
    """
    if sources is None:
        sources = list_sources(data)
    if not sources:
        roots = ", ".join(map(str, as_folders(data)))
        raise ValueError(f"data must hold recordings, got none in {roots}")
    return split_by_source(sources, data, validation_data, seed)
