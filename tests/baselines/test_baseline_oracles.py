import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.baselines import system_class
from asteroid_instglow.evaluation.metrics import sdr

SOURCES = ["bass", "drums", "piano"]


def make(name):
    if name == "mwf":
        pytest.importorskip("openunmix", reason="the extra [baselines] is not installed")
    options = {} if name == "mixture" else {"n_fft": 256, "hop_length": 64}
    return system_class(name)(SOURCES, 8000, **options)


@pytest.fixture
def band():
    """(1, n_src, 2, time): sources that overlap in frequency, from different directions."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 16000, generator=rng)
    spectrum = torch.fft.rfft(noise)
    frequency = torch.linspace(0, 1, spectrum.shape[-1])
    shapes = torch.stack([torch.exp(-((frequency - c) ** 2) / 0.02) for c in (0.2, 0.4, 0.6)])
    wavs = torch.fft.irfft(spectrum * shapes)
    angles = torch.tensor([0.2, 0.8, 1.4])
    return (wavs[:, None] * torch.stack([angles.cos(), angles.sin()], 1)[..., None])[None]


def scores(name, truth):
    options = {} if name == "mixture" else {"references": truth}
    out = make(name).separate(truth.sum(1), **options)
    out = out.view(truth.shape)
    return sdr(truth[0].double().numpy(), out[0].double().numpy()).mean()


def test_masks_are_what_they_say(band):
    truth = torch.randn(3, 1, 1, 9, 5, dtype=torch.complex64)
    mixture = truth.sum(0)

    ratio = make("irm").mask(truth, mixture) / mixture
    wiener = make("wiener").mask(truth, mixture) / mixture

    assert_close(ratio.real, truth.abs() / truth.abs().sum(0))
    power = truth.abs().square()
    assert_close(wiener.real, power / power.sum(0))
    assert ratio.imag.abs().max() < 1e-5


def test_equal_shares():
    wav = torch.randn(1, 100)
    assert_close(make("mixture").separate(wav), (wav / 3).expand(1, 3, 100))


def test_the_more_an_oracle_knows_the_better(band):
    nothing, ratio, wiener, spatial = (
        scores(name, band) for name in ("mixture", "irm", "wiener", "mwf")
    )

    assert nothing + 5 < ratio < wiener < spatial - 1


def test_multichannel_wiener_of_one_channel_is_close_to_wiener(band):
    mono = band[:, :, :1]
    assert scores("mwf", mono) == pytest.approx(scores("wiener", mono), abs=1.5)


@pytest.mark.parametrize("name", ["irm", "wiener", "mwf"])
def test_what_is_not_a_source_is_left_out(name, band):
    whole = make(name).separate(band.sum(1), references=band)
    model = system_class(name)(SOURCES[:2], 8000, n_fft=256, hop_length=64)

    out = model.separate(band.sum(1), references=band[:, :2])

    assert_close(out, whole[:, :2], atol=1e-4, rtol=0)


def test_more_channels_than_two_are_refused(band):
    wav = torch.randn(1, 3, 4000)
    with pytest.raises(ValueError, match="one or two channels"):
        make("mwf").separate(wav, references=torch.randn(1, 3, 3, 4000))


def test_files_without_the_truth_are_refused(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "mixture.wav", torch.randn(4000).numpy() * 0.1, 8000)
    with pytest.raises(FileNotFoundError, match="references must hold bass.wav"):
        make("irm").separate(tmp_path / "mixture.wav", tmp_path / "stems")
    for name, length in zip(SOURCES, (4000, 4000, 3000)):
        soundfile.write(tmp_path / f"{name}.wav", torch.randn(length).numpy() * 0.1, 8000)
    with pytest.raises(ValueError, match=r"references must have .* got \(1, 3000\) in .*piano"):
        make("irm").separate(tmp_path / "mixture.wav", tmp_path / "stems")
