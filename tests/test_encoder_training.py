import json

import pytest
import torch
from conftest import tiny_prior
from test_training import RATE, write_solos

from asteroid_instglow.encoder_training import train_encoder
from asteroid_instglow.fitting import load_checkpoint
from asteroid_instglow.prior import GlowPrior

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
