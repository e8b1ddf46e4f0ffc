import json

import numpy as np
import pytest
import soundfile

from asteroid_instglow.cli import main

RATE = 8000


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    root = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    for song in ("a", "b"):
        folder = root / song
        folder.mkdir()
        stems = {"bass": rng.standard_normal(RATE), "drums": rng.standard_normal(RATE)}
        for name, wav in {**stems, "mixture": sum(stems.values())}.items():
            soundfile.write(folder / f"{name}.wav", 0.05 * wav, RATE)
    return root


def run(capsys, *args):
    code = main([str(arg) for arg in args])
    return code, capsys.readouterr()


def train(capsys, name, songs, model, *options):
    tiny = ["sample_rate=8000", "n_fft=128", "hop_length=32", *options]
    args = ["--data", songs, "-o", model, "--n-steps", 2, "--quiet", "--accelerator", "cpu"]
    return run(capsys, "baseline", name, "train", *args, "--set", *tiny)


@pytest.mark.parametrize("name, options", [("nmf", ["n_atoms=2"]), ("irm", [])])
def test_train_separate_evaluate(capsys, songs, tmp_path, name, options):
    code, said = train(capsys, name, songs, tmp_path / "model", *options)
    assert code == 0, said.err
    assert f"model: {name} (" in said.out

    mixtures = sorted(songs.glob("*/mixture.wav"))
    args = ["--model", tmp_path / "model", "-o", tmp_path / "stems", "--quiet", "--json"]
    code, said = run(capsys, "baseline", name, "separate", *mixtures, *args)
    assert code == 0, said.err
    written = json.loads(said.out)["files"]
    assert list(written[str(mixtures[0])]) == ["bass", "drums"]
    assert (tmp_path / "stems" / "a" / "bass.wav").is_file()

    args = ["--protocol", "si-sdr", "--quiet", "--json"]
    code, said = run(capsys, "evaluate", songs, tmp_path / "stems", *args)
    assert code == 0, said.err
    scores = json.loads(said.out)["protocols"]["si-sdr"]["scores"]["estimates"]
    assert np.isfinite(scores["average"]["SI-SDRi"]["value"])


def test_the_model_must_be_of_the_system(capsys, songs, tmp_path):
    train(capsys, "nmf", songs, tmp_path / "model", "n_atoms=2")
    args = [songs / "a" / "mixture.wav", "--model", tmp_path / "model", "-o", tmp_path / "x"]
    code, said = run(capsys, "baseline", "demucs", "separate", *args)

    assert code == 2 and "model must be of demucs" in said.err


@pytest.mark.parametrize("setting, said", [("n_atoms", "argument=value"), ("magic=1", "magic")])
def test_bad_settings_are_named(capsys, songs, tmp_path, setting, said):
    code, output = train(capsys, "nmf", songs, tmp_path / "model", setting)

    assert code == 2 and said in output.err


def test_help_names_the_systems(capsys):
    with pytest.raises(SystemExit):
        run(capsys, "baseline", "--help")

    assert "conv-tasnet" in capsys.readouterr().out
