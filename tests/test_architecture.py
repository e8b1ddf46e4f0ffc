"""Checks the rules that a reviewer would otherwise read for: imports, length, machine paths."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 300
MACHINE_PATH = re.compile(r"(?<![\w.~}])/(?:work|tmp|farm|root)/")
# Spelled in pieces, so that this file does not contain what it looks for.
REGISTRY = re.compile(
    r"(pypi|npmjs|pytorch|debian)\."
    + r"org/(?!project)|pythonhosted\."
    + r"org|--(extra-)?index"
    + "-url"
)


def tracked_files():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so there are no tracked files to read")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def check_text(data):
    """Returns what a text file names of one machine or of a package registry."""
    if b"\0" in data[:8192]:
        return []
    text = data.decode("utf-8", "replace")
    return [match.group() for rule in (MACHINE_PATH, REGISTRY) for match in rule.finditer(text)]


def test_folders_import_those_below_them_only():
    # The contract is in .importlinter. In a process of its own: the linter disables all loggers.
    command = [sys.executable, "-c", "from importlinter.cli import *; lint_imports_command()"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


def test_no_file_is_long():
    sources = [path for path in tracked_files() if path.suffix == ".py"]
    assert sources
    long = {p.name: n for p in sources if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert not long


def test_the_maps_name_files_that_there_are():
    for text in ("README.md", "docs/code.md"):
        rows = re.findall(r"^\|.*\| (.*) \|$", (ROOT / text).read_text(), re.M)
        named = [n for row in rows for n in re.findall(r"`([\w./]+(?:/|\.py|\.js))`", row)]
        assert len(named) > 4
        assert [n for n in named if not (ROOT / "asteroid_instglow" / n).exists()] == []


def test_no_machine_path_and_no_registry():
    found = {
        str(p.relative_to(ROOT)): bad
        for p in tracked_files()
        if (bad := check_text(p.read_bytes()))
    }
    assert not found


@pytest.mark.parametrize("text", ["'/" + "work/main'", "--extra-index" + "-url x"])
def test_machine_paths_and_registries_are_found(text):
    assert check_text(text.encode())
    assert not check_text(b"see ../shared/METHOD.md, the framework/tmp/ folder, /usr/share")
