"""Several processes do what one does."""

import json
import subprocess
import sys

import pytest
import torch
from prior_runs import TINY, state, train
from torch.testing import assert_close

from asteroid_instglow.training import loaders
from asteroid_instglow.training.loaders import Shard, StreamBatches


class TestSharing:
    def test_processes_share_a_batch_out(self, monkeypatch):
        batches = StreamBatches(6)
        batches.start = 5
        joint = iter(batches)
        wanted = [next(joint) for _ in range(3)]
        parts = []
        for rank in range(3):
            monkeypatch.setattr(loaders, "_rank", lambda rank=rank: (rank, 3))
            part = iter(batches)
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
