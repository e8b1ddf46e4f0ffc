"""Plain Asteroid with our models: found by name, loaded by its own classes, run by its command."""

import subprocess
import sys

import pytest
import soundfile
import torch
from conftest import tiny_prior
from tiny_systems import TINY

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.baselines import system_class
from asteroid_instglow.weights.registry import BASELINES, MODELS

RATE = 8000
SMALL = {system_class(name).__name__: args for name, args in TINY.items()}
NEEDS = {"OpenUnmixBaseline": "openunmix", "DemucsV2": "demucs"}


@pytest.mark.parametrize(
    "code",
    [
        "import asteroid_instglow, asteroid.models",
        "import asteroid.models, asteroid_instglow",
        "from asteroid_instglow import GenerativeSeparator; import asteroid.models",
        "import asteroid_instglow; from asteroid import models",
        "from asteroid_instglow.weights.base import load_model; import asteroid.models",
    ],
)
def test_models_are_registered_whichever_comes_first(code):
    code += "; import asteroid.models as m; print(m.get('generativeseparator').__name__)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.split() == [b"GenerativeSeparator"]


@pytest.mark.parametrize("name", [*MODELS, *BASELINES])
def test_serialised_models_come_back_through_asteroids_base_class(name):
    import asteroid.models

    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="the extra [baselines] is not installed")
    if name == "GenerativeSeparator":
        model = GenerativeSeparator({"bass": tiny_prior("bass", n_blocks=1)}, n_iter=2)
    elif name == "GlowPrior":
        model = tiny_prior("bass", n_blocks=1)
    elif name == "JointEncoder":
        encoder = {"width": 8, "n_fft": 64, "hop_length": 16}
        model = asteroid.models.get(name)(["bass", "drums"], RATE, encoder)
    else:
        model = asteroid.models.get(name)(["bass", "drums"], sample_rate=RATE, **SMALL[name])
    assert asteroid.models.get(name.lower()) is type(model)
    again = asteroid.models.BaseModel.from_pretrained(model.eval().serialize()).eval()
    assert type(again) is type(model) and again.get_model_args() == model.get_model_args()
    wav = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0)) / 10
    outputs = []
    for one in (model, again):
        torch.manual_seed(0)
        call = one.forward if name == "JointEncoder" else one.forward_wav
        with torch.no_grad():
            outputs.append(call(wav))
    assert torch.equal(*outputs)


def test_asteroids_command(tmp_path):
    """As the documentation gives it: the command itself imports no plugins."""
    priors = {name: tiny_prior(name, n_blocks=1) for name in ("bass", "drums")}
    model = GenerativeSeparator(priors, n_iter=2)
    model.save_pretrained(tmp_path / "band", with_bin=True)
    wav = torch.randn(4000, generator=torch.Generator().manual_seed(0)) / 10
    soundfile.write(tmp_path / "song.wav", wav.numpy(), RATE)
    code = "import asteroid_instglow; from asteroid.scripts.asteroid_cli import infer; infer()"
    command = [sys.executable, "-W", "ignore", "-c", code, "band/pytorch_model.bin"]
    command += ["--files", "song.wav"]
    for more in ([], ["-f", "--ola-window", "2000", "--ola-window-type", "hann"]):
        done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        stems = [soundfile.read(tmp_path / f"song_est{i}.wav")[0] for i in (1, 2)]
        assert all(len(stem) == 4000 and stem.any() for stem in stems)
