import json

import pytest
import torch
from conftest import tiny_prior
from solo_folders import RATE, write_solos

from asteroid_instglow.encoder.joint import JointEncoder
from asteroid_instglow.prior import GlowPrior
from asteroid_instglow.training.checkpoints import load_checkpoint
from asteroid_instglow.training.encoder import take_encoder, train_encoder
from asteroid_instglow.training.joint import pretrain_encoders

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


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


def test_pretraining_is_resumed_exactly(solos, tmp_path):
    pretrain(solos, tmp_path / "parts", time_limit=1e-9)
    pretrain(solos, tmp_path / "parts")
    pretrain(solos, tmp_path / "whole")

    one, other = (JointEncoder.from_pretrained(tmp_path / name) for name in ("parts", "whole"))
    for weight, whole in zip(one.parameters(), other.parameters()):
        assert torch.equal(weight, whole)


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
