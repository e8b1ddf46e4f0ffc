"""`scripts/setup.sh` on machines that lack this or that, played by stub commands on the path."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "setup.sh"
TOOLS = "bash cat chmod cp dirname grep mkdir mktemp rm sed tail tee env".split()

# Knows what setup.sh asks of it, and keeps what it was called with beside itself.
PYTHON = """#!/usr/bin/env bash
case "$*" in
  "-m venv"*) mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python" ;;
  "-m pip --version") [[ $0 == */bin/python ]] ;;
  "-m pip install"*) echo "$*" >> "$STUBS/called"
    echo "  Downloading https://host/a/torch-2.11.0.whl (530.6 MB)"
    echo "  Downloading small-1.0.whl (1.2 MB)"
    [[ ! -e $STUBS/pip-fails ]] || { cat "$STUBS/pip-fails"; exit 1; } ;;
  *ensurepip*) [[ -e $STUBS/venv-module ]] ;;
  *pesq*) [[ -e $STUBS/pesq ]] ;;
  *Python.h*) [[ -e $STUBS/header ]] ;;
  --version) echo "Python 3.11.2" ;;
esac
"""
APT = """#!/usr/bin/env bash
echo "apt-get $*" >> "$STUBS/called"
[[ ! -e $STUBS/apt-fails ]] || { echo "E: Unable to fetch"; exit 100; }
[[ $* != *install* ]] || for name in cc ffmpeg fluidsynth venv-module header; do
  echo '#!/bin/sh' > "$STUBS/$name"; chmod +x "$STUBS/$name"
done
"""


class Machine:
    """A path with the tools that every Debian has, and what a test adds."""

    def __init__(self, folder, user):
        self.stubs, self.venv = folder / "stubs", folder / "venv"
        self.stubs.mkdir()
        for tool in TOOLS:
            (self.stubs / tool).symlink_to(shutil.which(tool))
        self.add("python3.11", PYTHON)
        self.add("id", f"#!/bin/sh\necho {0 if user == 'root' else 1000}\n")

    def add(self, name, text="#!/bin/sh\n"):
        (self.stubs / name).write_text(text)
        (self.stubs / name).chmod(0o755)

    def setup(self):
        environment = {"PATH": str(self.stubs), "STUBS": str(self.stubs)}
        environment["TMPDIR"] = str(self.stubs)
        return subprocess.run(
            [str(self.stubs / "bash"), str(SCRIPT), str(self.venv)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
        )

    @property
    def called(self):
        log = self.stubs / "called"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def bare(tmp_path):
    machine = Machine(tmp_path, "root")
    machine.add("apt-get", APT)
    return machine


@pytest.fixture
def plain_user(tmp_path):
    return Machine(tmp_path, "user")


def test_a_bare_machine_as_root_gets_everything(bare):
    result = bare.setup()

    assert result.returncode == 0, result.stderr
    assert "apt-get -o Acquire::Retries=3 update" in bare.called
    install = next(line for line in bare.called.splitlines() if " install " in line)
    wanted = ["python3-venv", "gcc", "libc6-dev", "python3-dev", "ffmpeg", "fluidsynth"]
    assert [name for name in wanted if name not in install.split()] == []
    assert "-e .[dev]" in bare.called
    assert (bare.venv / "bin" / "python").exists()


def test_only_large_downloads_are_shown_and_without_their_host(bare):
    shown = bare.setup().stdout

    assert "torch-2.11.0.whl (530.6 MB)" in shown
    assert "host" not in shown
    assert "small-1.0" not in shown


def test_an_environment_that_works_is_used_again(bare):
    bare.setup()
    marker = bare.venv / "marker"
    marker.touch()

    assert bare.setup().returncode == 0
    assert marker.exists()


def test_without_root_it_says_what_to_install_and_stops(plain_user):
    result = plain_user.setup()

    assert result.returncode == 1
    wanted = "sudo apt-get install python3-venv gcc libc6-dev python3-dev"
    assert wanted in result.stderr
    assert not plain_user.venv.exists()


def test_without_root_it_goes_on_if_only_optional_packages_are_missing(plain_user):
    for name in ("venv-module", "cc", "header"):
        plain_user.add(name)

    result = plain_user.setup()

    assert result.returncode == 0, result.stderr
    assert "sudo apt-get install ffmpeg fluidsynth" in result.stdout
    assert "-m pip install" in plain_user.called


def test_passwordless_sudo_is_used(plain_user):
    plain_user.add("apt-get", APT)
    plain_user.add("sudo", '#!/usr/bin/env bash\n[[ $1 == -n ]] && shift && "$@"\n')
    (plain_user.stubs / "true").symlink_to(shutil.which("true"))

    assert plain_user.setup().returncode == 0
    assert "install" in plain_user.called


def test_a_failure_of_apt_is_plain(bare):
    bare.add("apt-fails")

    result = bare.setup()

    assert result.returncode == 1
    assert "E: Unable to fetch" in result.stderr
    assert "cannot go on without: python3-venv" in result.stderr


@pytest.mark.parametrize("said, attempts", [("Read timed out.", 3), ("no version of x", 1)])
def test_pip_is_tried_again_after_an_interruption_only(bare, said, attempts):
    bare.add("pip-fails", f"ERROR: {said}\n")

    result = bare.setup()

    assert result.returncode == 1
    assert said in result.stderr
    assert "pip could not install the package" in result.stderr
    assert bare.called.count("-m pip install") == attempts


def test_no_python_at_all_is_plain(plain_user):
    os.remove(plain_user.stubs / "python3.11")

    result = plain_user.setup()

    assert result.returncode == 1
    assert "python3 python3-venv python3-dev" in result.stderr
