import copy
import json
import random

import numpy as np
import pytest
import torch
from prior_runs import TINY, assert_same_run, state, train, weights
from solo_folders import RATE, write_solos
from torch.testing import assert_close

from asteroid_instglow.data import SoloDataset, find_solos
from asteroid_instglow.prior import GlowPrior
from asteroid_instglow.training.prior_system import PriorSystem


class TestTraining:
    def test_lowers_the_validation_nll(self, solos, tmp_path):
        record = train(solos, tmp_path, n_steps=40, val_every=20)

        assert record["nll_after"] < record["nll_before"] - 0.2
        assert [row["step"] for row in record["history"]] == [0, 20, 40]

    def test_record_tells_what_was_exported(self, solos, tmp_path):
        held_out = write_solos(tmp_path / "held out", n=2)
        record = train(solos, tmp_path / "prior", validation_data=held_out, ema=0.5)

        assert json.loads((tmp_path / "prior" / "training.json").read_text()) == record
        assert record["data"]["validation"]["recordings"] == 2
        assert record["arguments"]["model"]["source"] == "tone"
        assert record["versions"]["torch"] in torch.__version__
        prior = GlowPrior.from_pretrained(tmp_path / "prior")
        dataset = SoloDataset(
            files=find_solos(held_out, "tone"),
            segment=0.1,
            sample_rate=RATE,
            random=False,
            progress=False,
        )
        with torch.no_grad():
            wav = torch.stack([dataset[i] for i in range(len(dataset))])
            nll = float(prior(prior.magnitude(wav)))
        assert nll == pytest.approx(record["nll_after"], abs=1e-5)

    @pytest.mark.parametrize("ema", [None, 0.5])
    def test_best_or_last_is_exported(self, solos, tmp_path, ema):
        # So large a step makes it worse.
        options = {"n_steps": 6, "val_every": 1, "lr": 0.5, "ema": ema}
        best = train(solos, tmp_path / "best", **options)
        last = train(solos, tmp_path / "last", keep="last", **options)

        assert best["history"] == last["history"]
        assert best["nll_after"] == min(row["nll"] for row in best["history"])
        assert last["nll_after"] == last["history"][-1]["nll"] > best["nll_after"]
        assert not torch.equal(
            *(weights(tmp_path / name)["flow.steps.transforms.0.bias"] for name in ("best", "last"))
        )
        prior = GlowPrior.from_pretrained(tmp_path / "last")
        run = state(tmp_path / "last")
        for name, value in prior.state_dict().items():
            prefix = "model" if ema is None else "average.module"
            assert torch.equal(value, run["state_dict"][f"{prefix}.{name}"])

    def test_seed_decides(self, solos, tmp_path):
        for name, seed in [("a", 0), ("b", 0), ("c", 1)]:
            train(solos, tmp_path / name, seed=seed)

        assert_same_run(tmp_path / "a", tmp_path / "b")
        key = "flow.steps.transforms.1.weight"
        assert not torch.equal(weights(tmp_path / "a")[key], weights(tmp_path / "c")[key])

    def test_workers_change_nothing(self, solos, tmp_path):
        train(solos, tmp_path / "0")
        train(solos, tmp_path / "1", num_workers=1)

        assert_same_run(tmp_path / "0", tmp_path / "1")

    def test_random_numbers_of_the_caller_are_left_alone(self, solos, tmp_path):
        before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()

        train(solos, tmp_path)

        assert torch.equal(torch.get_rng_state(), before[0])
        assert (np.random.get_state()[1] == before[1]).all()
        assert random.getstate() == before[2]

    def test_a_prior_is_trained_on(self, solos, tmp_path):
        train(solos, tmp_path / "first", n_steps=20)
        prior = GlowPrior.from_pretrained(tmp_path / "first")
        given = copy.deepcopy(prior.state_dict())

        record = train(solos, tmp_path / "second", n_steps=1, lr=1e-9, model=prior)

        first = json.loads((tmp_path / "first" / "training.json").read_text())
        # Of what was exported, the best step: which one that is depends on the random numbers of
        # dropout, which differ between versions of PyTorch.
        assert record["nll_before"] == pytest.approx(first["nll_after"], abs=1e-4)
        assert_close(weights(tmp_path / "second"), given)

    def test_an_encoder_stays_with_its_prior(self, solos, tmp_path):
        train(solos, tmp_path)
        prior = GlowPrior.from_pretrained(tmp_path)
        prior.add_encoder({"width": 4})
        prior.save_pretrained(tmp_path)
        before = prior.state_dict()

        train(solos, tmp_path, n_steps=6)

        after = weights(tmp_path)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved
        assert all(name.startswith("flow.") for name in moved)
        train(solos, tmp_path, resume=False)
        assert GlowPrior.from_pretrained(tmp_path).encoder is None

    @pytest.mark.parametrize("broken", ["model.safetensors", "config.json"])
    @pytest.mark.parametrize("damage", ["lost", "cut short"])
    def test_broken_weights_are_written_anew(self, solos, tmp_path, caplog, broken, damage):
        train(solos, tmp_path)
        before, path = weights(tmp_path), tmp_path / broken
        content = path.read_bytes()
        path.unlink()
        if damage == "cut short":
            path.write_bytes(content[:-9])

        train(solos, tmp_path)

        assert path.read_bytes() == content
        assert_close(weights(tmp_path), before, rtol=0, atol=0)
        noted = "is broken and is written anew" in caplog.text
        assert noted == ((broken, damage) != ("config.json", "lost"))

    def test_broken_batches_are_counted(self, solos, tmp_path, monkeypatch):
        loss_terms = PriorSystem.loss_terms

        def with_nan(self, batch):
            bad = self.training and self.trainer.global_step == 2
            return loss_terms(self, batch * torch.nan if bad else batch)

        monkeypatch.setattr(PriorSystem, "loss_terms", with_nan)

        record = train(solos, tmp_path, n_steps=5)

        assert (record["skipped"], record["steps"]) == (1, 5)
        assert np.isfinite(record["nll_after"])

    def test_bar_is_on_stderr(self, solos, tmp_path, capsys):
        train(solos, tmp_path, progress=True)

        shown = capsys.readouterr()
        assert "training tone" in shown.err
        assert "loss=" in shown.err
        assert not shown.out

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"n_steps": 0}, "n_steps must be a whole number"),
            ({"batch_size": 2.0}, "batch_size must be a whole number"),
            ({"batch_size": 3, "devices": 2}, "batch_size must be a multiple of devices = 2"),
            ({"seed": -1}, "seed must be"),
            ({"lr": 0.0}, "lr must be a number from"),
            ({"precision": "16"}, "precision must be one of 32, bf16-mixed"),
            ({"keep": "all"}, "keep must be one of"),
            ({"ema": 1.0}, "ema must be"),
            ({"segment": 0.0}, "segment must be"),
            ({"model": GlowPrior("other", **TINY)}, "model must be a prior of 'tone'"),
        ],
    )
    def test_bad_arguments_are_refused(self, solos, tmp_path, options, message):
        with pytest.raises(ValueError, match=message):
            train(solos, tmp_path / "prior", **options)
        assert not (tmp_path / "prior").exists()

    def test_missing_data_is_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            train(tmp_path / "nothing", tmp_path / "prior")

    def test_output_that_is_a_file_is_refused(self, solos, tmp_path):
        (tmp_path / "prior").write_text("")
        with pytest.raises(ValueError, match="output must be a folder"):
            train(solos, tmp_path / "prior")
