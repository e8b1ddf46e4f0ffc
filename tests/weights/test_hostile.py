"""Damaged and hostile models: one clear error, in bounded time and memory, and no code is run."""

import json
import os
import resource
import shutil
import struct
import time

import pytest
import torch
from conftest import tiny_prior
from safetensors.torch import load_file, save_file
from saved_models import Malicious, edit, same_weights

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.cli import main
from asteroid_instglow.weights.base import load_model


@pytest.fixture
def folder(tmp_path):
    tiny_prior("bass", 1, n_blocks=1).save_pretrained(tmp_path / "bass")
    return tmp_path / "bass"


def check_refused(folder, match=""):
    """Loading fails with one clear error within 20 s and 500 MB, and so does the command."""
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((ValueError, FileNotFoundError), match=match) as caught:
        load_model(folder)
    assert len(str(caught.value)) < 3000 and str(folder) in str(caught.value)
    assert time.monotonic() - begin < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


WRONG = {
    "arg_n_blocks": [10**9, 10**30, -1, "4", None, 1.5],
    "arg_hidden": [10**6],
    "arg_n_layers": [10**9],
    "arg_kernel_size": [10**9 + 1],
    "arg_dilation_rate": [10**9],
    "arg_n_fft": [2**40, 0, float("nan"), [1024]],
    "arg_hop_length": [0, -16],
    "arg_sample_rate": [2**31 - 1, 0, float("inf")],
    "arg_n_split": [0],
    "arg_n_sqz": [0, 2**30],
    "arg_dropout": [7.0],
    "arg_encoder": [3, {"width": 2**20}, {"n_layers": 10**9}, {"architecture": "os"}]
    + [{"architecture": "band-split", "bands": [[10**9, 1]]}],
    "arg_source": ["../../evil", "/abs/x", "a\nb", "a\0b", 3],
    "arg_unknown": [1],
    "model_args": [[], None],
    "model_name": ["os.system", "ConvTasNet", None],
    "format": [10**9, "2", None],
    "sha256": ["x", {"model.safetensors": "0" * 64}],
    "card": [{"unknown": 1}, "mit"],
    "cards": [[1]],
    "license": [3],
    "priors": [{"bass": "../bass"}, {"bass": "./priors/none"}, {"../x": "user/bass"}, {}],
}


@pytest.mark.parametrize("changes", [{n: v} for n in WRONG for v in WRONG[n]], ids=str)
def test_a_configuration_that_no_model_has(folder, changes):
    edit(folder, **changes)
    check_refused(folder)


@pytest.mark.parametrize("name", ["../../evil", "/abs/x", "...", "a\nb", "a\0b", "", "x" * 300])
def test_names_that_become_paths(folder, tmp_path, name):
    prior = GlowPrior.from_pretrained(folder)
    with pytest.raises(ValueError, match="source name must"):
        GenerativeSeparator({name: prior})
    GenerativeSeparator({"bass": prior}).save_pretrained(tmp_path / "s")
    edit(tmp_path / "s", arg_priors={name: prior.get_model_args()})
    check_refused(tmp_path / "s", "source name must")


def test_nan_in_the_weights_names_the_prior(folder, tmp_path):
    priors = {name: tiny_prior(name, i, n_blocks=1) for i, name in enumerate(["bass", "drums"])}
    with torch.no_grad():
        priors["drums"].flow.steps.transforms[0].bias[3] = float("nan")
    GenerativeSeparator(priors).save_pretrained(tmp_path / "s")
    check_refused(tmp_path / "s", "weights hold NaN or infinite values .prior 'drums'")


def rewrite(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    edit(folder, sha256={})


def test_damaged_weights(folder):
    whole = (folder / "model.safetensors").read_bytes()
    for size in (0, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        rewrite(folder, whole[:size])
        check_refused(folder, "model.safetensors is damaged")
    huge = {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
    for header in (b"{}", b"[", b"\xff" * 8, json.dumps({"x": huge}).encode()):
        rewrite(folder, struct.pack("<Q", len(header)) + header)
        check_refused(folder)
    rewrite(folder, struct.pack("<Q", 2**62) + b"{")
    check_refused(folder, "is damaged")


def test_names_that_stand_for_others(folder):
    """Metadata that points nowhere, in a circle, or from one tensor to another of another shape."""
    path = folder / "model.safetensors"
    state = load_file(path)
    first, second = list(state)[:2]
    edit(folder, sha256={})
    for metadata in ({first: "none"}, {first: second, second: first}, {"x": first}):
        kept = {name: value for name, value in state.items() if name not in metadata}
        save_file(kept, path, {"format": "pt", **metadata})
        check_refused(folder)


def test_things_that_are_no_files(folder, tmp_path):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for make in (os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        weights.unlink()
        make(weights)
        check_refused(folder, "has no model.safetensors")
        os.rmdir(weights) if weights.is_dir() else weights.unlink()
        weights.write_bytes(whole)
    weights.unlink()
    weights.symlink_to(tmp_path / "elsewhere")
    check_refused(folder, "has no model.safetensors")
    (tmp_path / "elsewhere").write_bytes(whole)  # as in the cache of the Hub's client
    assert load_model(folder).source == "bass"
    os.mkfifo(tmp_path / "fifo")
    check_refused(tmp_path / "fifo")


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', "[" * 10**6, "", "null", "\0" * 100, '{"a": 1e999}', "{}", "{" * 10**5]
)
def test_a_configuration_that_is_none(folder, text):
    (folder / "config.json").write_text(text)
    check_refused(folder, "config.json")
    (folder / "config.json").write_text(" " * (1 << 25))
    check_refused(folder, "larger than")


@pytest.mark.parametrize("args", [{"n_blocks": 10**9}, {"hidden": 10**6}, {"n_fft": 2**40}])
def test_a_pickle_with_absurd_arguments(folder, tmp_path, args):
    package = GlowPrior.from_pretrained(folder).serialize()
    package["model_args"] |= args
    torch.save(package, tmp_path / "a.pth")
    check_refused(tmp_path / "a.pth")
    package["state_dict"] = {"x": torch.zeros(1).expand(2**40)}
    torch.save(package, tmp_path / "a.pth")
    check_refused(tmp_path / "a.pth")


def test_a_mistyped_folder_is_not_looked_for_on_the_hub(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    GenerativeSeparator({"bass": load_model(folder)}).save_pretrained("priors/bass")
    for wrong, says in (
        ("priors/bas", "did you mean priors/bass?"),
        ("priors/bass/priors/bas", "has no prior bas; its priors are bass"),
        (tmp_path / "bas", "did you mean"),
        (tmp_path / "nowhere" / "bass", "no folder or file"),
        ("minislak", "did you mean minislakh?"),
        ("a=b=c", "no folder or file b=c"),
        (f"../../evil={folder}", "source name must not start with a dot"),
        (f"={folder}", "source name must be a string that is not empty"),
        ("x" * 5000, "no folder or file"),
        ("a\0b", "must be a path or a name"),
    ):
        assert main(["separate", "x.wav", "--priors", str(wrong), "-o", str(tmp_path / "o")]) == 2
        error = capsys.readouterr().err
        assert says in error and "Hub" not in error and len(error.splitlines()) == 1


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
