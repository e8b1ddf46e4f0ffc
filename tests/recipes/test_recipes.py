"""Both recipes, run.sh itself, on small data sets in the layouts of the real ones."""

import csv
import json
import os
import signal
import time
from typing import NamedTuple

import pytest
import soundfile as sf
import torch
import yaml
from dataset_folders import RATE, SPECIAL, make_musdb_hq, make_musdb_stems, make_slakh, tone
from hub_server import HubServer, client_environment
from recipe_copy import Recipe, finish, states

from asteroid_instglow import GenerativeSeparator, GlowPrior, load_audio
from asteroid_instglow.encoder.joint import JointEncoder

JOINT = {"pretrain": {"n_steps": 2}}
ENCODERS = {**JOINT, "encoder_training": {"n_steps": 2}, "separation": {"solver": "auto"}}
TRACKS = {"Track01876", "Track01877"}


class Case(NamedTuple):
    """What a recipe is tried with; the counts are those of the data, oddities included."""

    recipe: str
    make: object
    sources: tuple
    changes: dict
    tracks: set
    form: tuple  # channels and rate of the test set
    train_counts: dict
    test_counts: dict


CASES = {
    # With encoders that go on from what they learnt together, and the test set as it came.
    "stem.mp4": Case(
        *("musdb", make_musdb_stems, ("vocals", "accompaniment")),
        {"data": {"test_format": "native"}, **ENCODERS},
        *({SPECIAL}, (2, RATE)),
        {"missing": [], "silent": [], "padded": []},
        {"missing": [], "silent": [], "padded": [f"{SPECIAL}/vocals"]},
    ),
    # The paper's search, on mono.
    "wav": Case(
        *("musdb", make_musdb_hq, ("vocals", "bass"), {}),
        *({"AM Contra - Heart Peripheral", SPECIAL}, (1, 8000)),
        # The accompaniment is a sum with the bass in it.
        {
            "missing": [f"Nobody - No Bass/{source}" for source in ("bass", "accompaniment")],
            **{"silent": [f"{SPECIAL}/vocals"], "padded": []},
        },
        {"missing": [], "silent": [f"{SPECIAL}/vocals"], "padded": [f"{SPECIAL}/bass"]},
    ),
    # With the encoders as they learnt together, but the paper's search.
    "slakh": Case(
        *("slakh", make_slakh, ("bass", "piano"), JOINT, TRACKS, (1, 8000)),
        {"missing": ["Track00002/S03"], "silent": ["Track00002/piano"], "padded": []},
        {"missing": ["Track01877/S04"], "silent": [], "padded": ["Track01876/bass"]},
    ),
}


# In one test a case, because each step starts from what the one before has left.
@pytest.mark.parametrize("name", list(CASES))
def test_recipe_from_the_data_to_the_hub(name, tmp_path):
    case = CASES[name]
    recipe = Recipe(case.recipe, tmp_path, case.sources, case.changes)
    case.make(recipe.data)
    with HubServer() as hub:
        env = client_environment(hub, hub.token)
        options = ("--repo_id", f"tester/{case.recipe}", "--push", "true")
        code, output = recipe.run(*options, env=env)
        assert code == 0, output
        published = hub.files(f"tester/{case.recipe}")
    check_counts(recipe, case)
    check_folder_of_the_experiment(recipe)
    check_scores(recipe, case)
    check_publication(recipe, published)
    check_that_a_second_run_skips_everything(recipe, options)
    if name == "stem.mp4":
        lost = ["priors/accompaniment/model.safetensors", "checkpoints/vocals/encoder/last.ckpt"]
        lost += ["joint/model.safetensors"]
        check_that_what_is_broken_is_repeated(recipe, options, lost)
        check_stems_of_ones_own(recipe)
    elif name == "wav":
        lost = ["priors/bass/model.safetensors", "checkpoints/vocals/prior/last.ckpt"]
        check_that_what_is_broken_is_repeated(recipe, options, lost, damage=True)
        check_that_what_is_separated_is_kept(recipe)
    else:
        check_that_what_is_broken_is_repeated(
            recipe,
            options,
            ["checkpoints/piano/prior/last.ckpt", "checkpoints/encoders/joint/last.ckpt"],
        )
        check_that_another_configuration_repeats_what_depends_on_it(recipe)
        check_that_ctrl_c_keeps_a_checkpoint(recipe)


def check_counts(recipe, case):
    manifest = json.loads((recipe.folder / "data" / "manifest.json").read_text())
    for split, wanted in (("train", case.train_counts), ("test", case.test_counts)):
        assert {kind: manifest[split][kind] for kind in wanted} == wanted
    assert manifest["validation"]["tracks"] == 1


def check_folder_of_the_experiment(recipe):
    names = {path.name for path in recipe.exp.iterdir() if not path.name.startswith(".")}
    conf = yaml.safe_load((recipe.exp / "conf.yml").read_text())
    is_pretrained = bool(conf["pretrain"]["n_steps"])
    assert names - {"joint"} == {
        *("conf.yml", "checkpoints", "best_model.pth", "final_metrics.json", "all_metrics.csv"),
        *("examples", "publish_dir", "priors", "estimates", "scores", "logs"),
    }
    assert ("joint" in names) == is_pretrained
    assert conf == yaml.safe_load((recipe.folder / "tiny.yml").read_text())
    learns_on = bool(conf["encoder_training"]["n_steps"])
    joint = JointEncoder.from_pretrained(recipe.exp / "joint") if is_pretrained else None
    assert joint is None or (joint.sources, joint.sample_rate) == (recipe.sources, 8000)

    separator = GenerativeSeparator.from_pretrained(recipe.exp / "best_model.pth")
    assert separator.sources == recipe.sources
    assert separator.options.solver == conf["separation"]["solver"]
    for source, prior in zip(recipe.sources, separator.priors):
        assert (prior.encoder is not None) == (is_pretrained or learns_on)
        if is_pretrained:
            check_where_the_encoder_comes_from(prior, joint.encoder_of(source), learns_on)
        trained = GlowPrior.from_pretrained(recipe.exp / "priors" / source)
        for name, value in trained.state_dict().items():
            assert torch.equal(prior.state_dict()[name], value)
        runs = {path.name: path for path in (recipe.exp / "checkpoints" / source).iterdir()}
        assert sorted(runs) == ["encoder", "prior"][1 - learns_on :]
        for folder in runs.values():
            assert {path.name for path in folder.iterdir()} == {"best.ckpt", "last.ckpt"}


def check_where_the_encoder_comes_from(prior, start, learns_on):
    record = prior.encoder.state_dict()
    same = [torch.equal(record[name], value) for name, value in start.state_dict().items()]
    assert not all(same) if learns_on else all(same)


def check_scores(recipe, case):
    metrics = json.loads((recipe.exp / "final_metrics.json").read_text())
    assert list(metrics) == ["n_tracks", "paper", "sisec", "si-sdr"]
    assert list(metrics["sisec"]) == [*recipe.sources, "average"]
    assert all(value is not None for value in metrics["sisec"]["average"].values())
    with (recipe.exp / "all_metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["track"] for row in rows} == case.tracks
    assert metrics["n_tracks"] == len(case.tracks)
    # A silent source is no failure, and is counted.
    silent = {tuple(name.split("/")) for name in case.test_counts["silent"]}
    for protocol in ("paper", "sisec", "si-sdr"):
        own = [r for r in rows if (r["protocol"], r["system"]) == (protocol, "estimates")]
        assert {(r["track"], r["source"]) for r in own if r["status"] == "silent"} == silent
        for source in recipe.sources:
            assert metrics[protocol][source]["n_silent"] == sum(s == source for _, s in silent)
    # Estimates have the form of the mixture.
    for track in case.tracks:
        mixture, rate = load_audio(recipe.folder / "data" / "test" / track / "mixture.flac")
        for source in recipe.sources:
            wav, own_rate = load_audio(recipe.exp / "estimates" / track / f"{source}.flac")
            assert (wav.shape, own_rate) == (mixture.shape, rate)
        assert (len(mixture), rate) == case.form
    (example,) = (recipe.exp / "examples").iterdir()
    names = {f"{source}{end}" for source in recipe.sources for end in ("", "_estimate")}
    assert {path.stem for path in example.iterdir()} == {"mixture", *names}


def check_publication(recipe, published):
    folder = recipe.exp / "publish_dir"
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert published.keys() == written.keys()
    assert published["model.safetensors"] == written["model.safetensors"]
    assert GenerativeSeparator.from_pretrained(folder).sources == recipe.sources
    card = written["README.md"].decode()
    assert f"tester/{recipe.name}" in card and "SDR (paper, dB)" in card and "3 steps" in card
    assert ("encoder 2 steps" in card) == (recipe.exp / "checkpoints/vocals/encoder").is_dir()


def check_that_a_second_run_skips_everything(recipe, options):
    before = states(recipe.folder)
    # The server is gone, and nobody misses it.
    code, output = recipe.run(*options, torch=False)

    assert code == 0, output
    joint = ["joint"] * (recipe.exp / "joint").is_dir()
    priors = [f"prior-{source}" for source in recipe.sources]
    stages = ["prepare", *joint, *priors, "evaluate", "publish"]
    assert [line for line in output.splitlines() if "done already" in line] == [
        f"{stage}: done already" for stage in stages
    ]
    assert states(recipe.folder) == before


def check_that_what_is_broken_is_repeated(recipe, options, lost, damage=False):
    before = states(recipe.folder)
    paths = [(recipe.exp / name).resolve() for name in lost]
    for path in paths:
        content = path.read_bytes()
        path.unlink()
        if damage:
            path.write_bytes(content[:-100])
    code, output = recipe.run(*options)

    assert code == 0, output
    # Restored from a checkpoint or trained again, it is as it was: what was made of it still holds.
    for source in recipe.sources:
        repeated = any(f"/{source}/" in name for name in lost)
        assert f"prior-{source}: {'begins' if repeated else 'done already'}" in output
    if (recipe.exp / "joint").is_dir():
        assert f"joint: {'begins' if 'joint' in '/'.join(lost) else 'done already'}" in output
    for stage in ("prepare", "evaluate", "publish"):
        assert f"{stage}: done already" in output
    after = states(recipe.folder)
    changed = {name for name in before if before[name] != after.get(name)}
    made = [name.split("/")[1] for name in lost if "joint" not in name]
    folders = ["joint", *(f"priors/{source}" for source in made)][
        all("joint" not in n for n in lost) :
    ]
    assert all(any(f"exp/tiny/{folder}/" in name for folder in folders) for name in changed)
    for path in paths:
        assert path.relative_to(recipe.folder.resolve()).as_posix() in changed
    for folder in folders:
        name = f"exp/tiny/{folder}/model.safetensors"
        assert after[name][0] == before[name][0]


def check_that_what_is_separated_is_kept(recipe):
    again, *kept = sorted((recipe.exp / "estimates").glob("*/*.flac"))
    again.parent.rename(recipe.root / "was")
    kept = {path: path.stat().st_mtime_ns for path in kept if path.parent != again.parent}
    (recipe.exp / "final_metrics.json").unlink()
    code, output = recipe.run("--stage", "2", "--stop_stage", "2")

    assert code == 0 and "evaluate: begins" in output, output
    assert kept and all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert again.read_bytes() == (recipe.root / "was" / again.name).read_bytes()


def check_that_another_configuration_repeats_what_depends_on_it(recipe):
    trained = yaml.safe_load((recipe.exp / "conf.yml").read_text())["training"]
    changes = "separation.n_iter=1 evaluation.protocol=[mdx] training.n_steps=9"
    before = json.loads((recipe.exp / "estimates" / "settings.json").read_text())
    code, output = recipe.run("--stage", "2", "--stop_stage", "2", "--set", changes)

    assert code == 0, output
    assert "evaluate: begins" in output and "done already" not in output
    metrics = json.loads((recipe.exp / "final_metrics.json").read_text())
    assert list(metrics) == ["n_tracks", "mdx"]
    assert json.loads((recipe.exp / "estimates" / "settings.json").read_text()) != before
    conf = yaml.safe_load((recipe.exp / "conf.yml").read_text())
    assert conf["separation"]["n_iter"] == 1 and conf["evaluation"]["protocol"] == ["mdx"]
    # It tells what was done, and nothing was trained now.
    assert conf["training"] == trained and "conf.yml keeps its training" in output
    code, output = recipe.run("--set", "training.batch_size=9", torch=False)
    assert code == 2 and len(output.splitlines()) == 1
    assert "training.batch_size must be 2 as exp/tiny/conf.yml says, got 9" in output
    assert yaml.safe_load((recipe.exp / "conf.yml").read_text()) == conf


def check_that_ctrl_c_keeps_a_checkpoint(recipe):
    slow = ("--tag", "slow", "--stage", "1", "--stop_stage", "1", "--sources", "bass")
    slow += ("--set", "training.n_steps=100000 training.val_every=100000")
    process = recipe.start(*slow)
    log = recipe.folder / "exp" / "slow" / "logs" / "prior-bass.log"
    deadline = time.monotonic() + 240
    while "bass: step" not in (log.read_text() if log.is_file() else ""):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    finish(process)

    assert process.returncode != 0
    assert (recipe.folder / "exp/slow/checkpoints/bass/prior/last.ckpt").is_file()
    assert not (recipe.folder / "exp/slow/.done/prior-bass").exists()


def check_stems_of_ones_own(recipe):
    for source in ("kantele", "voice"):
        (recipe.root / "stems" / source).mkdir(parents=True)
        for song in ("a", "b", "c"):
            sf.write(recipe.root / "stems" / source / f"{song}.wav", tone(1.0, 300), RATE)
    names = "data.sources=[kantele,voice] evaluation.sources=[kantele,voice]"
    options = ("--stems_dir", recipe.root / "stems", "--data_dir", "data_own", "--tag", "own")
    code, output = recipe.run("--stop_stage", "0", "--set", names, *options)

    assert code == 0, output
    data = recipe.folder / "data_own"
    assert sorted(path.name for path in (data / "train").iterdir()) == ["kantele", "voice"]
    (track,) = (data / "test").iterdir()
    assert {path.stem for path in track.iterdir()} == {"kantele", "mixture", "voice"}
