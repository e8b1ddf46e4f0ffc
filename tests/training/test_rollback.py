"""Bad batches leave no trace, and spoilt weights are rolled back."""

import pytest
import torch
from pytorch_lightning.callbacks import Callback
from small_systems import Record, fit, make_batches, make_system, same
from torch.utils.data import DataLoader

from asteroid_instglow.training import system as system_module
from asteroid_instglow.training.prior_system import PriorSystem


class Poison(Callback):
    """Makes the weights NaN before a step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            for parameter in pl_module.model.parameters():
                parameter.data.fill_(torch.nan)


class NanGradient(PriorSystem):
    """The loss of the second batch is finite, its gradient is not."""

    def loss_terms(self, batch):
        total, count = super().loss_terms(batch)
        if self.trainer.global_step == 1 and self.training:
            zero = sum(p.square().sum() for p in self.parameters()) * 0
            total = total + zero.sqrt()
        return total, count


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
