"""Damaged and hostile model files are refused, and none of their code is run."""

import shutil

import pytest
import torch
from conftest import tiny_prior
from saved_models import Malicious, edit, same_weights

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.weights.base import load_model


def test_the_wrong_kind(prior, separator, tmp_path):
    prior.save_pretrained(tmp_path / "p")
    separator.save_pretrained(tmp_path / "s")
    torch.save({"model_name": "ConvTasNet", "model_args": {}, "state_dict": {}}, tmp_path / "c.pth")

    with pytest.raises(ValueError, match='got a GlowPrior .*from_pretrained.{2}"bass": "'):
        GenerativeSeparator.from_pretrained(tmp_path / "p")
    with pytest.raises(ValueError, match="got a GenerativeSeparator .*of bass, e piano"):
        GlowPrior.from_pretrained(tmp_path / "s")
    with pytest.raises(ValueError, match="got a ConvTasNet .*BaseModel.from_pretrained"):
        GlowPrior.from_pretrained(tmp_path / "c.pth")
    with pytest.raises(
        ValueError, match="must hold a GenerativeSeparator or GlowPrior or JointEncoder, got a Conv"
    ):
        load_model(tmp_path / "c.pth")


def test_damage(prior, separator, tmp_path):
    prior.save_pretrained(tmp_path / "good")

    def broken(name):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "good", folder)
        return folder, folder / "model.safetensors"

    folder, weights = broken("flipped")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="hashes differ"):
        GlowPrior.from_pretrained(folder)
    folder, weights = broken("newer")
    edit(folder, format=3)
    weights.unlink()  # said before anything else
    with pytest.raises(ValueError, match="format 3, this version reads up to 2: upgrade"):
        GlowPrior.from_pretrained(folder)
    folder, _ = broken("argument")
    edit(folder, model_args={"spline": True})
    with pytest.raises(ValueError, match="other arguments than this.*spline"):
        GlowPrior.from_pretrained(folder)
    with pytest.raises(TypeError, match="spline"):
        GlowPrior.from_pretrained(tmp_path / "good", spline=True)
    folder, _ = broken("shape")
    edit(folder, arg_hidden=6)
    with pytest.raises(ValueError, match="weights do not fit.*size mismatch"):
        GlowPrior.from_pretrained(folder)
    with pytest.raises(FileNotFoundError, match="no config.json"):
        GlowPrior.from_pretrained(tmp_path)


@pytest.mark.parametrize("place", ["./../bass", "./priors/..", "/etc", "../s", "./priors/a/b", 3])
def test_a_separator_does_not_read_outside_its_folder(separator, tmp_path, place):
    separator.save_pretrained(tmp_path / "s")
    tiny_prior("bass", n_blocks=1).save_pretrained(tmp_path / "bass")
    edit(tmp_path / "s", priors={"bass": place})

    with pytest.raises(ValueError, match="priors must lie in ./priors/"):
        GenerativeSeparator.from_pretrained(tmp_path / "s")


def test_a_malicious_pickle_is_refused_and_not_run(prior, tmp_path):
    trace = tmp_path / "it was run"
    package = prior.serialize() | {"infos": Malicious(trace)}
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (tmp_path / "model.pth", folder / "pytorch_model.bin"):
        for new in (True, False):
            torch.save(package, path, _use_new_zipfile_serialization=new)
            for load in (GlowPrior.from_pretrained, load_model):
                with pytest.raises(ValueError, match="nothing in it was run"):
                    load(path if path.suffix == ".pth" else folder)
    assert not trace.exists()
    torch.load(tmp_path / "model.pth", weights_only=False)  # it would have been
    assert trace.exists()

    # Beside safetensors it is not even looked at.
    prior.save_pretrained(tmp_path / "good")
    shutil.copy(folder / "pytorch_model.bin", tmp_path / "good")
    assert same_weights(GlowPrior.from_pretrained(tmp_path / "good"), prior)
    (tmp_path / "good" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="no config.json"):
        GlowPrior.from_pretrained(tmp_path / "good")


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x02.", b"PK\3\4", b"\x80\x02}q\0X"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.pth"):
        GlowPrior.from_pretrained(tmp_path / "model.pth")
