"""The real song that the demo separates."""

from pathlib import Path

import pytest
import torch

from asteroid_instglow import GenerativeSeparator, GlowPrior, load_audio
from asteroid_instglow.recipes import demo

SONG = Path(demo.__file__).parent / "demo_song_band"
SMALL = {"n_blocks": 1, "hidden": 4, "n_fft": 64, "hop_length": 16}


def separator(*names):
    return GenerativeSeparator({name: GlowPrior(name, **SMALL) for name in names})


def test_the_song_is_small_stereo_and_says_where_it_is_from():
    assert sum(path.stat().st_size for path in SONG.iterdir()) < 1.5e6
    stems = [load_audio(path) for path in sorted(SONG.glob("*.ogg"))]
    assert {path.stem for path in SONG.glob("*.ogg")} == {"vocals", "bass", "drums", "other"}
    assert {(wav.shape, rate) for wav, rate in stems} == {((2, 853548), 44100)}
    mixture = sum(wav for wav, _ in stems)
    assert 0.5 < mixture.abs().max() < 1
    shares = [wav.square().mean() / mixture.square().mean() for wav, _ in stems]
    assert all(share > 0.1 for share in shares)
    text = (SONG / "README.md").read_text()
    assert "CC0 1.0" in text and "heard in training" in text


@pytest.mark.parametrize(
    "names, expected",
    [
        (("vocals", "bass", "drums", "guitar"), ["vocals", "bass", "drums", "residual"]),
        (("drums", "piano"), ["drums", "residual"]),
        (("other", "bass", "vocals", "drums"), ["other", "bass", "vocals", "drums"]),
    ],
)
def test_priors_are_those_of_the_song_and_the_rest_is_one_source(names, expected):
    chosen, truth, rate = demo.read_song(separator(*names), SONG)
    assert chosen.sources == expected and rate == 44100
    assert truth.shape[:2] == (len(expected), 2)
    mixture = sum(load_audio(path)[0] for path in SONG.glob("*.ogg"))
    assert (truth.sum(0) - mixture).abs().max() < 6.1 / 32768
    vocals = load_audio(SONG / "vocals.ogg")[0]
    if "vocals" in expected:
        assert (truth[expected.index("vocals")] - vocals).abs().max() < 2 / 32768
    assert torch.equal(demo.read_song(separator(*names), SONG)[1], truth)


def test_other_priors_separate_the_real_song(tmp_path):
    shipped = GenerativeSeparator.from_pretrained("minislakh").subset(["bass", "piano"])
    shipped.save_pretrained(tmp_path / "priors")
    answer = demo.separate_bundled(tmp_path / "out", tmp_path / "priors", progress=False)
    assert list(answer["stems"]) == ["bass", "residual"]
    mixture, rate = load_audio(tmp_path / "out" / "mixture.wav")
    stems = [load_audio(path)[0] for path in answer["stems"].values()]
    assert rate == 44100 and (sum(stems) - mixture).abs().max() < 1e-3
    estimates = answer["scores"]["sisec"]["estimates"]
    assert all(abs(estimates[name]["SIR"]) < 40 for name in answer["stems"])
