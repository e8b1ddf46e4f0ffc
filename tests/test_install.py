"""What installing takes: the packages, the extras, and what continuous integration does."""

import ast
import configparser
import re
import sys
from pathlib import Path

import pytest
import yaml

from asteroid_instglow.cli import main
from asteroid_instglow.uncertainty.files import ConfidenceFiles, drawable
from asteroid_instglow.utils.extras import EXTRAS, check_installed

ROOT = Path(__file__).parents[1]
# Modules and the packages that bring them, where the names differ.
PACKAGES = {
    "yaml": "pyyaml",
    "ffmpeg": "musdb",
    "lightning_fabric": "pytorch-lightning",
    "markupsafe": "jinja2",
}


@pytest.fixture(scope="module")
def config():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def names_of(requirements):
    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    return {re.match(r"[\w-]+", line).group().lower().replace("-", "_") for line in lines}


def test_every_import_is_required_or_of_an_extra(config):
    required = names_of(config["options"]["install_requires"])
    imported = set()
    for path in (ROOT / "asteroid_instglow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - {"asteroid_instglow"}
    packages = {PACKAGES.get(name, name).replace("-", "_") for name in third_party}
    assert packages - required - set(EXTRAS) == set()
    for name, extra in EXTRAS.items():
        assert name in names_of(config["options.extras_require"][extra]), (name, extra)


def test_a_missing_extra_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("asteroid_instglow.utils.extras.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'asteroid-instglow\[train\]'"):
        check_installed("tensorboard")
    # Before the scoring, not after it.
    assert main(["evaluate", str(tmp_path), str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "the package matplotlib is not installed: install it with: pip install" in said


def test_training_without_its_extra_ends_before_it_writes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("asteroid_instglow.utils.extras.find_spec", lambda name: None)
    (tmp_path / "solos").mkdir()
    output = tmp_path / "strings"
    assert main(["train", "strings", "--data", str(tmp_path / "solos"), "-o", str(output)]) == 2
    assert "tensorboard is not installed" in capsys.readouterr().err
    assert not output.exists()


def test_a_missing_matplotlib_is_found_before_the_work(monkeypatch, tmp_path, capsys, caplog):
    assert drawable() == "picture"
    monkeypatch.setattr("asteroid_instglow.utils.extras.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"asteroid-instglow\[evaluation\]"):
        ConfidenceFiles(tmp_path, "song", "{track}/{stem}", "picture")
    assert drawable() is True and "no picture of the confidence" in caplog.text
    picture = str(tmp_path / "who.png")
    assert main(["detect", str(tmp_path / "none.wav"), "--picture", picture]) == 2
    assert "the package matplotlib is not installed" in capsys.readouterr().err


def test_ci_runs_on_every_python_and_on_the_lowest_torch(config):
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    classifiers = config["metadata"]["classifiers"].splitlines()
    pythons = [line.split(" :: ")[-1] for line in classifiers if re.search(r":: 3\.\d+$", line)]
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == pythons and matrix["include"][0]["torch"] == "lowest"
    assert job["steps"][-1]["run"] == "bash .ci/run"
    lowest = dict(re.findall(r"^(\w+)==(\d+\.\d+)", (ROOT / ".ci/lowest.txt").read_text(), re.M))
    required = config["options"]["install_requires"]
    assert lowest == dict(re.findall(r"^(torch\w*)>=([\d.]+)", required, re.M))


def test_the_installation_without_a_compiler_names_every_package(config):
    """Asteroid's metrics alone need pesq: everything else is installed by name."""
    page = (ROOT / "docs/install.md").read_text()
    listed = page.split("pip install 'torch<2.12' ", 1)[1].split("pip install --no-deps", 1)[0]
    named = {word.replace("-", "_").lower() for word in re.findall(r"[a-zA-Z][\w-]*", listed)}
    required = names_of(config["options"]["install_requires"]) - {"asteroid"}
    assert required - named == {"torch"}
