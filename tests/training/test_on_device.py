import pytest
import torch
from solo_folders import RATE, write_solos
from torch.testing import assert_close

from asteroid_instglow.data import effects
from asteroid_instglow.data.on_device import DeviceMixtures, DeviceSolos, Part, read_mono, transpose
from asteroid_instglow.encoder import BandSplitEncoder, SourceEncoder
from asteroid_instglow.training.on_device import DeviceRun, train_on_device

SEGMENT = 1024
LSTM = {"n_fft": 64, "hop_length": 16, "width": 8}
BANDS = {**LSTM, "depth": 1, "n_heads": 2, "hidden": 8, "bands": [[8, 4], [1, 1]]}


@pytest.fixture(scope="module")
def solos(tmp_path_factory):
    root = tmp_path_factory.mktemp("solos")
    folders = {}
    for name, seed in (("tone", 0), ("hum", 1)):
        files = tuple(sorted(write_solos(root / name, seed=seed).rglob("*.wav")))
        folders[name] = DeviceSolos({files: 1.0}, SEGMENT, RATE)
    return folders


def encoder(cls, seed=0, **args):
    torch.manual_seed(seed)
    return cls(**(BANDS if cls is BandSplitEncoder else LSTM), n_src=2, **args)


def test_a_batch_is_decided_by_seed_and_number(solos):
    def batch(seed, number):
        mixtures = DeviceMixtures(solos, {"hum": Part(p_second=0.5)}, p_effect=0.5, seed=seed)
        return mixtures.batch(number)

    assert batch(0, 3).shape == (8, 2, SEGMENT)
    assert torch.equal(batch(0, 3), batch(0, 3))
    assert not torch.equal(batch(0, 3), batch(0, 4))
    assert not torch.equal(batch(0, 3), batch(1, 3))


def test_the_background_is_summed_and_absent_sources_are_silent(solos):
    parts = {"tone": Part(p_absent=1.0), "hum": Part(p_absent=0.0)}
    batch = DeviceMixtures(solos, parts, n_src=1, batch_size=16).batch(0)
    assert batch.shape == (16, 2, SEGMENT)
    assert (batch[:, 1].abs().amax(1) > 0).all()
    alone = DeviceMixtures(solos, parts, batch_size=16).batch(0)
    assert (alone[:, 0] == 0).all()


def test_folders_are_drawn_by_weight(tmp_path):
    loud = tuple(write_solos(tmp_path / "a", n=1).rglob("*.wav"))
    many = tuple(write_solos(tmp_path / "b", n=6, seed=1).rglob("*.wav"))
    drawn = DeviceSolos({loud: 3.0, many: 1.0}, SEGMENT, RATE)
    block = torch.multinomial(drawn.weights, 4000, replacement=True)
    assert abs((block < 5).float().mean() - 0.75) < 0.05


def test_only_transposed_copies_are_out_of_tune(tmp_path):
    files = tuple(write_solos(tmp_path, n=1).rglob("*.wav"))
    plain, off = (DeviceSolos({files: 1.0}, SEGMENT, RATE, detune=detune) for detune in (0, 0.3))
    first = len(read_mono(files, RATE)[0])
    assert torch.equal(plain.buffer[:first], off.buffer[:first])
    assert len(plain.buffer) != len(off.buffer)
    again = DeviceSolos({files: 1.0}, SEGMENT, RATE, detune=0.3)
    assert torch.equal(off.buffer, again.buffer)


def test_silence_is_refused(tmp_path):
    files = tuple(write_solos(tmp_path, n=1, gain=1e-5).rglob("*.wav"))
    with pytest.raises(ValueError, match="an excerpt that can be heard"):
        DeviceSolos({files: 1.0}, SEGMENT, RATE)


def test_transposing_moves_the_pitch():
    time = torch.arange(8192) / 8192
    played = transpose(torch.sin(2 * torch.pi * 500 * time), 12)
    assert len(played) == 4096
    assert torch.fft.rfft(played).abs().argmax() == 500  # of 4096 samples: an octave up


@pytest.mark.parametrize("effect", [effects.soft_clip, effects.reverberate, effects.ride])
def test_effects_are_finite_and_seldom_where_seldom_is_asked_for(effect):
    generator = torch.Generator().manual_seed(0)
    wav = torch.randn(64, SEGMENT, generator=generator)
    wav[0] = 0
    changed = effects.change_some(effect, wav, 0.25, generator)
    assert changed.isfinite().all()
    moved = (changed != wav).any(1).float().mean()
    assert 0.1 < moved < 0.4
    assert_close(effects.change_some(effect, wav, 0.0, generator), wav)


def test_the_equaliser_keeps_the_level():
    generator = torch.Generator().manual_seed(0)
    wav = torch.randn(4, SEGMENT, generator=generator)
    changed = effects.equalise(wav, 6.0, generator)
    assert_close(changed.square().mean(1), wav.square().mean(1))
    assert (changed - wav).square().mean() > 0.01


@pytest.mark.parametrize("cls", [SourceEncoder, BandSplitEncoder])
def test_the_loss_falls_and_a_stopped_run_goes_on_exactly(cls, solos, tmp_path):
    mixtures = DeviceMixtures(solos, batch_size=4)
    losses = []
    whole = encoder(cls)
    train_on_device(whole, mixtures, DeviceRun(n_steps=60), lambda i, n, loss: losses.append(loss))
    assert losses[-1] < losses[0] - 0.1
    run = DeviceRun(n_steps=60, checkpoint=tmp_path / "run.pt", checkpoint_seconds=-1.0)

    def stop(step, n_steps, loss):
        if step == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on_device(encoder(cls), mixtures, run, stop)
    again = encoder(cls, seed=1)
    assert train_on_device(again, mixtures, run)["steps"] == 60
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_time_decides_the_number_of_steps(solos):
    record = train_on_device(
        encoder(SourceEncoder), DeviceMixtures(solos, batch_size=2), DeviceRun(seconds=0.5)
    )
    assert 1 < record["steps"] < 1000 and record["seconds"] < 5


def test_nan_is_refused(solos):
    broken = encoder(SourceEncoder)
    with torch.no_grad():
        broken.mask.bias.fill_(torch.nan)
    with pytest.raises(RuntimeError, match="NaN or infinite"):
        train_on_device(broken, DeviceMixtures(solos, batch_size=2), DeviceRun(n_steps=60))
