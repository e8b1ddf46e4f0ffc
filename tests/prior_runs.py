"""Small trainings of a prior, and what they left."""

import torch
from solo_folders import RATE

from asteroid_instglow.prior import GlowPrior
from asteroid_instglow.training.checkpoints import load_checkpoint
from asteroid_instglow.training.prior import train_prior

TINY = {
    "sample_rate": RATE,
    "n_fft": 32,
    "hop_length": 8,
    "n_blocks": 2,
    "hidden": 8,
    "n_layers": 2,
    "dropout": 0.5,
}


def train(solos, output, n_steps=4, **options):
    options = {
        "batch_size": 2,
        "segment": 0.1,
        "lr": 1e-2,
        "val_every": 3,
        "model": TINY,
        "progress": False,
        "accelerator": "cpu",
        **options,
    }
    return train_prior("tone", solos, output, n_steps=n_steps, **options)


def state(output, name="last.ckpt"):
    return load_checkpoint(output / "checkpoints" / name)


def differences(a, b, where=""):
    """Places where two nests of plain types and tensors are not the same bit for bit."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [d for key in a for d in differences(a[key], b[key], f"{where}/{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, pair in enumerate(zip(a, b)) for d in differences(*pair, f"{where}/{i}")]
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if torch.equal(a, b) else [where]
    return [] if a == b else [f"{where}: {a!r} != {b!r}"]


def assert_same_run(one, other, skip=()):
    """Everything that a run remembers is the same, save Lightning's counts of loops."""
    a, b = state(one), state(other)
    assert {"state_dict", "optimizer_states", "lr_schedulers", "callbacks"} <= a.keys()
    a, b = ({k: v for k, v in run.items() if k not in ("loops", *skip)} for run in (a, b))
    assert not differences(a, b)
    assert not differences(dict(weights(one)), dict(weights(other)))


def weights(output):
    return GlowPrior.from_pretrained(output).state_dict()
