import copy
import logging

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.testing import assert_close
from torch.utils.data import DataLoader

from asteroid_instglow.prior import GlowPrior
from asteroid_instglow.training import system as system_module
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


@pytest.fixture(autouse=True)
def quiet_lightning():
    # Lightning sets its loggers up by hand; the warnings wanted here are the package's own.
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


class TestPriorSystem:
    def test_loss_is_the_nll_per_dimension(self):
        wav = make_batches(1)[0]
        system = make_system([wav])
        system.eval()

        assert_close(system.common_step(wav), nll(system.model, wav))

    def test_padding_a_batch_changes_nothing(self):
        prior = make_prior().train()
        long, short = make_batches(2, batch=1, time=320)
        short = short[:, :160]
        with torch.no_grad():
            prior(prior.magnitude(long))
        system = make_system([long], prior).eval()
        # Zeros behind the end instead of a reflection: let the compared one have them, too.
        padded = torch.cat([short, torch.zeros(1, 160)], 1)
        magnitude = prior.magnitude(padded)[..., : 1 + 160 // HOP]

        total, count = system.loss_terms([torch.cat([long, padded]), torch.tensor([320, 160])])

        wanted = -prior.log_prob(prior.magnitude(long)) - prior.log_prob(magnitude)
        assert_close(total, wanted.sum())
        assert count == prior.n_dims(prior.magnitude(long)) + prior.n_dims(magnitude)

    def test_training_lowers_the_loss(self):
        batches = make_batches(40)
        system = make_system(batches, val=batches[:1])

        fit(system, num_sanity_val_steps=-1)

        before, after = system.history[0]["loss"], system.history[-1]["loss"]
        assert after < before - 0.1

    @pytest.mark.parametrize("init_pieces, n_used", [(1, 3), (3, 3), (5, 6), (99, 9)])
    def test_first_validation_is_after_the_initialisation_from_data(self, init_pieces, n_used):
        batches = make_batches(3)
        system = make_system(batches, val=batches[:1], lr=1e-9)
        system.train_loader = DataLoader(batches.flatten(0, 1), batch_size=3)
        system.init_pieces = init_pieces

        fit(system, num_sanity_val_steps=-1, max_steps=1)

        prior = make_prior().train()
        with torch.no_grad():
            prior(prior.magnitude(batches.flatten(0, 1)[:n_used]))
        assert_close(system.history[0]["loss"], float(nll(prior, batches[0])))
        assert system.history[0]["step"] == 0

    def test_validation_is_the_mean_over_elements_not_over_batches(self):
        batches = make_batches(3)
        val = [batches[0], batches[1][:1, :96]]
        system = make_system(batches[:1], val=val)

        trainer = fit(system)

        prior = copy.deepcopy(system.model).eval()
        magnitudes = [prior.magnitude(wav) for wav in val]
        with torch.no_grad():
            totals = [-prior.log_prob(magnitude).sum() for magnitude in magnitudes]
        dims = [prior.n_dims(magnitude).sum() for magnitude in magnitudes]
        wanted = sum(totals) / sum(dims)
        assert_close(trainer.callback_metrics["val_loss"].float(), wanted)
        assert abs(wanted - (totals[0] / dims[0] + totals[1] / dims[1]) / 2) > 1e-3

    def test_gradient_is_clipped(self):
        norms = []

        class Watch(Callback):
            def on_train_batch_end(self, trainer, pl_module, *args):
                grads = [p.grad for p in pl_module.parameters() if p.grad is not None]
                norms.append(float(torch.nn.utils.get_total_norm(grads)))

        fit(make_system(100 * make_batches(3)), Watch(), gradient_clip_val=0.01)

        assert norms == pytest.approx([0.01] * 3, rel=1e-3)

    def test_clipping_by_value_is_refused(self):
        with pytest.raises(ValueError, match="gradient_clip_algorithm"):
            fit(make_system(make_batches(1)), gradient_clip_algorithm="value")

    @pytest.mark.parametrize("with_logger", [False, True])
    def test_config_of_strings_lists_and_none(self, tmp_path, with_logger):
        config = {
            "sources": ["bass", "drums"],
            "gain_db": [0.0, 6.0],
            "optim": {"ema": None, "names": []},
        }
        batches = make_batches(2)
        logger = pl.loggers.TensorBoardLogger(tmp_path) if with_logger else False

        system = make_system(batches, val=batches[:1], config=config)
        fit(system, logger=logger, log_every_n_steps=1)

        assert system.hparams["sources"] == "bass, drums"
        assert bool(list(tmp_path.rglob("events*"))) == with_logger

    def test_bf16_is_close_to_fp32(self):
        batches = make_batches(2)
        losses = {}
        for precision in ("32-true", "bf16-mixed"):
            system = make_system(batches, make_prior(), val=batches[:1])
            fit(system, precision=precision, num_sanity_val_steps=-1)
            losses[precision] = system.history[-1]["loss"]

        assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], abs=0.05)
        assert losses["bf16-mixed"] != losses["32-true"]

    def test_learning_rate_decays_with_the_steps(self):
        prior = make_prior()
        optimizer, scheduler = paper_optimizer(prior, 1e-3, step_size=2)
        system = PriorSystem(prior, optimizer, loader(make_batches(5)), scheduler=scheduler)

        fit(system)

        assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.3**2)


class Poison(Callback):
    """Makes the weights NaN before a step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            for parameter in pl_module.model.parameters():
                parameter.data.fill_(torch.nan)


class Record(Callback):
    """Keeps the weights and the optimiser's moments after every step."""

    def __init__(self):
        self.weights = []
        self.moments = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.weights.append(copy.deepcopy(pl_module.model.state_dict()))
        state = copy.deepcopy(pl_module.optimizer.state_dict()["state"])
        self.moments.append({(i, k): v for i, one in state.items() for k, v in one.items()})


class NanGradient(PriorSystem):
    """The loss of the second batch is finite, its gradient is not."""

    def loss_terms(self, batch):
        total, count = super().loss_terms(batch)
        if self.trainer.global_step == 1 and self.training:
            zero = sum(p.square().sum() for p in self.parameters()) * 0
            total = total + zero.sqrt()
        return total, count


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


class TestRollBack:
    @pytest.mark.parametrize("bad", [torch.nan, torch.inf])
    def test_a_bad_batch_leaves_no_trace(self, caplog, bad):
        batches = make_batches(4)
        with_bad = [batches[0], batches[1] * 0 + bad, *batches[1:]]
        systems = make_system(batches), make_system(with_bad)

        for system in systems:
            fit(system)

        assert same(systems[0].model.state_dict(), systems[1].model.state_dict())
        moments = [list(system.optimizer.state.values()) for system in systems]
        assert all(same(a, b) for a, b in zip(*moments))
        assert systems[1].n_skipped == 1
        assert "step 1" in caplog.text
        assert "skipped" in caplog.text

    def test_a_bad_gradient_is_caught(self, caplog):
        batches = make_batches(3)
        system = make_system(batches, cls=NanGradient)
        wanted = make_system([batches[0], batches[2]])

        fit(system)
        fit(wanted)

        assert system.n_skipped == 1
        assert "gradient norm nan" in caplog.text
        assert same(system.model.state_dict(), wanted.model.state_dict())

    def test_spoilt_weights_are_rolled_back(self, caplog, monkeypatch):
        monkeypatch.setattr(system_module, "SNAPSHOT_EVERY", 2)
        record = Record()
        system = make_system(make_batches(6), ema=0.9)

        fit(system, Poison(4), record)

        # The copy of step 2 is of the weights before its update: those after the one before.
        assert same(record.weights[4], record.weights[1])
        assert not same(record.weights[4], record.weights[3])
        assert same(record.moments[4], record.moments[1])
        assert not same(record.moments[4], record.moments[3])
        assert "rolled back" in caplog.text
        assert system.n_skipped == 1
        assert all(w.isfinite().all() for w in record.weights[5].values())
        assert all(w.isfinite().all() for w in system.average.state_dict().values())

    def test_two_bad_batches_in_a_row_roll_back(self, caplog):
        batches = make_batches(5)
        batches[2:4] = torch.nan
        record = Record()

        fit(make_system(batches), record)

        # The only copy is of the first good step, before its update.
        assert not same(record.weights[2], record.weights[3])
        assert "rolled back to step 0" in caplog.text
        assert not same(record.weights[3], record.weights[4])

    def test_only_bad_batches_is_an_error(self):
        batches = make_batches(12)
        batches[1:] = torch.nan

        with pytest.raises(RuntimeError, match="10 batches in a row"):
            fit(make_system(batches))

    def test_bad_first_batch_does_not_initialise(self, caplog):
        batches = make_batches(3)
        bad = batches.clone()
        bad[0] = torch.nan
        systems = []
        for wavs in (bad, batches[1:]):
            system = make_system([])
            system.train_loader = DataLoader(wavs.flatten(0, 1), batch_size=3)
            fit(system)
            systems.append(system)

        assert "batch 0 has NaN or inf: not used for the initialisation" in caplog.text
        assert same(systems[0].model.state_dict(), systems[1].model.state_dict())

    def test_average_is_rolled_back_too(self):
        batches = make_batches(4)
        with_bad = [*batches[:2], batches[0] * torch.nan, *batches[2:]]
        averages = []
        for wavs in (batches, with_bad):
            system = make_system(wavs, ema=0.5)
            fit(system)
            averages.append(system.average.state_dict())

        assert same(*averages)


class TestAverage:
    def test_is_the_moving_average(self):
        system, record = make_system(make_batches(7), ema=0.5), Record()

        fit(system, record)

        wanted = record.weights[0]
        for n, weights in enumerate(record.weights[1:], 1):
            decay = min(0.5, (1 + n) / (10 + n))
            for name, value in weights.items():
                if value.is_floating_point():
                    wanted[name] = decay * wanted[name] + (1 - decay) * value
                else:
                    wanted[name] = value
        got = system.average.module.state_dict()
        assert got.keys() == wanted.keys()
        assert_close(got, wanted)
        assert all(value for name, value in got.items() if "initialised" in name)

    def test_the_average_is_validated_and_the_weights_come_back(self):
        batches = make_batches(6)
        record = Record()
        system = make_system(batches, val=batches[:1], lr=0.1, ema=0.9)

        fit(system, record)

        assert same(system.model.state_dict(), record.weights[-1])
        of_average = float(nll(system.average.module, batches[0]))
        assert system.history[-1]["loss"] == pytest.approx(of_average, abs=1e-5)
        assert abs(of_average - float(nll(system.model, batches[0]))) > 1e-3

    @pytest.mark.parametrize("decay", [0, 1, -0.1, 1.5])
    def test_decay_must_be_a_fraction(self, decay):
        with pytest.raises(ValueError, match="ema must be"):
            make_system(make_batches(1), ema=decay)
