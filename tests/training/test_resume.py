"""A training that was stopped goes on bit for bit."""

import signal

import pytest
import torch
from prior_runs import TINY, assert_same_run, state, train

from asteroid_instglow.training.prior_system import PriorSystem


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
