"""Runs each example in a docstring in a new folder that holds stems, solos and a prior."""

import shutil

import numpy as np
import pytest
import soundfile as sf
import torch
from _pytest.doctest import DoctestItem

from asteroid_instglow import GlowPrior

RATE = 22050


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory):
    """Folder with ``references/``, ``stems/``, ``solos/`` and ``priors/bass``."""
    folder = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(0)
    bass, drums = 0.1 * rng.standard_normal((2, 2 * RATE))
    for place in ("references/song", "solos/song"):
        (folder / place).mkdir(parents=True)
        sf.write(folder / place / "bass.wav", bass, RATE)
        sf.write(folder / place / "drums.wav", drums, RATE)
    (folder / "stems/song").mkdir(parents=True)
    sf.write(folder / "stems/song/bass.wav", bass + 0.1 * drums, RATE)
    sf.write(folder / "stems/song/drums.wav", drums + 0.1 * bass, RATE)
    torch.manual_seed(0)
    GlowPrior("bass", n_blocks=1, hidden=4).save_pretrained(folder / "priors/bass")
    return folder


@pytest.fixture(autouse=True)
def _in_example_folder(request, monkeypatch):
    if isinstance(request.node, DoctestItem):
        folder = request.getfixturevalue("tmp_path")
        shutil.copytree(request.getfixturevalue("example_folder"), folder, dirs_exist_ok=True)
        monkeypatch.chdir(folder)
