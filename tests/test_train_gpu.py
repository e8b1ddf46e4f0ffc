"""scripts/train_gpu.sh from packing to scores, on the processor and at a small size."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from safetensors import safe_open

from asteroid_instglow.data.band.soundfont import find_soundfont, fluidsynth_ready

SCRIPT = Path(__file__).parents[1] / "scripts" / "train_gpu.sh"
RATE = 22050


@pytest.mark.skipif(
    not fluidsynth_ready() or shutil.which("ffmpeg") is None,
    reason="fluidsynth or ffmpeg, which issue 2 makes optional, is not installed",
)
def test_pack_and_train(tmp_path):
    rng = np.random.default_rng(0)
    solos = tmp_path / "solos/hum/bass/0.ogg"
    solos.parent.mkdir(parents=True)
    soundfile.write(solos, 0.1 * rng.standard_normal(30 * RATE), RATE)
    for place in ("songs", "validation"):
        for name in ("bass", "drums", "mixture"):
            path = tmp_path / place / "Track1" / f"{name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * rng.standard_normal(5 * RATE), RATE)
    groups = {"hum": 1, "songs": 1, "played_0": 1}
    job = {
        "name": "small",
        "sources": ["bass", "drums"],
        "encoder": {"width": 4},
        "seconds": 1,
        "solos": {"bass": groups, "drums": groups},
        "mixtures": {"batch_size": 2},
        "score": {"validation": "validation"},
    }
    (tmp_path / "plan.yml").write_text(yaml.safe_dump({"jobs": [job]}))
    settings = {
        **{
            "PLANS": tmp_path / "plan.yml",
            "SOLOS": tmp_path / "solos",
            "SONGS": tmp_path / "songs",
        },
        **{"VALIDATION": tmp_path / "validation", "FONTS": find_soundfont(), "MAX_MIB": 400},
        **{"N_MIDI": 1, "MIDI_SECONDS": 6, "PYTHON": sys.executable, "SCALE": 0.1},
    }
    env = {**os.environ, **{name: str(value) for name, value in settings.items()}}

    def run(*args, **more):
        command = ["bash", SCRIPT, *args]
        return subprocess.run(command, env={**env, **more}, capture_output=True, text=True)

    nothing = dict.fromkeys(("SOLOS", "SONGS", "VALIDATION", "FONTS"), "")
    refused = run("pack", tmp_path / "large", MAX_MIB="0", **nothing)
    assert refused.returncode == 1 and "0 are allowed" in refused.stderr
    done = run("pack", tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    done = run("train", tmp_path / "bundle", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr

    [record] = json.loads((tmp_path / "out/log.json").read_text())
    # 30 s of hum, 5 s of songs, 6 s and more of played_0.
    assert record["minutes"]["bass"] > record["minutes"]["drums"] >= 0.2
    assert record["steps"] >= 1 and set(record["validation"]["small"]) >= {"bass", "drums"}
    with safe_open(tmp_path / "out/small.safetensors", "pt") as stored:
        assert json.loads(stored.metadata()["sources"]) == ["bass", "drums"]


def test_trained_sources_come_first_in_any_order_of_a_plan(tmp_path):
    spec = importlib.util.spec_from_file_location("train_gpu", SCRIPT.with_suffix(".py"))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name in ("bass", "other", "vocals"):
        path = tmp_path / f"hum/{name}/0.ogg"
        path.parent.mkdir(parents=True)
        soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(5 * RATE), RATE)
    job = {"sources": ["vocals", "bass"], "mixtures": {"batch_size": 2}}
    job["solos"] = {name: {"hum": 1} for name in ("bass", "other", "vocals")}
    mixtures = script.make_mixtures(job, tmp_path, "cpu", {})
    assert list(mixtures.solos) == ["vocals", "bass", "other"] and mixtures.n_src == 2
    with pytest.raises(ValueError, match="for each source, got none for .'drums'"):
        script.make_mixtures({**job, "sources": ["drums"]}, tmp_path, "cpu", {})
