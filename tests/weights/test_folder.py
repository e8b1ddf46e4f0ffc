"""Writing a model folder: whole or not at all, whatever fails or is killed."""

import copy
import itertools
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import tiny_prior
from saved_models import files, same_weights

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.weights.card import Card
from asteroid_instglow.weights.folder import staged


@pytest.fixture
def separator():
    return GenerativeSeparator({"bass": tiny_prior("bass", 1, n_blocks=1)}).eval()


def test_saving_that_fails_leaves_what_was_there(prior, tmp_path, monkeypatch):
    prior.save_pretrained(tmp_path / "p")
    before = {name: (tmp_path / "p" / name).read_bytes() for name in files(tmp_path / "p")}

    with pytest.raises(ValueError, match="card: license"):
        prior.save_pretrained(tmp_path / "p", card={"license": 3})
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "p") as stage:
        (stage / "config.json").write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "new"):
        raise KeyboardInterrupt
    assert {name: (tmp_path / "p" / name).read_bytes() for name in files(tmp_path / "p")} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p"]


class Killed(BaseException):
    """What the package cannot catch."""


@pytest.mark.parametrize("has_links", [True, False])
def test_a_kill_while_saving_leaves_a_whole_model(prior, tmp_path, monkeypatch, has_links):
    models = [prior, copy.deepcopy(prior), copy.deepcopy(prior)]
    for i, model in enumerate(models):
        with torch.no_grad():
            next(model.parameters()).add_(i)

    def save(model, folder, n_operations):
        # Killed after so many operations on files; returns whether it was.
        count = itertools.count()

        def counted(function):
            def wrapper(*args, **options):
                if next(count) == n_operations:
                    raise Killed
                if function.__name__ == "link" and not has_links:
                    raise PermissionError("Operation not permitted")
                return function(*args, **options)

            return wrapper

        with monkeypatch.context() as patch:
            for place, name in ((os, "replace"), (os, "link"), (Path, "unlink")):
                patch.setattr(place, name, counted(getattr(place, name)))
            try:
                model.save_pretrained(folder, card=Card())
            except Killed:
                return True
        return False

    for n_operations in range(10):
        folder = tmp_path / str(n_operations)
        models[0].save_pretrained(folder, card=Card())
        for model, n in zip(models[1:], (3 * n_operations % 10, n_operations)):
            killed = save(model, folder, n)
            found = GlowPrior.from_pretrained(folder)
            assert any(same_weights(found, one) for one in (models if killed else [model]))
        models[2].save_pretrained(folder, card=Card())
        assert same_weights(GlowPrior.from_pretrained(folder), models[2])
        assert files(folder) == ["README.md", "config.json", "model.safetensors"]
    assert not killed  # all moments were tried


def test_saving_again_leaves_other_files_and_no_old_weights(separator, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "training.json").write_text("{}")
    separator.save_pretrained(tmp_path / "s", with_bin=True, card=Card())
    separator.save_pretrained(tmp_path / "s")
    assert files(tmp_path / "s") == [
        *("README.md", "config.json", "model.safetensors", "training.json")
    ]


def test_what_a_killed_process_left_is_removed(prior, tmp_path):
    killed = f"""
import os, signal
from asteroid_instglow.weights.folder import staged
with staged({str(tmp_path / "a")!r}) as stage:
    (stage / "config.json").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert [path.name[:8] for path in tmp_path.iterdir()] == [".saving-"]
    with staged(tmp_path / "b"):  # one that is being written stays
        prior.save_pretrained(tmp_path / "a")
        assert len(list(tmp_path.iterdir())) == 2
    assert files(tmp_path) == ["a/config.json", "a/model.safetensors"]


def test_a_full_disk_names_the_file(prior, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for with_bin in (False, True):
        try:
            # The weights fit, the pickle, which is larger, does not.
            prior.save_pretrained(tmp_path / "whole", with_bin=True)
            sizes = {p.name: p.stat().st_size for p in (tmp_path / "whole").iterdir()}
            limit = sizes["model.safetensors"] + (1 if with_bin else -1)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            with pytest.raises(OSError, match="cannot write .*a: File too large"):
                prior.save_pretrained(tmp_path / "a", with_bin=with_bin)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert sorted(os.listdir(tmp_path)) == ["whole"]
