import math
import sys

import fast_bss_eval
import museval
import numpy as np
import pytest
import torch
from torchmetrics.functional import scale_invariant_signal_distortion_ratio

from asteroid_instglow.evaluation.bsseval import (
    BSS_METRICS,
    _correlations,
    bss_eval,
    museval_bss_eval,
)
from asteroid_instglow.evaluation.metrics import (
    MAX_DB,
    NO_OUTPUT_SI_SDR,
    energy_ratio_db,
    sdr,
    si_sdr,
    window_sdr,
)

SDR, ISR, SIR, SAR = range(4)
RATE = 4000


def signals(n_src=2, channels=1, seconds=3.0, seed=0):
    """Coloured references, and estimates with leakage, filtering and noise."""
    rng = np.random.default_rng(seed)
    time = int(seconds * RATE)
    references = rng.standard_normal((n_src, channels, time + 1))
    references = references[..., 1:] + 0.7 * references[..., :-1]
    estimates = references + 0.3 * np.roll(references, 3, axis=-1)
    estimates += 0.2 * np.roll(references, 1, axis=0)
    return references, estimates + 0.4 * rng.standard_normal(references.shape)


def published(references, estimates, window, hop=None):
    """What the museval package itself gives, in our order of dimensions."""
    swapped = (x.transpose(0, 2, 1) for x in (references, estimates))
    return np.stack(museval.evaluate(*swapped, win=window, hop=hop or window)[:4])


def assert_close(actual, expected, atol=1e-6):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("window, hop", [(RATE, None), (np.inf, None), (5000, 2000)])
def test_bss_eval_is_musevals(channels, window, hop):
    references, estimates = signals(channels=channels, seconds=2.6)
    ours = None if window == np.inf else window

    values = bss_eval(references, estimates, window=ours, hop=hop)

    assert values.shape == (4, 2, {RATE: 2, np.inf: 1, 5000: 3}[window])
    assert_close(values, published(references, estimates, window, hop))


def test_bss_eval_of_dependent_references_is_musevals():
    references, estimates = signals(channels=2, seconds=2)
    references[:, 1] = references[:, 0]  # mono stems in both channels

    values = bss_eval(references, estimates, window=RATE)

    assert_close(values, published(references, estimates, RATE), atol=1e-3)


def test_bss_eval_survives_a_source_given_twice():
    references, estimates = signals(seconds=2)
    twice = references[[0, 1, 1]], estimates[[0, 1, 1]]

    values = bss_eval(*twice, window=RATE)

    assert_close(values[:, :2], bss_eval(references, estimates, window=RATE), atol=1e-3)


def test_correlations_in_blocks_are_the_plain_ones():
    first, second = np.random.default_rng(0).standard_normal((2, 3, 1000))

    blocked = _correlations(torch.from_numpy(first), torch.from_numpy(second), 20, block=170)

    plain = [[np.correlate(b, a, "full")[979:1020] for b in second] for a in first]
    assert_close(blocked.numpy(), plain, atol=1e-9)


def test_each_kind_of_error_lands_in_its_own_ratio():
    references, _ = signals(seconds=4)
    target, other = references
    noise = np.random.default_rng(1).standard_normal(target.shape)
    filtered = target + 0.5 * np.roll(target, 20, axis=-1)

    def ratios(estimate):
        return bss_eval(references, np.stack([estimate, other]))[:, 0, 0]

    distorted, leaking, noisy = map(ratios, (filtered, target + 0.1 * other, target + 0.1 * noise))
    # What wraps around in the roll is no filtering, hence 20 samples of artefacts.
    assert distorted[ISR] == pytest.approx(distorted[SDR], abs=0.1)
    assert min(distorted[[SIR, SAR]]) > 25
    # The target explains, by chance, a share of the other of about filter length / time.
    assert leaking[SIR] == pytest.approx(leaking[SDR], abs=0.5)
    assert leaking[ISR] > leaking[SIR] + 10
    assert leaking[SAR] > 150
    assert noisy[SAR] == pytest.approx(noisy[SDR], abs=0.5)
    assert min(noisy[[ISR, SIR]]) > noisy[SAR] + 10


def test_silent_reference_is_nan_and_takes_no_part():
    references, estimates = signals(n_src=3)
    references[1] = 0

    values = bss_eval(references, estimates, window=RATE)

    assert np.isnan(values[:, 1]).all()
    alone = bss_eval(references[[0, 2]], estimates[[0, 2]], window=RATE)
    assert_close(values[:, [0, 2]], alone)


def test_silent_estimate_is_the_limit_of_small_ones_and_leaves_the_others_alone():
    references, estimates = signals()
    estimates[1] *= 1e-9
    small = bss_eval(references, estimates, window=RATE)
    estimates[1] = 0

    values = bss_eval(references, estimates, window=RATE)

    assert (values[[SDR, ISR], 1] == 0).all()
    assert_close(small[[SDR, ISR], 1], 0)
    assert np.isnan(values[[SIR, SAR], 1]).all()
    assert_close(values[:, 0], small[:, 0])


def test_a_window_with_silence_is_nan_for_all_as_in_museval():
    references, estimates = signals()
    references[0, :, RATE : 2 * RATE] = 0
    estimates[1, :, 2 * RATE :] = 0

    values = bss_eval(references, estimates, window=RATE)

    assert not np.isnan(values[:, :, 0]).any()
    assert np.isnan(values[:, :, 1:]).all()
    assert_close(values, published(references, estimates, RATE))


def test_nothing_but_silence_is_nan():
    silence = np.zeros((2, 1, RATE))

    for backend in (bss_eval, museval_bss_eval):
        assert np.isnan(backend(silence, silence, window=RATE // 2)).all()


def test_museval_backend_agrees_also_on_silence():
    references, estimates = signals(n_src=3)
    references[0] = 0
    estimates[2] = 0

    values = museval_bss_eval(references, estimates, window=RATE)

    assert np.isfinite(values[SDR, 1:]).all()
    assert_close(values, bss_eval(references, estimates, window=RATE))


def test_museval_that_does_not_import_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "museval.metrics", None)

    with pytest.raises(ImportError, match="ffmpeg on the path.*backend='builtin'"):
        museval_bss_eval(*signals(), window=RATE)


def test_a_perfect_estimate_is_finite():
    references, _ = signals(seconds=1)

    assert (bss_eval(references, references)[SDR] == MAX_DB).all()
    assert np.isfinite(si_sdr(references, references)).all()
    assert np.isfinite(sdr(references, references)).all()


def test_bss_eval_takes_arrays_that_torch_would_not():
    references, estimates = signals(seconds=1)
    backwards = references[..., ::-1], estimates[..., ::-1]
    frozen = np.broadcast_to(estimates[:1], estimates.shape)

    assert np.isfinite(bss_eval(*backwards)).all()
    assert np.isfinite(bss_eval(references.astype(np.float32), frozen)).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_si_sdr_is_torchmetrics_and_fast_bss_evals(seed):
    references, estimates = signals(n_src=3, seed=seed)
    ref, est = (torch.from_numpy(x[:, 0]) for x in (references, estimates))

    values = si_sdr(references, estimates)

    assert_close(values, scale_invariant_signal_distortion_ratio(est, ref))
    assert_close(values, fast_bss_eval.si_sdr(ref, est, zero_mean=False).numpy())


def test_si_sdr_ignores_gain_but_not_balance():
    references, estimates = signals(channels=2)

    assert_close(si_sdr(references, -7 * estimates), si_sdr(references, estimates))
    balance = np.array([[1.0], [0.5]])
    assert_close(si_sdr(references, references * balance), [10 * math.log10(9)] * 2, atol=0.5)


def test_si_sdr_of_silence():
    references, estimates = signals(n_src=4, seconds=1)
    references[0] = references[1] = 0
    estimates[1] = estimates[2] = 0

    values = si_sdr(references, estimates)

    assert np.isnan(values[:2]).all()
    assert values[2] == NO_OUTPUT_SI_SDR
    assert values[3] > 0


def test_si_sdr_of_what_has_nothing_in_common_is_the_lowest():
    reference = np.array([[[1.0, 0.0, 0.0]]])

    assert si_sdr(reference, np.array([[[0.0, 2.0, 0.0]]])) == -MAX_DB


def test_sdr_is_the_formula():
    references, estimates = signals(channels=2)
    references[1] = 0

    values = sdr(references, estimates)

    energy, error = (references[0] ** 2).sum(), ((references[0] - estimates[0]) ** 2).sum()
    assert values[0] == pytest.approx(10 * math.log10(energy / error), abs=1e-6)
    assert np.isnan(values[1])
    assert sdr(references, np.zeros_like(references))[0] == 0


def test_energy_ratio_keeps_its_limits():
    values = energy_ratio_db([1, 1, 0, 0, 1e-40], [1, 0, 0, 1, 1])

    np.testing.assert_array_equal(values, [0, MAX_DB, np.nan, np.nan, -MAX_DB])


@pytest.mark.parametrize("function", [sdr, si_sdr, bss_eval, museval_bss_eval])
def test_wrong_signals_are_refused(function):
    good = np.ones((2, 1, 100))
    bad = good.copy()
    bad[1, 0, 3] = np.inf

    with pytest.raises(ValueError, match=r"\(2, 1, 100\) and \(2, 1, 99\)"):
        function(good, good[..., 1:])
    with pytest.raises(ValueError, match="n_src, channels, time"):
        function(good[0], good[0])
    with pytest.raises(ValueError, match="not empty"):
        function(good[..., :0], good[..., :0])
    with pytest.raises(ValueError, match="finite"):
        function(good, bad)


def test_wrong_windows_are_refused():
    with pytest.raises(ValueError, match="positive sample counts, got 0"):
        bss_eval(*signals(), window=0)
    with pytest.raises(ValueError, match="got 100 and -1"):
        bss_eval(*signals(), window=100, hop=-1)


def test_order_of_the_ratios():
    assert BSS_METRICS == ("SDR", "ISR", "SIR", "SAR")


def test_median_over_the_windows_that_play():
    reference = np.concatenate([np.full(10, level) for level in (1.0, 0.5, 0.0, 1.0, 1e-4)])
    error = np.repeat([0.1, 0.1, 1.0, 1.0, 1.0], 10)
    wanted = np.median([20.0, 20 * math.log10(5), 0.0])
    rest = np.ones(7)  # fills no window
    signals = np.append(reference, rest), np.append(reference + error, -rest)
    assert window_sdr(*signals, 10) == pytest.approx(wanted)
    assert math.isnan(window_sdr(np.zeros(20), np.ones(20), 10))
