"""The priors and the song that ship with the package, and the wheel that carries them."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from packaging.requirements import Requirement

from asteroid_instglow import GenerativeSeparator, GlowPrior, load_audio
from asteroid_instglow.audio.tuning import retune
from asteroid_instglow.evaluation.metrics import si_sdr
from asteroid_instglow.recipes.demo import separate_bundled
from asteroid_instglow.weights.config import SHIPPED

ROOT = Path(__file__).parents[2]
SONG = ROOT / "asteroid_instglow" / "recipes" / "demo_song"
SOURCES = ["bass", "drums", "guitar", "piano"]
# What only Asteroid's training and metrics need: docs/install.md installs without these.
OF_ASTEROID = {"pandas", "pb_bss_eval", "pytorch_lightning", "julius", "torch_optimizer"}
OF_ASTEROID |= {"torch_stoi", "torchmetrics"}


@pytest.fixture(scope="module")
def separator():
    return GenerativeSeparator.from_pretrained("minislakh")


@pytest.fixture(scope="module")
def truth():
    return torch.stack([load_audio(SONG / f"{name}.flac")[0][0] for name in SOURCES])


def test_every_source_gains(separator, truth):
    """Better than the mixture by decibels on a song that no prior was trained on."""
    assert separator.sources == SOURCES
    mixture = truth.sum(0)
    out = separator.separate(mixture)
    assert (out.sum(0) - mixture).abs().max() <= 1e-5 * mixture.abs().max()
    gain = si_sdr(truth[:, None].numpy(), out[:, None].numpy()) - si_sdr(
        truth[:, None].numpy(), mixture.expand(4, 1, -1).numpy()
    )
    assert (gain > 3).all() and gain.mean() > 6, gain


def test_the_output_is_the_stored_one(separator, truth):
    """Every 16th sample of the stems agrees with the stored ones within -100 dB."""
    with np.load(Path(__file__).with_name("separated_demo_song.npz")) as stored:
        expected = torch.from_numpy(np.stack([stored[name] for name in SOURCES]))
    error = separator.separate(truth.sum(0), quality="fast")[:, ::16] - expected
    level = 10 * torch.log10(error.square().sum(1) / expected.square().sum(1))
    assert (level < -100).all(), level


def test_music_out_of_tune_is_heard_in_tune(separator, truth):
    sharp = retune(truth[:, :220500], -0.4)
    mixture = sharp.sum(0)
    gains = {}
    for how in (True, False):
        out = separator.separate(mixture, retune=how)
        assert (out.sum(0) - mixture).abs().max() <= 1e-5 * mixture.abs().max()
        gains[how] = si_sdr(sharp[:, None].numpy(), out[:, None].numpy()).mean()
    assert gains[True] > gains[False] + 0.3, gains


def test_each_prior_alone_and_its_likelihood(truth):
    """A solo of the bass, the drums or the guitar is likeliest under its own prior."""
    wav = truth[:, 44100:88200] + torch.rand(4, 44100) / 32768
    nll = []
    for name in SOURCES:
        prior = GlowPrior.from_pretrained(f"minislakh/priors/{name}")
        assert prior.source == name and prior.encoder is not None
        with torch.no_grad():
            nll.append(-prior.log_prob(prior.magnitude(wav)))
    assert torch.stack(nll).argmin(0)[:3].tolist() == [0, 1, 2]


def test_small_enough_and_with_a_card():
    folder = SHIPPED / "minislakh"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 19.5e6
    data = [path for path in SHIPPED.parents[1].rglob("*") if path.suffix not in (".py", ".pyc")]
    assert sum(path.stat().st_size for path in data if path.is_file()) < 48e6
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "mit" and "asteroid" in card.data.tags
    for name, license_ in (("band", "cc-by-4.0"), ("band-nc", "cc-by-nc-sa-4.0")):
        assert ModelCard.load(SHIPPED / name / "README.md").data.license == license_
    for text in ("FluidR3_GM", "MuseScore_General", "POP909", "seed"):
        assert text in card.content


def test_the_paper_solver_works_with_them(separator, truth):
    mixture = truth.sum(0)[:44100]
    losses = []
    out = separator.separate(
        mixture, solver="paper", wiener=True, n_iter=15, progress=lambda i, v: losses.append(v)
    )
    assert losses[-1] < 0.7 * losses[0]
    assert (out.sum(0) - mixture).abs().max() <= 1e-5 * mixture.abs().max()


def test_demo(tmp_path):
    answer = separate_bundled(tmp_path, "minislakh", progress=False)
    assert list(answer["stems"]) == SOURCES and "sisec" in answer["table"]
    assert all(Path(path).is_file() for path in answer["stems"].values())
    assert Path(answer["picture"]).read_bytes().startswith(b"\x89PNG")


def test_real_music(separator, reference, tmp_path):
    """44.1 kHz stereo rock with instruments that no prior has heard: finite, summing stems."""
    song = next((reference.parent / "audio").glob("*/mixture.flac"))
    paths = separator.separate(song, tmp_path, subtype="FLOAT")
    mixture, rate = load_audio(song)
    stems = [load_audio(path) for path in paths.values()]
    assert all(wav.shape == mixture.shape and r == rate for wav, r in stems)
    total = sum(wav for wav, _ in stems)
    assert (total - mixture).abs().max() <= 1e-5 * mixture.abs().max()
    assert all(wav.square().mean() > 1e-4 * mixture.square().mean() for wav, _ in stems)


def test_readme_example_runs_as_printed(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n", 1)[1].split("```", 1)[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 3
    monkeypatch.chdir(tmp_path)
    wav = load_audio(SONG / "bass.flac")[0][:, :44100]
    import soundfile

    soundfile.write(tmp_path / "song.mp3", wav[0].numpy(), 22050)
    exec(compile(code, "README.md", "exec"), {})
    assert {p.stem for p in (tmp_path / "stems" / "song").iterdir()} == {"vocals", *SOURCES}


def modules_not_required():
    """Modules of installed packages that neither setup.cfg requires nor what it requires."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].splitlines()
    waiting = [line for line in lines if line and not line.startswith("#")]
    required = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = plain(requirement.name)
        marker = requirement.marker
        if name in required | OF_ASTEROID or (marker and not marker.evaluate({"extra": ""})):
            continue
        required.add(name)
        waiting += metadata.requires(name) or []
    packages = metadata.packages_distributions()
    assert {"pesq", "librosa", "matplotlib", "museval", "pytorch_lightning"} <= set(packages)
    # torch looks for sphinx.ext, and fails where a module is None.
    kept = {*required, "asteroid_instglow", "pip", "sphinx"}
    return sorted(m for m, names in packages.items() if not {*map(plain, names)} & kept)


def plain(name):
    return name.lower().replace("-", "_")


def test_wheel(tmp_path):
    """Built, unpacked outside the repository, used from there: it carries all that it needs.

    Separating does with what setup.cfg requires, and without pesq, which takes a compiler.
    """
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "asteroid_instglow", source / "asteroid_instglow", ignore=ignore)
    pip = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*pip, "-w", str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("asteroid_instglow-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    shutil.rmtree(source)
    code = f"import sys; sys.modules.update(dict.fromkeys({modules_not_required()}))\n"
    code += "import asteroid_instglow.cli as c; print(c.__file__); sys.exit(c.main())"
    song = str(SONG / "bass.flac")
    done = subprocess.run(
        [sys.executable, "-c", code, "separate", song, "-o", "out", "--quiet", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    where, answer = done.stdout.split("\n", 1)
    assert Path(where).is_relative_to(tmp_path)
    assert set(json.loads(answer)["files"][song]) == {"vocals", *SOURCES}
    assert (tmp_path / "out/bass/drums.wav").is_file()
