"""What several test modules share: the golden vectors, and small priors."""

import os
from pathlib import Path

import pytest
import torch

from asteroid_instglow import GlowPrior

SHARED = Path(__file__).parents[2] / "shared"


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
