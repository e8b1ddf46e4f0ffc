"""What installing takes: the packages, the extras, and what continuous integration does."""

import ast
import configparser
import re
import sys
from pathlib import Path

import pytest

from asteroid_instglow.cli import main
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
