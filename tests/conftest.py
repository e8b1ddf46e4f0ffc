"""What several test modules share: the golden vectors, and small priors."""

import importlib
import os
from pathlib import Path

import pytest
import torch
from solo_folders import write_solos

from asteroid_instglow import GenerativeSeparator, GlowPrior

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def reference():
    """Folder of the golden vectors of the published implementation."""
    folder = Path(os.environ.get("INSTGLOW_SHARED", SHARED)) / "reference"
    if not folder.is_dir():
        pytest.skip(f"the golden vectors are not here: {folder}")
    return folder


def tiny_prior(source="bass", seed=0, **args):
    """A prior with perturbed weights that decodes to finite values, in evaluation mode."""
    torch.manual_seed(seed)
    args = {"sample_rate": 8000, "n_fft": 64, "hop_length": 16, "n_blocks": 2, "hidden": 4, **args}
    prior = GlowPrior(source, n_layers=1, **args)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        # Decodes to what solo spectra look like: around 0.5, mostly positive.
        for step in prior.flow.steps.transforms[::3]:
            step.bias.sub_(0.3)
            step.initialised.fill_(True)
    return prior.eval()


@pytest.fixture
def priors():
    """Two tiny priors at 8 kHz."""
    return {"bass": tiny_prior("bass", 1), "drums": tiny_prior("drums", 2)}


@pytest.fixture
def prior():
    """A tiny prior, in evaluation mode."""
    return tiny_prior("bass", 1, n_blocks=1)


@pytest.fixture
def separator():
    """A tiny separator."""
    priors = {"bass": tiny_prior("bass", 1, n_blocks=1), "e piano": tiny_prior("x", 2, n_blocks=1)}
    return GenerativeSeparator(priors, n_iter=2).eval()


@pytest.fixture(scope="session")
def solos(tmp_path_factory):
    """Solo recordings of a tone."""
    return write_solos(tmp_path_factory.mktemp("solos"))


@pytest.fixture
def band_module(monkeypatch):
    """Imports a module of the band recipe by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "recipes" / "band" / "local"))
    return importlib.import_module
