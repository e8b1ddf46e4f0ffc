"""How sure a separation is, who plays, what else it could be: on the bundled song."""

import json
from importlib.resources import files

import pytest
import soundfile
import torch
from conftest import tiny_prior
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, load_audio
from asteroid_instglow.baselines.oracles import IdealRatioMask
from asteroid_instglow.cli import main
from asteroid_instglow.uncertainty import errors
from asteroid_instglow.uncertainty.detection import UNFAMILIAR
from asteroid_instglow.uncertainty.evidence import (
    CELL,
    MOST,
    N_BANDS,
    N_OCTAVES,
    QUANTITIES,
    bands_of,
    pool,
    quantities,
)
from asteroid_instglow.uncertainty.samples import deviations

SECONDS = 8


@pytest.fixture(scope="module")
def separator():
    return GenerativeSeparator.from_pretrained("minislakh")


@pytest.fixture(scope="module")
def stems(separator):
    """True sources of the bundled song, (n_src, time)."""
    folder = files("asteroid_instglow") / "recipes/demo_song"
    wavs = [load_audio(folder / f"{name}.flac")[0][0] for name in separator.sources]
    return torch.stack(wavs)[:, : SECONDS * 22050]


@pytest.fixture(scope="module")
def told(separator, stems):
    """The sources, and how sure they are."""
    out, told = separator.separate(stems.sum(0)[None], confidence=True)
    return out[0], told[0]


def sdr(stems, found):
    true, error = (x.unflatten(-1, (SECONDS, -1)).square().sum(-1) for x in (stems, stems - found))
    return 10 * (true / error).log10()


def ranks(x):
    return x.flatten().argsort().argsort().double()


def test_bands_and_cells():
    power = torch.ones(2, 1025, 87)  # two seconds
    pooled = pool(power, 2048, 512, 22050)
    assert pooled.shape == (2, N_BANDS, int(86 * 512 / 22050 / CELL) + 1)
    assert_close(pooled.sum(1), torch.full_like(pooled[:, 0], 1025.0))
    assert bands_of(2048, 22050).unique().tolist() == list(range(N_BANDS))
    assert bands_of(2048, 48000)[-1] == N_BANDS - 1


def test_quantities_of_two_equal_sources():
    mixture = torch.full((5, 3), 2 + 0j)
    sources = torch.stack([mixture, mixture]) / 2
    estimate, ambiguity, _, correction, remainder, mixed, dominated, *still = quantities(
        mixture, sources, 0.5 * sources
    )
    assert_close(estimate, torch.ones(2, 5, 3))
    assert_close(ambiguity, torch.ones(2, 5, 3))  # m (1 - m) |x|^2 = 4 / 4
    assert_close(correction, torch.full((2, 5, 3), 0.25))
    assert_close(remainder, torch.ones(2, 5, 3))
    assert_close(mixed, torch.full((2, 5, 3), 4.0))
    assert not dominated.any()
    assert not torch.stack(still).any()


def test_masks_that_turn_and_jump():
    mixture = torch.tensor([[2.0, 2j, 2.0]])
    mask = torch.tensor([[0.5 + 0.5j, 0.5, 9.0]])
    sources = torch.stack([mask * mixture, (1 - mask) * mixture])
    *_, turned, changing = quantities(mixture, sources, sources)
    assert_close(turned, torch.tensor([1.0, 0.0, 0.0]).expand(2, 1, 3))  # (Im g)^2 |x|^2
    assert_close(changing, torch.tensor([0.0, 1.0, MOST * 4]).expand(2, 1, 3))
    assert not torch.stack([*quantities(0 * mixture, 0 * sources, 0 * sources)]).any()


def test_seconds_rank_as_the_errors_do():
    generator = torch.Generator().manual_seed(0)
    powers = torch.rand(1, len(QUANTITIES) + 1, N_OCTAVES, 200, generator=generator) + 0.01
    powers[:, -1] *= torch.logspace(-3, 0, 200)
    sdr = errors.expected_sdr(powers[:, QUANTITIES.index("estimate")].sum(1), powers[:, -1].sum(1))
    low, middle, high = errors.interval_model()(powers)
    assert (middle[0, sdr[0].argsort()].diff() > 0).all()
    assert (low < middle).all() and (middle < high).all()


def test_confidence_leaves_the_sources_as_they_are(separator, stems, told):
    assert torch.equal(separator.separate(stems.sum(0)[None])[0], told[0])


def test_expected_sdr_follows_the_true_one(stems, told):
    true, confidence = sdr(stems, told[0]), told[1]
    held = (confidence.low <= true) & (true <= confidence.high)
    assert 0.6 <= held.double().mean() <= 1
    assert torch.corrcoef(torch.stack([ranks(true), ranks(confidence.sdr)]))[0, 1] > 0.7
    assert (true - confidence.sdr).abs().mean() < 2.5


def test_confidence_hardly_depends_on_the_pieces(separator, stems, told):
    _, (pieces,) = separator.separate(stems.sum(0)[None], confidence=True, chunk=4.0, overlap=1.0)
    assert (pieces.sdr - told[1].sdr).abs().mean() < 1


def test_confidence_of_a_file(separator, stems, tmp_path):
    soundfile.write(tmp_path / "song.wav", stems[:, : 3 * 22050].sum(0).numpy(), 22050)
    written = separator.separate(tmp_path / "song.wav", tmp_path / "out", confidence=True)
    answer = json.loads(written["confidence"].read_text())
    assert answer["seconds"] == [0, 1, 2] and answer["level"] == 0.8
    assert list(answer["sources"]) == separator.sources
    for values in answer["sources"].values():
        assert all(a < b < c for a, b, c in zip(values["low"], values["sdr"], values["high"]))
    with pytest.raises(FileExistsError, match="confidence.json"):
        for path in written.values():
            path.unlink() if path.suffix == ".wav" else None
        separator.separate(tmp_path / "song.wav", tmp_path / "out", confidence=True)


def test_silence_is_neither_sure_nor_unsure(separator):
    out, (confidence,) = separator.separate(torch.zeros(1, 30000), confidence=True)
    assert not out.any() and confidence.sdr.isnan().all()
    assert confidence.to_dict()["sources"]["bass"]["sdr"] == [None, None]
    assert confidence.detection.present == [] and confidence.detection.unexplained == 0
    assert confidence.describe()[0] == "bass silent"


def test_what_cannot_tell_its_errors_says_so(priors):
    paper = GenerativeSeparator(priors, n_iter=1)
    with pytest.raises(ValueError, match='confidence needs solver="encoder", got "paper"'):
        paper.separate(torch.randn(1, 4000), confidence=True)
    with pytest.raises(ValueError, match="IdealRatioMask estimates no errors"):
        IdealRatioMask(["bass"], 8000)._gather(1, None)


def test_alternatives_sum_to_the_mixture_and_centre_on_the_answer(separator, stems, told):
    answer, mixture = told[0], stems.sum(0)
    drawn = separator.posterior(mixture, n=4)
    assert drawn.shape == (4, *answer.shape)
    assert (drawn.sum(1) - mixture).abs().max() < 1e-5 * mixture.abs().max()
    assert_close(drawn.mean(0), answer, atol=1e-5, rtol=0)
    assert torch.equal(drawn, separator.posterior(mixture, n=4))
    assert not torch.equal(drawn, separator.posterior(mixture, n=4, seed=1))
    moved = (drawn - answer).square().mean((0, 2))
    true = (stems - answer).square().mean(1)
    assert ((moved / true).log10().abs() < 0.7).all()  # within 7 dB of the true error


def test_deviations_have_the_power_of_the_error(told):
    answer, confidence = told
    root = deviations(answer[:, None], confidence.error, 22050)
    variance = root.square()
    left = (variance * (1 - variance / variance.sum(0).clamp_min(1e-12))).sum((1, 2, 3))
    wanted = confidence.error.sum(1).mean(1) * root.shape[-1]
    assert ((left / wanted).log10().abs() < 0.15).all()


def test_alternatives_of_a_stereo_batch():
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    two = {n: tiny_prior(n, i, encoder=encoder) for i, n in enumerate(("bass", "drums"))}
    wav = 0.1 * torch.randn(2, 2, 9000)
    drawn = GenerativeSeparator(two).posterior(wav, n=3)
    assert drawn.shape == (3, 2, 2, 2, 9000)
    assert_close(drawn.sum(2), wav.expand(3, -1, -1, -1), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="n must be"):
        GenerativeSeparator(two).posterior(wav, n=0)


@pytest.mark.parametrize("length, scale", [(1, 1.0), (700, 1e-41), (9000, 1e30), (9000, 1e-30)])
def test_alternatives_of_any_length_and_level(length, scale):
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    two = {n: tiny_prior(n, i, encoder=encoder) for i, n in enumerate(("bass", "drums"))}
    wav = scale * torch.randn(length, generator=torch.Generator().manual_seed(0))
    drawn = GenerativeSeparator(two).posterior(wav, n=3, progress=False)
    assert drawn.isfinite().all()
    assert (drawn.sum(1) - wav).abs().max() <= 1e-5 * wav.abs().max() + 1e-38


def test_what_is_above_full_scale_has_errors_as_loud():
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    two = {n: tiny_prior(n, i, encoder=encoder) for i, n in enumerate(("bass", "drums"))}
    wav = torch.randn(9000, generator=torch.Generator().manual_seed(0))
    wav = wav / wav.abs().max()
    model = GenerativeSeparator(two)
    (quiet,), (loud,) = (model.separate(g * wav, confidence=True)[1] for g in (1.0, 100.0))
    assert_close(loud.error, 1e4 * quiet.error, rtol=1e-3, atol=0)
    assert_close(loud.sdr, quiet.sdr, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"x" * 100, None])
def test_damaged_weights_are_named(tmp_path, monkeypatch, content):
    whole = (files("asteroid_instglow.uncertainty") / errors.WEIGHTS).read_bytes()
    (tmp_path / "w.safetensors").write_bytes(whole[:5000] if content is None else content)
    monkeypatch.setattr(errors, "WEIGHTS", str(tmp_path / "w.safetensors"))
    errors._all_tensors.cache_clear()
    try:
        with pytest.raises(ValueError, match="w.safetensors is damaged, install the package again"):
            errors._tensors("errors.")
    finally:
        errors._all_tensors.cache_clear()


def test_who_plays(separator, stems, told, tmp_path, capsys):
    assert told[1].detection.present == separator.sources
    kept = [0, 1]
    wav = stems[kept, : 4 * 22050].sum(0)
    found = separator.detect(wav)
    assert found.present == ["bass", "drums"]
    assert 0 <= found.unexplained < 0.05 and 0 <= found.familiar <= 1

    soundfile.write(tmp_path / "song.wav", wav.numpy(), 22050, subtype="FLOAT")
    song, out = str(tmp_path / "song.wav"), str(tmp_path / "out")
    options = ["--priors", "minislakh", "--quiet", "--device", "cpu"]
    picture = tmp_path / "who.svg"
    assert main(["detect", song, *options, "--json", "--picture", str(picture)]) == 0
    assert all(f"<!-- {name} -->" in picture.read_text() for name in separator.sources)
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"sources", "unexplained", "familiar"}
    assert len(answer["sources"]["drums"]["seconds"]) == 4
    assert answer["sources"]["drums"]["probability"] > 0.9
    assert answer["sources"]["piano"]["probability"] < 0.5

    more = ["--sources", "auto", "--confidence", "--subtype", "FLOAT", "-o", out]
    assert main(["separate", song, *options, *more]) == 0
    paths = {p.name: p for p in (tmp_path / "out/song").iterdir()}
    assert {"confidence.json", "confidence.png", "piano.wav"} <= set(paths)
    assert not soundfile.read(paths["piano.wav"])[0].any()
    alone = separator.subset(["bass", "drums"]).separate(wav[None])[0]
    bass = torch.from_numpy(soundfile.read(paths["bass.wav"], dtype="float32")[0])
    assert_close(bass, alone[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "picture, error", [("who.jpg", "must be one of .png, .svg"), ("no/who.png", "does not exist")]
)
def test_a_picture_that_cannot_be_drawn_is_refused_first(tmp_path, capsys, picture, error):
    argv = ["detect", str(tmp_path / "no.wav"), "--picture", str(tmp_path / picture)]
    assert main(argv) == 2
    assert error in capsys.readouterr().err


def test_a_source_alone_is_familiar(separator, stems):
    for stem in stems[:, : 3 * 22050]:
        assert separator.detect(stem[None]).familiar > 0.1


def test_noise_is_not_familiar(separator, told):
    noise = torch.randn(3 * 22050, generator=torch.Generator().manual_seed(0))
    frequency = torch.fft.rfftfreq(len(noise), 1 / 22050).clamp_min(20)
    pink = torch.fft.irfft(torch.fft.rfft(noise) * frequency**-0.5, len(noise))
    assert separator.detect(pink / (4 * pink.abs().max())).familiar < UNFAMILIAR
    assert told[1].detection.familiar > UNFAMILIAR
