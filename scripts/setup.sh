#!/usr/bin/env bash
# Makes the environment and nothing else: the Debian packages that are missing, where they may be
# installed, and a virtual environment with this package in it (editable, with its extra [dev]).
# Usage: scripts/setup.sh [VENV]     PYTHON=... chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
sound_font=/usr/share/sounds/sf2/FluidR3_GM.sf2

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# A python3.11 on the path may be a shim that does not run: ask each candidate.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.10}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

venv_works() { "$venv/bin/python" -m pip --version >/dev/null 2>&1; }

# Sets required and optional to the Debian packages that this machine lacks.
find_missing() {
  local python
  required=() optional=()
  python=$(find_python) || python=
  if [ -z "$python" ]; then
    required+=(python3 python3-venv python3-dev)
  else
    venv_works || "$python" -c 'import ensurepip, venv' 2>/dev/null || required+=(python3-venv)
    # pesq, which Asteroid's metrics need, is published as C source only.
    if ! "$venv/bin/python" -c 'import pesq' >/dev/null 2>&1; then
      have cc || have gcc || required+=(gcc libc6-dev)
      "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
        required+=(python3-dev)
    fi
  fi
  have ffmpeg || optional+=(ffmpeg)
  have fluidsynth || optional+=(fluidsynth)
  [ -e "$sound_font" ] || optional+=(fluid-soundfont-gm)
}

# Prints the prefix with which this user may install packages; fails where there is none.
root_prefix() {
  have apt-get || return 1
  if [ "$(id -u)" = 0 ]; then echo "env"
  elif have sudo && sudo -n true 2>/dev/null; then echo "sudo -n env"
  else return 1
  fi
}

install_debian_packages() {
  local prefix log
  find_missing
  if [ ${#required[@]} = 0 ] && [ ${#optional[@]} = 0 ]; then return; fi
  if prefix=$(root_prefix); then
    say "installing Debian packages: ${required[*]-} ${optional[*]-}"
    log=$(mktemp)
    # $prefix is one or more words.
    # shellcheck disable=SC2086
    { $prefix apt-get -o Acquire::Retries=3 update -q &&
      $prefix DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -q -y \
        --no-install-recommends ${required[@]+"${required[@]}"} ${optional[@]+"${optional[@]}"}
    } >"$log" 2>&1 || { say "apt-get failed; its last lines:"; tail -n 5 "$log" >&2; }
    rm -f "$log"
    find_missing
  fi
  if [ ${#optional[@]} != 0 ]; then
    say "without ${optional[*]}, these do less: ffmpeg is needed for MP3 and for museval's metrics," \
      "fluidsynth and fluid-soundfont-gm for rendering music with real instruments. To have them:"
    say "    sudo apt-get install ${optional[*]}"
  fi
  if [ ${#required[@]} != 0 ]; then
    die "cannot go on without: ${required[*]}. Have them installed, then run make setup again:" \
      "sudo apt-get install ${required[*]}"
  fi
}

make_venv() {
  if venv_works; then say "using $venv"; return; fi
  local python
  python=$(find_python) || die "no Python >= 3.10 found; set PYTHON to one"
  say "making $venv with $python"
  "$python" -m venv --clear "$venv"
}

# Shows only the large downloads: they are what the time goes into.
pip_install() {
  PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --retries 10 --timeout 60 \
    --progress-bar off -e '.[dev]' 2>&1 | tee "$venv/pip.log" |
    sed -unE 's/^ *Downloading ([^ ]*\/)?([^ \/]+) \(([0-9]{2,}\.[0-9] MB)\).*/setup:     \2 (\3)/p
              s/^Installing collected packages.*/setup:     unpacking/p'
}

install_python_packages() {
  local attempt
  say "installing the Python packages (PyTorch with CUDA is most of it: minutes the first time)"
  for attempt in 1 2 3; do
    if pip_install; then return; fi
    grep -qiE 'timed out|connection|temporary failure|incomplete|hash' "$venv/pip.log" || break
    say "pip was interrupted (attempt $attempt of 3)"
  done
  tail -n 15 "$venv/pip.log" >&2
  die "pip could not install the package; all it said is in $venv/pip.log"
}

install_debian_packages
make_venv
install_python_packages
say "done: $("$venv/bin/python" --version) in $venv"
