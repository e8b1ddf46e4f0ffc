import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.baselines import system_class
from asteroid_instglow.baselines.supervised import l1, mse, negative_snr
from asteroid_instglow.baselines.wave_u_net import WaveUNet

SOURCES = ["bass", "drums", "piano"]


def make(name, package=None, **args):
    if package:
        pytest.importorskip(package, reason="the extra [baselines] is not installed")
    torch.manual_seed(0)
    return system_class(name)(SOURCES, **args)


@pytest.fixture
def sources():
    return torch.randn(2, 3, 400, generator=torch.Generator().manual_seed(0))


class TestLosses:
    def test_are_zero_or_least_at_the_truth(self, sources):
        for loss in (l1, mse):
            assert_close(loss(sources, sources), torch.zeros(2))
        assert_close(negative_snr(sources, sources), torch.full((2,), -30.0))

    def test_values(self, sources):
        assert_close(l1(sources + 0.5, sources), torch.full((2,), 0.5))
        assert_close(mse(sources - 0.5, sources), torch.full((2,), 0.25))
        # An error of a tenth of the mixture's level in every source is -20 dB.
        level = sources.sum(1, keepdim=True).square().mean(-1, keepdim=True).sqrt()
        got = negative_snr(sources + 0.1 * level, sources)
        assert_close(got, torch.full((2,), -19.59), atol=0.01, rtol=0)

    def test_silent_sources_are_finite(self, sources):
        sources[:, 0] = 0
        sources[1] = 0

        assert negative_snr(torch.zeros_like(sources), sources).isfinite().all()


@pytest.mark.parametrize(
    "name, package, args",
    [
        ("conv-tasnet", None, {"n_filters": 16, "bn_chan": 8, "hid_chan": 16, "skip_chan": 8}),
        ("open-unmix", "openunmix", {"n_fft": 64, "hop_length": 16, "hidden_size": 16}),
        ("demucs", "demucs", {"channels": 8, "depth": 2}),
        ("wave-u-net", None, {"depth": 3, "width": 6}),
    ],
)
def test_fits_its_training_data(name, package, args):
    """Two tones and noise, told apart after some steps."""
    small = {"n_blocks": 2, "n_repeats": 1} if name == "conv-tasnet" else {}
    model = make(name, package, sample_rate=8000, **args, **small).train()
    rng = torch.Generator().manual_seed(1)
    time = torch.arange(1600) / 8000
    phases = 6.28 * torch.rand(4, 2, 1, generator=rng)
    tones = torch.sin(6.2832 * torch.tensor([[200.0], [1500.0]]) * time + phases)
    truth = 0.1 * torch.cat([tones, torch.randn(4, 1, 1600, generator=rng)], 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    losses = []
    for _ in range(40):
        loss = model.loss(truth).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))

    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert all(g.isfinite().all() for g in trained.values() if g is not None)
    # The last block's way to a next one leads nowhere.
    assert all("res_conv" in n for n, g in trained.items() if g is None)
    # In decibels, where the loss is.
    drop = losses[0] - losses[-1] if name == "conv-tasnet" else losses[0] / losses[-1]
    assert drop > 1.5, losses[::10]


class TestConfigurations:
    """What the authors' configurations come to."""

    def test_conv_tasnet(self):
        model = make("conv-tasnet")
        blocks = [m for m in model.network.masker.modules() if type(m).__name__ == "Conv1DBlock"]

        assert len(blocks) == 40 and model.defaults["lr"] == 1e-3

    def test_demucs_is_the_second_version(self):
        model = make("demucs", "demucs", channels=4)
        kinds = {type(m).__name__ for m in model.network.modules()}

        assert not kinds & {"GroupNorm", "GELU", "DConv", "LocalState"}
        assert {"LSTM", "GLU", "ReLU", "ConvTranspose1d"} <= kinds
        assert model.network.resample and model.network.normalize
        assert len(model.network.encoder) == 6 and model.network.lstm.lstm.num_layers == 2

    def test_shifts_are_averaged(self):
        model = make("demucs", "demucs", channels=4, depth=2, shifts=4, sample_rate=8000).eval()
        wav = torch.randn(1, 2000)

        out = model.separate(wav)

        with torch.no_grad():
            moved = [
                model.estimate(torch.nn.functional.pad(wav, (shift, 0)))[..., shift:]
                for shift in (0, 1000, 2000, 3000)
            ]
        assert_close(out, sum(moved) / 4)
        assert (moved[0] - moved[1]).abs().max() > 1e-6

    def test_open_unmix_standardises_its_input(self):
        model = make("open-unmix", "openunmix", n_fft=64, hop_length=16, hidden_size=8)
        rng = torch.Generator().manual_seed(0)
        data = torch.randn(100, 3, 2000, generator=rng) * torch.tensor([[1.0], [2.0], [3.0]])

        model.prepare(data)

        spectra = torch.cat(list(model._magnitude(data.sum(1))), -1)
        for network in model.separator.target_models.values():
            scaled = (spectra + network.input_mean[:, None]) * network.input_scale[:, None]
            assert_close(scaled.mean(1), torch.zeros(33), atol=1e-3, rtol=0)
            assert_close(scaled.std(1), torch.ones(33), atol=1e-3, rtol=0)

    @pytest.mark.parametrize("n", [1, 40, 513, 1000])
    def test_wave_u_net(self, n):
        model = WaveUNet(SOURCES, depth=4, width=2)
        wav = torch.randn(2, n)

        out = model.estimate(wav)

        assert out.shape == (2, 3, n)
        assert_close(out.sum(1), wav)

    def test_wave_u_net_of_the_paper(self):
        """12 levels of 24 more channels each, kernels of 15 down and 5 up."""
        model = WaveUNet(SOURCES)
        chan = [24 * k for k in range(1, 14)]
        down = sum(15 * i * o + o for i, o in zip([1, *chan], chan))
        up = sum(5 * (i + o) * o + o for o, i in zip(chan, chan[1:]))

        assert model.n_parameters == down + up + 25 * 2 + 2

    def test_wave_u_net_needs_two_sources(self):
        with pytest.raises(ValueError, match="two or more"):
            WaveUNet(["bass"])
