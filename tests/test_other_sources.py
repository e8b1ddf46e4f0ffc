"""benchmarks/other_sources.py and add_strings.py on a tiny band, from solos to scores."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asteroid_instglow import GenerativeSeparator, GlowPrior, load_audio
from asteroid_instglow.data.band.soundfont import fluidsynth_ready
from asteroid_instglow.data.band.synth import active_rms

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
RATE, PARTS = 8000, ["bass", "drums"]
FLOW = {
    **{"sample_rate": RATE, "n_fft": 128, "hop_length": 32},
    **{"n_blocks": 1, "hidden": 4, "n_layers": 1},
}
ENCODER = {"n_fft": 64, "hop_length": 16, "width": 2}


@pytest.fixture
def benchmarks(monkeypatch):
    """The modules, with few solos and a tiny flow."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import add_strings
    import other_sources

    monkeypatch.setattr(other_sources, "FLOW", FLOW)
    monkeypatch.setattr(other_sources, "VARIANTS", ("f2", "m2"))
    monkeypatch.setattr(other_sources, "TEXT", "Everyone has the right to life and liberty.")
    monkeypatch.setattr(add_strings, "N_SOLOS", 2)
    monkeypatch.setattr(add_strings, "SECONDS", 4.0)
    return other_sources, add_strings


@pytest.fixture
def data(tmp_path):
    """Two songs to train on and two to score; their priors, untrained."""
    rng = np.random.default_rng(0)
    time = np.arange(5 * RATE) / RATE
    for split in ("train", "validation"):
        for k in range(2):
            folder = tmp_path / "band" / split / f"song{k}"
            folder.mkdir(parents=True)
            soundfile.write(folder / "bass.wav", 0.1 * np.sin(2 * np.pi * (80 + k) * time), RATE)
            soundfile.write(folder / "drums.wav", 0.1 * rng.standard_normal(len(time)), RATE)
    priors = {name: GlowPrior(name, encoder=ENCODER, **FLOW) for name in PARTS}
    GenerativeSeparator(priors).save_pretrained(tmp_path / "priors")
    return tmp_path / "band"


def run(script, data):
    work = data.parent
    args = ["--data", data, "--work", work / "work", "--init", work / "priors"]
    args += ["--encoder-steps", 2, "--flow-steps", 1, "--minutes", 0.02, "--seconds", 2]
    script.main([str(arg) for arg in [*args, "--results", work / "out.json"]])
    return json.loads((work / "out.json").read_text())


def values(found, metric):
    return {source: score["value"] for source, score in found[metric].items()}


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng speaks")
def test_speech_against_a_band(benchmarks, data):
    found = run(benchmarks[0], data)

    assert found["songs"] == 2 and set(found["training_cpu_seconds"]) == {"speech", "band"}
    for metric in ("SDR", "SI-SDRi"):
        assert set(values(found, metric)) == {"speech", "band", "average"}
        assert all(np.isfinite(value) for value in values(found, metric).values())
    # Heard: 4 accents x 2 voices of one text; scored: another text, as loud as the band.
    assert len(list((data.parent / "work/solos/speech").iterdir())) == 8
    for song in (data.parent / "work/songs").iterdir():
        speech, band = (load_audio(song / f"{name}.wav")[0] for name in ("speech", "band"))
        power = float(band.square().mean())
        assert float(speech.square().mean()) == pytest.approx(power, rel=1e-3)
        stems = [load_audio(data / "validation" / song.name / f"{s}.wav")[0] for s in PARTS]
        assert (band - sum(stems)[:, : band.shape[-1]]).abs().max() < 1e-6


@pytest.mark.skipif(not fluidsynth_ready(), reason="fluidsynth and a sound font render strings")
def test_strings_are_added(benchmarks, data):
    found = run(benchmarks[1], data)

    for part, sources in (("without", PARTS), ("before", PARTS), ("after", [*PARTS, "strings"])):
        assert set(values(found[part], "SDR")) == {*sources, "average"}
        assert all(np.isfinite(value) for value in values(found[part], "SI-SDRi").values())
    # Nobody takes the strings at first.
    assert values(found["before"], "SDR")["average"] < values(found["without"], "SDR")["average"]
    for song in (data.parent / "work/songs").iterdir():
        levels = [active_rms(load_audio(song / f"{s}.wav")[0][0].numpy(), RATE) for s in PARTS]
        wav, rate = load_audio(song / "strings.flac")
        assert active_rms(wav[0].numpy(), rate) == pytest.approx(np.mean(levels), rel=1e-2)
    record = data.parent / "work/priors/strings/encoder.json"
    assert json.loads(record.read_text())["arguments"]["init"] == str(data.parent / "priors")
