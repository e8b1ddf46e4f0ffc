import asteroid.models
import asteroid.separate
import numpy as np
import pytest
import soundfile
import torch
from asteroid.dsp.overlap_add import LambdaOverlapAdd
from conftest import tiny_prior
from sounds import noise
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.weights.base import register

RATE = 8000


@pytest.fixture
def separator(priors):
    return GenerativeSeparator(priors, n_iter=3, wiener=True)


def check_sum(out, mixture, axis):
    assert out.isfinite().all()
    assert (out.sum(axis) - mixture).abs().max() <= 1e-5 * mixture.abs().max()


@pytest.mark.parametrize(
    "shape, out",
    [
        ((4000,), (2, 4000)),
        ((1, 4000), (1, 2, 4000)),
        ((3, 4000), (3, 2, 4000)),
        ((3, 1, 4000), (3, 2, 4000)),
        ((1, 2, 4001), (1, 2, 2, 4001)),
        ((1, 8, 4000), (1, 2, 8, 4000)),
        ((10,), (2, 10)),
        ((1, 2, 1), (1, 2, 2, 1)),
    ],
)
def test_shapes_and_sum(separator, shape, out):
    wav = noise(*shape)
    got = separator.separate(wav)
    assert got.shape == out
    mono = len(shape) < 3 or shape[1] == 1
    check_sum(got, wav[:, 0] if len(shape) == 3 and mono else wav, -2 if mono else 1)


def test_chunks_keep_the_sum_and_agree_with_the_whole(separator):
    wav = noise(20000)
    whole = separator.separate(wav, n_iter=20)
    pieces = separator.separate(wav, n_iter=20, chunk=1.0, overlap=0.25)
    check_sum(pieces, wav, 0)
    assert (whole - pieces).square().sum() < 0.2 * whole.square().sum()


@pytest.mark.parametrize("stereo", ["mid", "channels"])
def test_panning_and_phase_are_kept(separator, stereo):
    left = noise(1, 1, 6000)
    wav = torch.cat([left, -0.5 * left], 1)
    out = separator.separate(wav, stereo=stereo)
    check_sum(out, wav, 1)
    if stereo == "mid":
        assert_close(out[:, :, 1], -0.5 * out[:, :, 0], atol=1e-6, rtol=0)


def test_dtypes_and_arrays(separator):
    wav = noise(2000)
    single = separator.separate(wav)
    array = separator.separate(wav.double().numpy())
    assert array.dtype == np.float64
    np.testing.assert_allclose(array, single.numpy(), atol=1e-6)
    integers = (wav * 32768).round().to(torch.int16)
    from_integers = separator.separate(integers)
    assert from_integers.dtype == torch.float32
    assert_close(from_integers, separator.separate(integers / 32768))


def test_residual_takes_what_is_left(priors):
    separator = GenerativeSeparator(priors, residual=True, n_iter=3, wiener=True)
    assert separator.sources == ["bass", "drums", "residual"]
    wav = noise(4000)
    out = separator.separate(wav)
    assert out.shape == (3, 4000) and out[2].abs().max() > 0
    check_sum(out, wav, 0)


def test_any_number_of_priors_and_several_of_one_kind(priors):
    bass, options = priors["bass"], {"n_iter": 2, "wiener": True}
    separator = GenerativeSeparator({"one": bass, "two": bass, "three": priors["drums"]}, **options)
    check_sum(separator.separate(noise(1000)), noise(1000), 0)
    alone = GenerativeSeparator({"bass": bass}, **options)
    assert_close(alone.separate(noise(1000))[0], noise(1000), atol=1e-6, rtol=0)


def test_subset_and_add_prior(separator):
    drums = separator.subset(["drums"])
    assert drums.sources == ["drums"] and drums.priors[0] is separator.priors[1]
    drums.add_prior("piano", tiny_prior("piano", 4))
    assert drums.sources == ["drums", "piano"] and separator.sources == ["bass", "drums"]
    assert drums.separate(noise(1000)).shape == (2, 1000)
    with pytest.raises(ValueError, match="must be out of"):
        separator.subset(["violin"])
    with pytest.raises(ValueError, match="must be new"):
        drums.add_prior("piano", tiny_prior())


def test_silence_in_silence_out(separator):
    for shape in [(4000,), (1, 2, 4000)]:
        assert not separator.separate(torch.zeros(shape)).any()
        assert not separator.separate(torch.zeros(shape), sample_rate=44100).any()


def test_a_silent_piece_among_others(separator):
    wav = noise(24000)
    wav[8000:16000] = 0
    out = separator.separate(wav, chunk=0.5, overlap=0.1)
    check_sum(out, wav, 0)
    assert not out[:, 9000:15000].any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_is_refused(separator, bad):
    wav = noise(100)
    wav[3] = bad
    with pytest.raises(ValueError, match="wav must be finite, got 1 samples"):
        separator.separate(wav)


@pytest.mark.parametrize(
    "wav, text",
    [
        (torch.zeros(0), "at least one sample"),
        (torch.zeros(1, 1, 1, 9), r"got \(1, 1, 1, 9\)"),
        (torch.zeros(9, dtype=torch.int64), "int16, got torch.int64"),
    ],
)
def test_bad_tensors_are_refused(separator, wav, text):
    with pytest.raises(ValueError, match=text):
        separator.separate(wav)


def test_bad_arguments_are_refused(separator, priors):
    with pytest.raises(TypeError, match="tensor, an array or the path"):
        separator.separate([0.0, 1.0])
    with pytest.raises(TypeError, match="unknown option n_iterations"):
        separator.separate(noise(10), n_iterations=3)
    with pytest.raises(ValueError, match="solver must be one of"):
        separator.separate(noise(10), solver="magic")
    with pytest.raises(ValueError, match="n_iter must be a whole number of at least 1, got 0"):
        GenerativeSeparator(priors, n_iter=0)
    with pytest.raises(ValueError, match="overlap must be at most half"):
        separator.separate(noise(10), chunk=1.0, overlap=0.6)
    with pytest.raises(ValueError, match="at least one prior"):
        GenerativeSeparator({})
    with pytest.raises(ValueError, match="residual"):
        GenerativeSeparator({"residual": priors["bass"]})
    with pytest.raises(TypeError, match="'bass' must be a GlowPrior"):
        GenerativeSeparator({"bass": torch.nn.Linear(1, 1)})


@pytest.mark.parametrize(
    "other, text",
    [
        ({"sample_rate": 16000}, "share one sample_rate: 'bass' has 8000, 'odd' has 16000"),
        ({"n_fft": 128}, "share one n_fft: 'bass' has 64, 'odd' has 128"),
        ({"hop_length": 32}, "share one hop_length"),
    ],
)
def test_priors_of_another_setting_are_refused(priors, other, text):
    with pytest.raises(ValueError, match=text):
        GenerativeSeparator({**priors, "odd": tiny_prior(**other)})


def test_auto_is_what_it_stands_for(priors, caplog):
    separator, wav = GenerativeSeparator(priors, n_iter=3), noise(1, 2, 3000)
    separator.separate(wav)
    assert "bass, drums: no encoder" in caplog.text and "3 iterations" in caplog.text
    assert torch.equal(separator.separate(wav), separator.separate(wav, solver="paper"))
    for prior in priors.values():
        prior.add_encoder({"n_fft": 64, "hop_length": 16, "width": 4})
    assert torch.equal(separator.separate(wav), separator.separate(wav, solver="encoder"))


def test_seed_and_options_in_constructor_or_call(priors):
    wav = noise(3000)
    in_call = GenerativeSeparator(priors).separate(wav, n_iter=2, init_scale=0.1, seed=3)
    built = GenerativeSeparator(priors, n_iter=2, init_scale=0.1, seed=3)
    assert torch.equal(built.separate(wav), in_call)
    assert not torch.equal(built.separate(wav, seed=4), in_call)


def test_global_random_numbers_and_threads_are_left_alone(separator):
    before = torch.get_num_threads(), torch.random.get_rng_state()
    separator.separate(noise(1000), init_scale=0.1)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])


def test_progress_callback_stops_the_search(separator):
    seen = []
    separator.separate(noise(1000), n_iter=50, progress=lambda i, loss: seen.append(i) or i == 2)
    assert seen == [1, 2]
    with pytest.raises(TypeError, match="progress"):
        separator.separate(noise(1000), progress="yes")


def test_progress_bar_is_on_stderr(separator, capsys):
    separator.separate(noise(1000), n_iter=3, progress=True)
    captured = capsys.readouterr()
    assert "separating" in captured.err and not captured.out
    assert "loss=" in captured.err and "/3" in captured.err


def test_asteroid_separate(separator, tmp_path):
    wav = noise(1, 1, 4000)
    out = asteroid.separate.separate(separator, wav.clone())
    assert out.shape == (1, 2, 4000) and out.isfinite().all()
    array = asteroid.separate.separate(separator, wav.numpy())
    assert np.isfinite(array).all()
    silence = asteroid.separate.separate(separator, torch.zeros(1, 1, 4000))
    assert silence.isfinite().all() and not silence.any()
    soundfile.write(tmp_path / "silence.wav", np.zeros(4000), RATE)
    asteroid.separate.separate(separator, str(tmp_path / "silence.wav"))
    assert not soundfile.read(tmp_path / "silence_est1.wav")[0].any()


def test_lambda_overlap_add(separator):
    wav = noise(1, 1, 8000)
    ola = LambdaOverlapAdd(separator, n_src=2, window_size=2000, reorder_chunks=False)
    out = ola(wav)
    assert out.shape == (1, 2, 8000)
    assert_close(out.sum(1), wav[:, 0], atol=1e-4, rtol=0)


def test_resampling_can_be_refused(separator, tmp_path):
    soundfile.write(tmp_path / "song.wav", np.zeros(400), 44100)
    with pytest.raises(ValueError, match="must have 8000 Hz as the priors, got 44100 Hz"):
        separator.separate(tmp_path / "song.wav", resample=False)


def test_registered_once_and_again_after_a_reload():
    for cls in (GlowPrior, GenerativeSeparator):
        register(cls)
        assert asteroid.models.get(cls.__name__.lower()) is cls
