import copy
import json
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from solo_folders import RATE, write_solos
from torch.testing import assert_close

from asteroid_instglow.data import SoloDataset, find_solos
from asteroid_instglow.prior import GlowPrior
from asteroid_instglow.training import loaders
from asteroid_instglow.training.checkpoints import load_checkpoint
from asteroid_instglow.training.loaders import Shard, StreamBatches
from asteroid_instglow.training.prior import train_prior
from asteroid_instglow.training.prior_system import PriorSystem

TINY = {
    "sample_rate": RATE,
    "n_fft": 32,
    "hop_length": 8,
    "n_blocks": 2,
    "hidden": 8,
    "n_layers": 2,
    "dropout": 0.5,
}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def solos(tmp_path_factory):
    return write_solos(tmp_path_factory.mktemp("solos"))


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


def send(number, monkeypatch, step):
    def on_train_batch_end(self, outputs, batch, batch_idx):
        if self.trainer.global_step == step:
            signal.raise_signal(number)

    # The module's hook comes after the callbacks': as if sent during the next step.
    monkeypatch.setattr(PriorSystem, "on_train_batch_end", on_train_batch_end, raising=False)


class TestResume:
    @pytest.mark.parametrize("ema", [None, 0.9])
    def test_is_bit_for_bit(self, solos, tmp_path, ema):
        train(solos, tmp_path / "whole", n_steps=7, ema=ema)
        for n_steps in (3, 6, 7):  # at a validation, and at the end of one
            torch.rand(n_steps)
            train(solos, tmp_path / "parts", n_steps=n_steps, ema=ema)

        assert_same_run(tmp_path / "whole", tmp_path / "parts")

    @pytest.mark.parametrize("step", [1, 2])  # stops before a validation, and at one
    @pytest.mark.parametrize(
        "number, error", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
    )
    def test_after_a_signal(self, solos, tmp_path, monkeypatch, step, number, error):
        handler = signal.getsignal(number)
        train(solos, tmp_path / "whole", n_steps=7, ema=0.5)
        with monkeypatch.context() as patch:
            send(number, patch, step)
            with pytest.raises(error) as raised:
                train(solos, tmp_path / "parts", n_steps=7, ema=0.5)
        assert number == signal.SIGINT or raised.value.code == 143

        assert state(tmp_path / "parts")["global_step"] == step + 1
        assert not (tmp_path / "parts" / "model.safetensors").exists()
        assert signal.getsignal(number) is handler
        train(solos, tmp_path / "parts", n_steps=7, ema=0.5)
        assert_same_run(tmp_path / "whole", tmp_path / "parts")

    def test_second_ctrl_c_does_not_wait(self, solos, tmp_path, monkeypatch):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(PriorSystem, "on_train_batch_end", on_train_batch_end, raising=False)

        with pytest.raises(KeyboardInterrupt):
            train(solos, tmp_path, n_steps=7)

    def test_after_a_kill_goes_on_from_the_last_checkpoint(self, solos, tmp_path, monkeypatch):
        train(solos, tmp_path / "whole", n_steps=6)

        def on_train_batch_start(self, batch, batch_idx):
            if self.trainer.global_step == 4:
                raise OSError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(PriorSystem, "on_train_batch_start", on_train_batch_start, raising=False)
            with pytest.raises(OSError, match="killed"):
                train(solos, tmp_path / "parts", n_steps=6, checkpoint_minutes=1e-9)

        assert state(tmp_path / "parts")["global_step"] == 4
        train(solos, tmp_path / "parts", n_steps=6)
        assert_same_run(tmp_path / "whole", tmp_path / "parts")

    def test_time_limit_stops_validates_and_exports(self, solos, tmp_path):
        record = train(solos, tmp_path / "parts", n_steps=7, time_limit=1e-9)

        assert (record["steps"], record["finished"]) == (1, False)
        assert [row["step"] for row in record["history"]] == [0, 1]
        again = train(solos, tmp_path / "parts", n_steps=7)
        assert again["finished"]
        train(solos, tmp_path / "whole", n_steps=7)
        assert_same_run(tmp_path / "whole", tmp_path / "parts", ("loops", "training_state"))

    def test_finished_run_is_left_alone(self, solos, tmp_path):
        first = train(solos, tmp_path)
        before = (tmp_path / "checkpoints" / "last.ckpt").stat().st_mtime_ns

        second = train(solos, tmp_path)

        assert (tmp_path / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before
        assert second["history"] == first["history"]

    def test_other_arguments_are_refused(self, solos, tmp_path):
        train(solos, tmp_path)
        with pytest.raises(ValueError, match="batch_size must be 2 .* got 4"):
            train(solos, tmp_path, batch_size=4)
        with pytest.raises(ValueError, match="model must be"):
            train(solos, tmp_path, model={**TINY, "hidden": 12})

        assert train(solos, tmp_path, batch_size=4, resume=False)["steps"] == 4

    def test_damaged_checkpoint_is_refused(self, solos, tmp_path):
        train(solos, tmp_path)
        path = tmp_path / "checkpoints" / "last.ckpt"
        path.write_bytes(path.read_bytes()[:-2000])

        with pytest.raises(ValueError, match="last.ckpt is no checkpoint"):
            train(solos, tmp_path, n_steps=6)


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
        assert record["nll_before"] == pytest.approx(first["nll_last"], abs=1e-4)
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


class TestSharing:
    def test_processes_share_a_batch_out(self, monkeypatch):
        joint = iter(StreamBatches(6, start=5))
        wanted = [next(joint) for _ in range(3)]
        parts = []
        for rank in range(3):
            monkeypatch.setattr(loaders, "_rank", lambda rank=rank: (rank, 3))
            part = iter(StreamBatches(6, start=5))
            parts.append([next(part) for _ in range(3)])

        assert [sum(shares, []) for shares in zip(*parts)] == wanted
        assert wanted[0] == list(range(30, 36))

    def test_shards_cover_each_item_once(self, monkeypatch):
        seen = []
        for rank in range(3):
            monkeypatch.setattr(loaders, "_rank", lambda rank=rank: (rank, 3))
            shard = Shard(10)
            assert len(list(shard)) == len(shard)
            seen += list(shard)

        assert sorted(seen) == list(range(10))


SCRIPT = """
import sys, torch
from pytorch_lightning.callbacks import Callback
from asteroid_instglow.training import trainer
from asteroid_instglow.training.prior import train_prior

class Dump(trainer.SeedSteps):
    def on_train_start(self, trainer, pl_module):
        torch.save(pl_module.model.state_dict(), {output!r} + f"/rank{{trainer.global_rank}}.pth")

trainer.SeedSteps = Dump

if __name__ == "__main__":
    train_prior("tone", {data!r}, {output!r}, n_steps=1, batch_size=4, segment=0.1, lr=1e-2,
                val_every=3, model={model!r}, progress=False, accelerator="cpu", devices=2)
"""


def test_two_processes_do_what_one_does_with_the_joint_batch(solos, tmp_path):
    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir()
    model = {**TINY, "dropout": 0.0}
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(data=str(solos), output=str(two), model=model))

    subprocess.run([sys.executable, script], check=True, capture_output=True, timeout=300)
    train(solos, one, n_steps=1, batch_size=4, model=model)

    ranks = [torch.load(two / f"rank{rank}.pth", weights_only=True) for rank in (0, 1)]
    assert_close(ranks[0], ranks[1], rtol=0, atol=0)
    assert all(bool(value) for name, value in ranks[0].items() if "initialised" in name)
    (start, end), (start_one, end_one) = (
        json.loads((run / "training.json").read_text())["history"] for run in (two, one)
    )
    assert start["nll"] == pytest.approx(start_one["nll"], abs=1e-6)
    assert end["train_nll"] == pytest.approx(end_one["train_nll"], abs=1e-6)
    # The gradients, before Adam makes whole steps of rounding errors.
    moments, moments_one = (
        [one["exp_avg"] for one in state(run)["optimizer_states"][0]["state"].values()]
        for run in (two, one)
    )
    assert_close(moments, moments_one, rtol=1e-4, atol=1e-7)
    assert max(float(moment.abs().max()) for moment in moments) > 1e-4
