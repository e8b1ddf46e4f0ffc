"""Small systems of a prior, fitted to noise."""

import copy

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.data import DataLoader

from asteroid_instglow.prior import GlowPrior
from asteroid_instglow.training.prior_system import PriorSystem, paper_optimizer

N_FFT, HOP = 32, 8


def make_prior(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return GlowPrior(
        "tone",
        sample_rate=8000,
        n_fft=N_FFT,
        hop_length=HOP,
        n_blocks=2,
        hidden=8,
        n_layers=2,
        dropout=dropout,
    )


def make_batches(n=4, batch=3, time=160, seed=0):
    return torch.rand(n, batch, time, generator=torch.Generator().manual_seed(seed)) - 0.5


class EachBatch(torch.utils.data.Dataset):
    """Batches that are ready: the loader's batch size is None."""

    def __init__(self, batches):
        self.batches = list(batches)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def loader(batches):
    return DataLoader(EachBatch(batches), batch_size=None)


def make_system(batches, prior=None, val=None, lr=1e-2, config=None, cls=PriorSystem, ema=None):
    prior = make_prior() if prior is None else prior
    optimizer, scheduler = paper_optimizer(prior, lr)
    val = None if val is None else loader(val)
    return cls(prior, optimizer, loader(batches), val, scheduler, config, ema)


def fit(system, *callbacks, **options):
    options = {"max_epochs": 1, "gradient_clip_val": 4.0, **options}
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=options.pop("logger", False),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **options,
    )
    trainer.fit(system)
    return trainer


def nll(prior, wav):
    prior = copy.deepcopy(prior).eval()
    with torch.no_grad():
        return prior(prior.magnitude(wav))


class Record(Callback):
    """Keeps the weights and the optimiser's moments after every step."""

    def __init__(self):
        self.weights = []
        self.moments = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.weights.append(copy.deepcopy(pl_module.model.state_dict()))
        state = copy.deepcopy(pl_module.optimizer.state_dict()["state"])
        self.moments.append({(i, k): v for i, one in state.items() for k, v in one.items()})


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)
