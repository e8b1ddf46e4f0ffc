import json
import os
import pickle
import socket
import subprocess
import sys

import pytest
import torch
from conftest import tiny_prior
from solo_folders import RATE, write_solos

from asteroid_instglow.encoder.joint import JointEncoder
from asteroid_instglow.encoder.loss import encoder_loss
from asteroid_instglow.prior import GlowPrior
from asteroid_instglow.training import encoder as encoder_module
from asteroid_instglow.training.checkpoints import load_checkpoint
from asteroid_instglow.training.encoder import train_encoder
from asteroid_instglow.training.initial import take_encoder
from asteroid_instglow.training.joint import pretrain_encoders


@pytest.fixture(scope="module")
def solos(tmp_path_factory):
    root = write_solos(tmp_path_factory.mktemp("solos"), n=4)
    (write_solos(root / "others", n=3) / "tone").rename(root / "hum")
    (root / "others").rmdir()
    return root


def train(solos, prior, **options):
    if not (prior / "config.json").is_file():
        tiny_prior("tone", sample_rate=RATE).save_pretrained(prior)
    options = {"n_steps": 4, "val_every": 2, "validation_items": 2, "segment": 0.6, **options}
    return train_encoder(
        prior, solos, batch_size=2, model={"width": 4}, progress=False, accelerator="cpu", **options
    )


def test_the_record_tells_what_was_done_and_on_what(solos, tmp_path):
    record = train(solos, tmp_path)

    assert json.loads((tmp_path / "encoder.json").read_text()) == record
    assert record["source"] == "tone" and record["data"] == {"tone": 3, "hum": 2}
    assert (record["steps"], record["finished"], record["skipped"]) == (4, True, 0)
    assert [row["step"] for row in record["history"]] == [0, 2, 4]
    assert set(record["history"][0]) == {"step", "loss", "train_loss"}
    losses = [row["loss"] for row in record["history"]]
    assert (record["loss_before"], record["loss_after"]) == (losses[0], losses[-1])
    assert record["versions"]["torch"] in torch.__version__ and record["hardware"]["machine"]
    assert GlowPrior.from_pretrained(tmp_path).encoder.heard == ["tone", "hum"]


def test_a_finished_run_is_left_alone_and_told_again(solos, tmp_path):
    first = train(solos, tmp_path)
    checkpoint = tmp_path / "encoder/checkpoints/last.ckpt"
    before = checkpoint.stat().st_mtime_ns
    (tmp_path / "encoder.json").unlink()

    second = train(solos, tmp_path)

    assert checkpoint.stat().st_mtime_ns == before
    assert {**second, "seconds": first["seconds"]} == first


def test_a_stopped_run_says_so_and_goes_on(solos, tmp_path):
    stopped = train(solos, tmp_path / "parts", time_limit=1e-9)
    assert (stopped["steps"], stopped["finished"]) == (1, False)

    train(solos, tmp_path / "parts")
    train(solos, tmp_path / "whole")

    for weight, whole in zip(
        *(GlowPrior.from_pretrained(tmp_path / name).parameters() for name in ("parts", "whole"))
    ):
        assert torch.equal(weight, whole)


def test_the_last_weights_are_exported(solos, tmp_path):
    train(solos, tmp_path)

    last = load_checkpoint(tmp_path / "encoder/checkpoints/last.ckpt")["state_dict"]
    for name, weight in GlowPrior.from_pretrained(tmp_path).encoder.state_dict().items():
        assert torch.equal(weight, last[f"model.{name}"])


def pretrain(solos, output, **options):
    options = {"n_steps": 3, "val_every": 3, "validation_items": 2, "segment": 0.6, **options}
    return pretrain_encoders(
        ["tone", "hum"],
        solos,
        output,
        batch_size=2,
        model={"width": 4},
        sample_rate=RATE,
        progress=False,
        accelerator="cpu",
        **options,
    )


def untrained_steps(solos, prior, init):
    """The encoder that a training of almost no learning rate leaves: what it started from."""
    train(solos, prior, n_steps=1, lr=1e-12, init=init)
    return dict(GlowPrior.from_pretrained(prior).encoder.named_parameters())


def test_sources_learn_together_and_each_goes_on_from_there(solos, tmp_path):
    record = pretrain(solos, tmp_path / "joint")
    assert record == json.loads((tmp_path / "joint" / "encoder.json").read_text())
    assert record["sources"] == ["tone", "hum"] and record["data"] == {"tone": 3, "hum": 2}

    joint = JointEncoder.from_pretrained(tmp_path / "joint").encoder_of("tone")
    started = untrained_steps(solos, tmp_path / "tone", tmp_path / "joint")

    for name, weight in joint.named_parameters():
        torch.testing.assert_close(started[name], weight, msg=name)


def test_a_new_source_starts_from_the_body_of_another_prior(solos, tmp_path):
    train(solos, tmp_path / "tone")
    tiny_prior("hum", sample_rate=RATE).save_pretrained(tmp_path / "hum")

    before = dict(GlowPrior.from_pretrained(tmp_path / "tone").encoder.named_parameters())
    started = untrained_steps(solos, tmp_path / "hum", tmp_path / "tone")

    for name, weight in before.items():
        same = torch.allclose(started[name], weight, atol=1e-5)
        assert same != name.startswith("mask."), name


def test_what_cannot_be_started_from_is_refused(solos, tmp_path):
    tiny_prior("hum", sample_rate=RATE).save_pretrained(tmp_path / "hum")
    with pytest.raises(ValueError, match="init must hold an encoder, the prior in .* has none"):
        train(solos, tmp_path / "tone", init=tmp_path / "hum")
    with pytest.raises(ValueError, match="sources must be two or more that learn together"):
        pretrain_encoders(["tone"], solos, tmp_path / "joint")


def test_another_round_goes_on_from_a_joint_encoder(solos, tmp_path):
    pretrain(solos, tmp_path / "first")
    pretrain(solos, tmp_path / "second", init=tmp_path / "first", n_steps=1, lr=1e-12)

    one, other = (JointEncoder.from_pretrained(tmp_path / name) for name in ("first", "second"))
    for (name, weight), again in zip(one.named_parameters(), other.parameters()):
        torch.testing.assert_close(again, weight, msg=name)
    with pytest.raises(ValueError, match="sources must be those of init"):
        pretrain_encoders(["hum", "tone"], solos, tmp_path / "third", init=tmp_path / "first")


def test_an_encoder_is_taken_as_it_is(solos, tmp_path):
    pretrain(solos, tmp_path / "joint")
    tiny_prior("hum", sample_rate=RATE).save_pretrained(tmp_path / "hum")

    record = take_encoder(tmp_path / "hum", tmp_path / "joint")

    assert record["steps"] == 0 and record["source"] == "hum"
    taken = GlowPrior.from_pretrained(tmp_path / "hum").encoder
    assert taken.heard == ["tone", "hum"]
    joint = JointEncoder.from_pretrained(tmp_path / "joint").encoder_of("hum")
    for weight, expected in zip(taken.parameters(), joint.parameters()):
        assert torch.equal(weight, expected)
    tiny_prior("organ", sample_rate=RATE).save_pretrained(tmp_path / "organ")
    with pytest.raises(ValueError, match="init must have an encoder of 'organ'"):
        take_encoder(tmp_path / "organ", tmp_path / "joint")


# One of two processes, which tells what it heard last and what it learned.
ONE_OF_TWO = """
import torch
from asteroid_instglow.training import trainer
from asteroid_instglow.training.encoder import train_encoder
from asteroid_instglow.encoder.loss import encoder_loss
from asteroid_instglow.training.joint import pretrain_encoders

class Dump(trainer.SeedSteps):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self.heard = batch.clone()

    def on_train_end(self, trainer, pl_module):
        path = trainer.default_root_dir + f"/rank{{trainer.global_rank}}.pth"
        torch.save({{"heard": self.heard, "weights": pl_module.model.state_dict()}}, path)

trainer.SeedSteps = Dump
options = dict({options}, devices=2)
train_encoder({prior!r}, {data!r}, n_steps=2, time_limit=1e-9, **options)
pretrain_encoders(["tone", "hum"], {data!r}, {joint!r}, n_steps=1, sample_rate={rate}, **options)
"""


def run_as_torchrun_does(script):
    """Runs a script in two processes, with the variables that torchrun sets."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    common = {"TORCHELASTIC_RUN_ID": "1", "GROUP_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = []
    for rank in (0, 1):
        variables = {**common, "RANK": rank, "LOCAL_RANK": rank}
        env = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        processes.append(subprocess.Popen([sys.executable, script], env=env, stderr=-1))
    for process in processes:
        told = process.communicate(timeout=500)[1].decode()
        assert process.returncode == 0, told


def system_of(monkeypatch, solos, output, **options):
    """The system of a joint encoder, which is not trained."""
    systems = []

    def keep(system, *_):
        systems.append(system)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(encoder_module, "fit", keep)
        pretrain_encoders(["tone", "hum"], solos, output, sample_rate=RATE, **options)
    return systems[0]


def test_two_processes_share_a_batch_and_average_the_gradients(solos, tmp_path, monkeypatch):
    options = {"val_every": 2, "validation_items": 3, "segment": 0.6, "batch_size": 4}
    options |= {"model": {"width": 4}, "progress": False, "accelerator": "cpu"}
    tiny_prior("tone", sample_rate=RATE).save_pretrained(tmp_path / "prior")
    script = tmp_path / "two.py"
    places = {name: str(tmp_path / name) for name in ("prior", "joint")} | {"data": str(solos)}
    script.write_text(ONE_OF_TWO.format(options=options, rate=RATE, **places))
    run_as_torchrun_does(script)

    for name in ("prior", "joint"):
        run = tmp_path / name / "encoder"
        ranks = [torch.load(run / f"rank{rank}.pth", weights_only=True) for rank in (0, 1)]
        torch.testing.assert_close(ranks[0]["weights"], ranks[1]["weights"], rtol=0, atol=0)
    # What one process begins with. The norms take the statistics of each half.
    system = system_of(monkeypatch, solos, tmp_path / "one", n_steps=1, **options)
    halves = next(iter(system.train_loader)).split(2)
    for half, rank in zip(halves, ranks, strict=True):
        assert torch.equal(half, rank["heard"])
        (encoder_loss(system.model.train(), half).mean() / 2).backward()
    torch.nn.utils.clip_grad_norm_(system.model.parameters(), encoder_module.CLIP)
    state = load_checkpoint(tmp_path / "joint/encoder/checkpoints/last.ckpt")["optimizer_states"][0]
    weights = [weight for group in system.optimizer.param_groups for weight in group["params"]]
    for number, weight in enumerate(weights):
        kept = state["state"][number]
        average = kept["momentum"] / 0.05 if "momentum" in kept else kept["mean"] / 0.1
        assert float((average - weight.grad).abs().max()) < 1e-3 * float(weight.grad.abs().max())

    # The encoder stopped after a step; one process goes on with what two began.
    stopped = json.loads((tmp_path / "prior/encoder.json").read_text())
    assert (stopped["steps"], stopped["finished"]) == (1, False)
    done = train_encoder(tmp_path / "prior", solos, n_steps=2, **options)
    assert (done["steps"], done["finished"]) == (2, True)


def test_a_system_is_rebuilt_in_another_process(solos, tmp_path, monkeypatch):
    options = {"batch_size": 2, "segment": 0.6, "model": {"width": 4}, "progress": False}
    system = system_of(monkeypatch, solos, tmp_path, devices=2, ema=0.9, **options)
    again = pickle.loads(pickle.dumps(system))
    assert again.config == system.config and again.ema == 0.9
    for name, weight in system.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name
    assert torch.equal(next(iter(again.train_loader)), next(iter(system.train_loader)))
