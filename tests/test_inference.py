"""What a separation must not depend on: pieces, rates, levels, offsets and what else is there."""

import math
import time
from importlib.resources import files

import numpy as np
import pytest
import soundfile
import torch
from conftest import tiny_prior
from sounds import noise
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, inference, load_audio
from asteroid_instglow.adapter import Separator
from asteroid_instglow.options import SeparationOptions
from asteroid_instglow.utils.progress import SeparationProgress

RATE = 8000


@pytest.fixture(scope="module")
def separator():
    """Two sources with encoders."""
    priors = {}
    for i, name in enumerate(("bass", "drums")):
        torch.manual_seed(i)
        priors[name] = tiny_prior(name, i)
        priors[name].add_encoder({"n_fft": 256, "hop_length": 64, "width": 4})
    return GenerativeSeparator(priors).eval()


def decibels(error, signal):
    return 10 * math.log10(float(error.square().sum() / signal.square().sum()) + 1e-30)


@pytest.mark.parametrize("seed", range(30))
def test_sources_sum_to_the_mixture_for_every_chunk_overlap_and_rate(separator, seed):
    draw = np.random.default_rng(seed)
    rate = int(draw.choice([RATE, 4000, 11025, 44100, 44101, 7919]))
    chunk = draw.uniform(0.01, 0.4)
    overlap = chunk / 2 if seed % 2 else draw.uniform(0, chunk / 2)
    longest = min(rate, int(25 * chunk * rate))
    wav = noise(1, int(draw.integers(1, 3)), int(draw.integers(1, longest)), seed=seed)
    out = separator.separate(wav, sample_rate=rate, chunk=chunk, overlap=overlap)
    mixture = wav[:, 0] if wav.shape[1] == 1 else wav
    assert (out.sum(1) - mixture).abs().max() <= 1e-5 * wav.abs().max()


@pytest.mark.parametrize("solver", ["encoder", "paper"])
def test_an_item_is_the_same_beside_any_others(separator, solver):
    batch = torch.cat([noise(1, 2, 4000), 30 * noise(1, 2, 4000, seed=1), torch.zeros(1, 2, 4000)])
    options = {"solver": solver, "n_iter": 3, "init_scale": 0.1}
    together = separator.separate(batch, **options)
    for item, out in zip(batch, together):
        assert torch.equal(separator.separate(item[None], **options)[0], out)


# The published search depends on the level, where it finds anything.
@pytest.mark.parametrize("solver, loudest", [("encoder", 1e4), ("paper", 1e-3)])
def test_the_level_does_not_matter(separator, solver, loudest):
    wav, options = noise(2, 2000), {"solver": solver, "n_iter": 3}
    expected = separator.separate(loudest * wav, **options) / loudest
    for gain in (1e-12, 1e-4, 1e-2, 1.0):
        gain = min(gain, loudest / 2)
        found = separator.separate(gain * wav, **options) / gain
        assert decibels(found - expected, expected) < -100


@pytest.mark.parametrize("frequency", [0, 2, 5, 9])
@pytest.mark.parametrize("residual", [False, True])
def test_subsonics_are_set_aside_and_given_back(separator, frequency, residual):
    model = GenerativeSeparator(dict(zip(("a", "b"), separator.priors)), residual=residual).eval()
    wav = noise(3 * RATE)
    low = 0.3 * torch.cos(2 * math.pi * frequency * torch.arange(3 * RATE) / RATE)
    plain, out = model.separate(wav), model.separate(wav + low)
    assert (out.sum(0) - wav - low).abs().max() < 1e-5
    # Nothing but the offset itself differs, but for the ends, where its period is cut.
    spectra = torch.stft(
        (out - plain)[:, RATE // 2 : -RATE // 2],
        1024,
        return_complex=True,
        window=torch.hann_window(1024),
    )
    whole = torch.stft(plain, 1024, return_complex=True, window=torch.hann_window(1024))
    assert decibels(spectra[:, 6:].abs(), whole[:, 6:].abs()) < -40
    if residual:
        assert decibels((out - plain)[:2], low) < -40


def test_time_must_be_the_last_axis(separator):
    stereo = noise(2, 2000).T.contiguous()
    for wav in (stereo, stereo.numpy(), stereo[None]):
        with pytest.raises(ValueError, match=r"time on its last axis, got .*2000, 2\): transpose"):
            separator.separate(wav)


@pytest.mark.parametrize("rate", [1, 999, 1_000_003, 2**31 - 1, 0, -8000, 8000.5, float("nan")])
def test_impossible_rates_are_refused_at_once(separator, tmp_path, rate):
    started = time.process_time()
    with pytest.raises(ValueError, match="sample_rate must be"):
        separator.separate(noise(2000), sample_rate=rate)
    if rate >= 1 and rate == int(rate):
        soundfile.write(tmp_path / "a.wav", noise(2000).numpy(), int(rate))
        with pytest.raises(ValueError, match="sample_rate must be 1000 to 1000000 Hz"):
            separator.separate(tmp_path / "a.wav")
        assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert time.process_time() - started < 1


@pytest.mark.parametrize("rate", [1000, 7919, 44101, 192001, 999_983])
def test_rates_without_a_common_factor_take_no_time(separator, rate):
    wav, started = noise(2000), time.process_time()
    out = separator.separate(wav, sample_rate=rate)
    assert time.process_time() - started < 1
    assert (out.sum(0) - wav).abs().max() <= 1e-5 * wav.abs().max()


@pytest.mark.parametrize("option", ["chunk", "overlap", "lr", "early_stop", "prior_weight"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0])
def test_numbers_that_are_none_are_refused(option, value):
    with pytest.raises(ValueError, match=f"{option} must be"):
        SeparationOptions(**{option: value})


@pytest.mark.parametrize("chunk", [1e-9, 0.009, 1e300])
def test_pieces_that_are_padding_alone_are_refused(chunk):
    with pytest.raises(ValueError, match="chunk must be a number from 0.01 to"):
        SeparationOptions(chunk=chunk, overlap=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda wav: wav.to_sparse(),
        lambda wav: wav.to("meta"),
        lambda wav: torch.quantize_per_tensor(wav, 0.1, 0, torch.qint8),
    ],
)
def test_tensors_without_samples_are_refused(separator, change):
    with pytest.raises(ValueError, match="wav must be a dense tensor with values"):
        separator.separate(change(noise(2, 2000)))


def test_a_number_is_no_wav(separator):
    for number in (torch.tensor(0.5), np.array(0.5)):
        with pytest.raises(ValueError, match=r"wav must be \(time,\)"):
            separator.separate(number)


def test_float16_stays_finite(separator):
    wav = (60000 * torch.ones(1, 2000)).half()
    wav[0, ::2] *= -1
    with torch.no_grad():
        loud = separator.separate(wav.float(), solver="paper", n_iter=2, lr=1e6)
    assert loud.abs().max() > 65504
    out = separator.separate(wav, solver="paper", n_iter=2, lr=1e6)
    assert out.dtype == torch.float16 and out.isfinite().all()


def test_progress_counts_pieces(separator, capsys):
    options = {"chunk": 0.25, "overlap": 0.05}
    seen = []
    separator.separate(noise(2, RATE // 2), progress=lambda *now: seen.append(now), **options)
    assert [done for done, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert all(math.isnan(loss) for _, loss in seen)
    fractions = []
    for solver in ("encoder", "paper"):
        progress = SeparationProgress(lambda *now: fractions.append(progress.fraction))  # noqa: B023
        separator.separate(noise(RATE // 2), progress=progress, solver=solver, n_iter=2, **options)
        assert fractions == sorted(fractions) and len(fractions) >= 3 and fractions[-1] == 1
        fractions.clear()
    separator.separate(noise(RATE // 2), progress=True, **options)
    assert "/3" in capsys.readouterr().err


class Halves(Separator):
    """Two equal sources, from pieces that it counts."""

    sources, sample_rate, options = ["a", "b"], RATE, SeparationOptions()

    def __init__(self):
        self.longest = 0

    def parameters(self):
        return iter(())

    buffers = parameters

    def _solve(self, wav, options, report):
        self.longest = max(self.longest, wav.shape[-1])
        return torch.stack([wav, wav]) / 2

    def _sums_up(self, options):
        return True


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_a_file_is_separated_as_a_tensor_but_read_in_blocks(tmp_path, monkeypatch, suffix):
    blocks = []
    read = inference.read_frames
    monkeypatch.setattr(inference, "_SCAN", 5000)
    monkeypatch.setattr(inference, "read_frames", lambda *a: (blocks.append(a[-1]), read(*a))[1])
    soundfile.write(tmp_path / f"a{suffix}", noise(40000, 2).numpy(), RATE)
    model, wav = Halves(), soundfile.read(tmp_path / f"a{suffix}", dtype="float32")[0].T
    options = {"chunk": 1.0, "overlap": 0.3}
    paths = model.separate(tmp_path / f"a{suffix}", subtype="FLOAT", **options)
    expected = model.separate(torch.from_numpy(wav.copy())[None], **options)[0]
    for path, source in zip(paths.values(), expected):
        assert_close(torch.from_numpy(soundfile.read(path, dtype="float32")[0].T), source)
    assert model.longest <= RATE and max(blocks) <= RATE


def test_a_file_that_is_damaged_at_its_end_is_refused_before_the_work(tmp_path):
    wav = noise(40000).numpy()
    wav[-1] = np.nan
    soundfile.write(tmp_path / "a.wav", wav, RATE, "FLOAT")
    model = Halves()
    with pytest.raises(ValueError, match=r"a\.wav must hold finite samples"):
        model.separate(tmp_path / "a.wav")
    assert model.longest == 0 and [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("work", ["detect", "auto"])
def test_who_plays_is_found_out_block_by_block(separator, tmp_path, monkeypatch, work):
    wav = noise(4 * RATE)
    soundfile.write(tmp_path / "song.wav", wav.numpy(), RATE, "FLOAT")
    expected = separator.detect(wav, chunk=1.0, overlap=0.1)
    longest = []
    read = inference.read_frames
    monkeypatch.setattr(inference, "_SCAN", RATE)
    monkeypatch.setattr(
        inference, "read_frames", lambda *args: longest.append(args[-1]) or read(*args)
    )
    if work == "detect":
        found = separator.detect(tmp_path / "song.wav", chunk=1.0, overlap=0.1)
        assert torch.equal(found.seconds, expected.seconds)
        assert found.to_dict() == expected.to_dict()
    else:
        options = {"sources": "auto", "chunk": 1.0, "overlap": 0.1, "subtype": "FLOAT"}
        paths = separator.separate(tmp_path / "song.wav", tmp_path, **options)
        model = separator.subset(expected.present or separator.sources)
        alone = dict(zip(model.sources, model.separate(wav, chunk=1.0, overlap=0.1)))
        for name, path in paths.items():
            wanted = alone.get(name, torch.zeros_like(wav))
            assert_close(torch.from_numpy(soundfile.read(path, dtype="float32")[0]), wanted)
    assert max(longest) <= RATE


def test_one_mixture_is_detected_at_a_time(separator):
    with pytest.raises(ValueError, match="wav must be one mixture, got a batch of 2"):
        separator.detect(noise(2, 1, 4000))
    for wrong in (noise(4000).numpy(), [0.0] * 4000, None):
        for method in (separator.detect, separator.posterior, separator.torch_separate):
            with pytest.raises(TypeError, match="wav must be a tensor, got"):
                method(wrong)


@pytest.mark.parametrize("frequency", [0, 5])
@pytest.mark.parametrize("residual", [False, True])
def test_an_offset_costs_one_source_at_most(frequency, residual):
    # Of the sum, somebody must have it. The true stems have none of it.
    folder = files("asteroid_instglow") / "recipes/demo_song"
    model = GenerativeSeparator.from_pretrained("minislakh", quality="fast")
    model = GenerativeSeparator(
        dict(zip(model.sources, model.priors)), residual, **vars(model.options)
    )
    rate = int(model.sample_rate)
    n = 4 * rate
    true = torch.stack([load_audio(folder / f"{name}.flac")[0][0, :n] for name in model._names])
    low = 0.1 * torch.cos(2 * math.pi * frequency * torch.arange(n) / rate)
    plain, out = (model.separate(x)[: len(true)] for x in (true.sum(0), true.sum(0) + low))
    lost = [decibels(t - b, t) - decibels(t - a, t) for t, a, b in zip(true, plain, out)]
    assert sum(x > 0.3 for x in lost) == (0 if residual else 1), lost
