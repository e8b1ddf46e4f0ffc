"""The commands sample, train and evaluate as a user meets them."""

import json

import numpy as np
import pytest
import soundfile
from command import check_mistake, run
from conftest import tiny_prior

from asteroid_instglow import GlowPrior
from asteroid_instglow.audio.io import load_audio
from asteroid_instglow.audio.writing import AudioWriter

RATE = 8000


def test_sample(capsys, tmp_path):
    tiny_prior("bass").save_pretrained(tmp_path / "bass")
    args = ["sample", tmp_path / "bass", "-o", tmp_path, "--n", "2", "--seconds", "0.5"]
    code, out, _ = run(capsys, *args)
    assert code == 0
    first = load_audio(tmp_path / "bass_1.wav")
    assert first[1] == RATE and 0.4 < first[0].shape[-1] / RATE < 0.6 and first[0].any()
    assert (tmp_path / "bass_2.wav").exists() and str(tmp_path / "bass_1.wav") in out
    check_mistake(capsys, *args, says="exists")
    for option, value in (("n", "0"), ("seconds", "0.001"), ("seconds", "inf"), ("seed", "-1")):
        says = f"{option} must be a"
        check_mistake(capsys, *args[:4], f"--{option}", value, "--overwrite", says=says)


def test_a_sample_that_fails_leaves_no_folder(capsys, tmp_path, monkeypatch):
    tiny_prior("bass").save_pretrained(tmp_path / "bass")
    sample = GlowPrior.sample
    monkeypatch.setattr(GlowPrior, "sample", lambda *args: sample(*args) * float("nan"))
    args = ("sample", tmp_path / "bass", "-o", tmp_path / "out", "--seconds", "0.5")
    check_mistake(capsys, *args, says="prior must draw finite sounds")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert run(capsys, *args)[0] == 0 and (tmp_path / "out" / "bass_1.wav").exists()


def test_samples_on_a_full_disk_leave_what_was_there(capsys, tmp_path, monkeypatch):
    tiny_prior("bass").save_pretrained(tmp_path / "bass")
    args = ("sample", tmp_path / "bass", "-o", tmp_path / "out", "--seconds", "0.5", "--n", "3")
    write, n_written = AudioWriter.write, iter(range(10))

    def fail(self, wav):
        if next(n_written) % 3 == 2:
            raise OSError(28, "No space left on device")
        write(self, wav)

    with monkeypatch.context() as patch:
        patch.setattr(AudioWriter, "write", fail)
        check_mistake(capsys, *args, says="bass_3.wav: No space left on device")
        assert [path.name for path in tmp_path.iterdir()] == ["bass"]
    assert run(capsys, *args)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(AudioWriter, "write", fail)
        check_mistake(capsys, *args, "--overwrite", "--seed", "1", says="No space left")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert len(before) == 3


def test_train_then_separate(capsys, tmp_path):
    """Two sources in the two layouts; the flow and the encoder, then a mixture of the two."""
    rng = np.random.default_rng(0)
    time_axis = np.arange(3 * RATE) / RATE
    for i in range(3):
        for name in ("hum", "hiss"):
            hum = 0.2 * np.sin(2 * np.pi * 300 * (1 + i / 10) * time_axis)
            wav = hum if name == "hum" else 0.1 * rng.standard_normal(3 * RATE)
            path = tmp_path / "data" / f"Track{i}" / f"{name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, wav, RATE)
    small = ["--n-fft", "128", "--hop-length", "32", "--n-blocks", "2", "--hidden", "8"]
    small += ["--sample-rate", RATE, "--segment", "0.5", "--batch-size", "2", "--quiet"]
    small += ["--val-every", "2", "--n-steps", "4", "--lr", "1e-3", "--encoder-steps", "4"]
    small += ["--encoder-width", "4", "--json"]
    for name in ("hum", "hiss"):
        prior = tmp_path / "priors" / name
        code, out, _ = run(capsys, "train", name, "--data", tmp_path / "data", "-o", prior, *small)
        answer = json.loads(out)
        assert code == 0 and answer["flow"]["steps"] == 4 and answer["encoder"]["steps"] == 4
        assert answer["flow"]["nll_after"] < answer["flow"]["nll_before"]
        loaded = GlowPrior.from_pretrained(prior)
        assert loaded.source == name and loaded.encoder is not None
    mixture = tmp_path / "mix.wav"
    soundfile.write(mixture, 0.1 * rng.standard_normal(RATE), RATE)
    priors = [tmp_path / "priors" / name for name in ("hum", "hiss")]
    args = ["separate", mixture, "--priors", *priors, "-o", tmp_path / "out", "--quiet"]
    assert run(capsys, *args)[0] == 0
    assert {p.name for p in (tmp_path / "out/mix").iterdir()} == {"hum.wav", "hiss.wav"}


def test_train_refuses(capsys, tmp_path):
    (tmp_path / "data").mkdir()
    args = ["-o", tmp_path / "prior", "--quiet"]
    check_mistake(capsys, "train", "bass", "--data", tmp_path / "no", *args, says="no")
    check_mistake(capsys, "train", "bass", "--data", tmp_path / "data", *args, says="data")
    assert not (tmp_path / "prior/model.safetensors").exists()


def test_evaluate(capsys, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("bass", "drums"):
        for side, level in (("true", 0.0), ("guess", 0.1)):
            path = tmp_path / side / "song" / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            seed = np.random.default_rng(len(name))
            wav = seed.standard_normal(3 * RATE) * 0.1
            soundfile.write(path, wav + level * 0.1 * rng.standard_normal(3 * RATE), RATE, "FLOAT")
    args = ["evaluate", tmp_path / "true", tmp_path / "guess", "--protocol", "mdx", "--quiet"]
    code, out, _ = run(capsys, *args)
    assert code == 0 and "bass" in out and "20." in out
    code, out, _ = run(capsys, *args, "--json")
    value = json.loads(out)["protocols"]["mdx"]["scores"]["estimates"]["bass"]["SDR"]["value"]
    assert value == pytest.approx(20, abs=0.3)
    check_mistake(capsys, "evaluate", tmp_path / "true", tmp_path / "none", says="none")
