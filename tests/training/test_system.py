import copy

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from small_systems import Record, fit, loader, make_batches, make_prior, make_system, nll, same
from torch.testing import assert_close
from torch.utils.data import DataLoader

from asteroid_instglow.training import prior_system
from asteroid_instglow.training.prior_system import PriorSystem, paper_optimizer


class TestPriorSystem:
    def test_loss_is_the_nll_per_dimension(self):
        wav = make_batches(1)[0]
        system = make_system([wav])
        system.eval()

        assert_close(system.common_step(wav), nll(system.model, wav))

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
                grads = [p.grad.norm() for p in pl_module.parameters() if p.grad is not None]
                norms.append(float(torch.stack(grads).norm()))

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

    def test_learning_rate_decays_with_the_steps(self, monkeypatch):
        monkeypatch.setattr(prior_system, "DECAY_STEPS", 2)
        prior = make_prior()
        optimizer, scheduler = paper_optimizer(prior, 1e-3)
        system = PriorSystem(prior, optimizer, loader(make_batches(5)), scheduler=scheduler)

        fit(system)

        assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.3**2)


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
