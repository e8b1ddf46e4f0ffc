"""run.sh of the band recipe, its plan, and the training of flows by it."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from recipe_copy import RECIPES
from solo_files import noise, write

BAND = RECIPES / "band"
PLAN = yaml.safe_load((BAND / "local" / "plan.yml").read_text())


def run(*options, **variables):
    environment = {**os.environ, **variables}
    command = [str(option) for option in options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.mark.parametrize(
    "options, word",
    [
        (("--stage", "7"), "0 to 5"),
        (("--stage", "3", "--stop_stage", "2"), "before stage 3"),
        (("--stage", "1"), "midi_dir"),
        (("--epochs", "3"), "no option --epochs"),
    ],
)
def test_mistakes_are_found_at_once(tmp_path, options, word):
    made = run(
        BAND / "run.sh", "--sources_dir", tmp_path / "s", "--pool_dir", tmp_path / "p", *options
    )
    assert made.returncode == 2 and word in made.stderr
    assert not any(tmp_path.iterdir())


def test_the_plan_draws_from_groups_that_the_stages_make():
    scripts = [*(BAND / "local").glob("*.sh"), BAND / "local" / "pool_licences.py"]
    text = "".join(path.read_text() for path in scripts)
    made = set(re.findall(r"\b(?:vocals|bass|drums|guitar|piano|other)_[a-z0-9_]+\b", text))
    made |= {f"vocals_{bank}" for bank in re.findall(r"^sing (\w+)", text, re.M)}
    made |= {name + end for name in made for end in ("_fx", "_shifted") if "vocals_cc0" in name}
    described = (BAND / "README.md").read_text()
    for job in PLAN["jobs"]:
        assert set(job["sources"]) <= set(job["solos"]) and set(job["parts"]) == set(job["solos"])
        for source, groups in job["solos"].items():
            for group, weight in groups.items():
                assert group in made, group
                assert f"`{group}`" in described and weight > 0, group
                assert group.startswith(source)


def test_flows_are_trained_by_the_plan(tmp_path):
    plan = {"jobs": [{"sources": ["bass"], "solos": {"bass": {"a": 3, "b": 1, "absent": 1}}}]}
    (tmp_path / "plan.yml").write_text(yaml.safe_dump(plan))
    for seed, group in enumerate("ab"):
        for i in range(3):
            wav = noise(8, 10 * seed + i, rate=22050)
            write(tmp_path / "pool" / group / "bass" / f"{i}.wav", wav, rate=22050)
    script = BAND / "local" / "train_flows.py"
    options = ("--pool", tmp_path / "pool", "--out", tmp_path / "out", "--n-steps", 1)
    made = run(sys.executable, script, tmp_path / "plan.yml", *options)
    assert made.returncode == 0, made.stderr
    record = json.loads((tmp_path / "out" / "bass" / "training.json").read_text())
    assert record["steps"] == 1 and record["finished"]
    roots = record["data"]["train"]["roots"]
    assert [root.rsplit("/", 1)[-1].split(":")[0] for root in roots] == ["a", "b"]
    assert any(root.endswith(":3") for root in roots)
