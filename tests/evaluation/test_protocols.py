"""Scores of signals in memory: those of the published packages, and what silence does to them."""

import fast_bss_eval
import museval
import numpy as np
import pytest
import torch
from scored_folders import RATE, SOURCES, signals, value

from asteroid_instglow.evaluation import (
    PROTOCOLS,
    Report,
    evaluate_signals,
    parse_protocols,
    protocols,
)
from asteroid_instglow.evaluation.metrics import NO_OUTPUT_SI_SDR


def test_parse_protocols():
    assert parse_protocols("all") == list(PROTOCOLS) == ["sisec", "paper", "mdx", "si-sdr"]
    assert parse_protocols(["mdx", "sisec", "mdx"]) == ["mdx", "sisec"]
    for wrong in ("v3", [], ["mdx", "v3"]):
        with pytest.raises(ValueError, match="sisec, paper, mdx, si-sdr"):
            parse_protocols(wrong)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("backend", ["builtin", "museval"])
def test_sisec_is_musevals_median_over_windows(channels, backend):
    references, estimates = signals(channels=channels, seconds=2.5)

    scores = evaluate_signals(
        references, estimates, sample_rate=RATE, sources=SOURCES, backend=backend
    )

    swapped = (x.transpose(0, 2, 1) for x in (references, estimates))
    published = museval.evaluate(*swapped, win=RATE, hop=RATE)
    for metric, values in zip(("SDR", "ISR", "SIR", "SAR"), published, strict=True):
        for source, expected in zip(SOURCES, np.nanmedian(values, axis=1), strict=True):
            record = scores["sisec"]["estimates"][source]
            assert record[metric] == pytest.approx(expected, abs=1e-3)
            assert record["n_windows"] == record["n_windows_scored"] == 2


def test_paper_gates_segments_and_pools_them(monkeypatch):
    monkeypatch.setattr(protocols, "PAPER_SEGMENT_SECONDS", 1)
    monkeypatch.setattr(protocols, "PAPER_SAMPLE_RATE", RATE)
    references, estimates = signals(channels=2)
    references[0, :, RATE : 2 * RATE] *= 0.1  # energy of about 80 * 0.01 / 2: below 20

    scores = evaluate_signals(references, estimates, sample_rate=RATE, protocol="paper")["paper"]

    record = scores["estimates"]["0"]
    assert (record["n_windows"], record["n_windows_scored"]) == (3, 2)
    assert np.isnan(record["windows"]["SDR"][1])
    for k in (0, 2):
        part = slice(k * RATE, (k + 1) * RATE)
        mono = [x[:, :, part].mean(axis=1)[..., None] for x in (references, estimates)]
        published = museval.evaluate(*mono, win=np.inf, hop=np.inf)
        for metric, values in zip(("SDR", "ISR", "SIR", "SAR"), published, strict=True):
            assert record["windows"][metric][k] == pytest.approx(values[0, 0], abs=1e-3)

    # Pooled: a track with more segments weighs more. Medians of tracks would give 2.
    def track(*windows):
        return {"paper": {"estimates": {"0": {**record, "windows": {**pad(windows)}}}}}

    def pad(windows):
        return dict.fromkeys(PROTOCOLS["paper"].metrics, list(windows))

    report = Report({"a": track(1.0, 1.0, 1.0), "b": track(3.0)})
    assert value(report, "0") == 1


def test_paper_resamples_to_its_rate():
    references, estimates = signals(seconds=1)

    scores = evaluate_signals(references, estimates, sample_rate=RATE, protocol="paper")

    plain = 10 * np.log10((references[0] ** 2).sum() / ((references - estimates)[0] ** 2).sum())
    # Noise at the band's edge, which the resampling cuts, is all that may differ.
    assert scores["paper"]["estimates"]["0"]["SDR"] == pytest.approx(plain, abs=0.1)


def test_mdx_and_si_sdr_are_their_formulas():
    references, estimates = signals()

    scores = evaluate_signals(references, estimates, sample_rate=RATE, protocol=["mdx", "si-sdr"])

    ref, est, mix = (
        torch.from_numpy(x)
        for x in (references[:, 0], estimates[:, 0], np.repeat(references.sum(0), 2, axis=0))
    )
    si_sdr = fast_bss_eval.si_sdr(ref, est, zero_mean=False)
    start = fast_bss_eval.si_sdr(ref, mix, zero_mean=False)
    for j, source in enumerate("01"):
        energy, error = (ref[j] ** 2).sum(), ((ref - est)[j] ** 2).sum()
        record = scores["mdx"]["estimates"][source]
        assert record["SDR"] == pytest.approx(10 * torch.log10(energy / error).item(), abs=1e-3)
        record = scores["si-sdr"]["estimates"][source]
        assert record["SI-SDR"] == pytest.approx(si_sdr[j].item(), abs=1e-3)
        assert record["SI-SDRi"] == pytest.approx((si_sdr - start)[j].item(), abs=1e-3)


def test_a_given_mixture_is_what_improves():
    references, estimates = signals()

    scores = evaluate_signals(
        *(references, estimates, estimates[0]), sample_rate=RATE, protocol="si-sdr"
    )

    assert scores["si-sdr"]["estimates"]["0"]["SI-SDRi"] == 0


def test_silence_is_scored_where_it_can_be_and_counted():
    references, estimates = signals(n_src=4)
    references[1] = 0
    estimates[2] = 0
    names = ["good", "silent", "quiet", "absent"]
    scores = evaluate_signals(
        references, estimates, sample_rate=RATE, protocol="all", sources=names, missing=["absent"]
    )

    for protocol in scores:
        records = scores[protocol]["estimates"]
        statuses = [records[name]["status"] for name in names]
        assert statuses == ["scored", "silent", "no output", "missing"]
        main = PROTOCOLS[protocol].metrics[0]
        assert np.isfinite(records["good"][main])
        assert np.isnan([records["silent"][main], records["absent"][main]]).all()
        expected = NO_OUTPUT_SI_SDR if protocol == "si-sdr" else 0
        assert records["quiet"][main] == expected

    report = Report({"song": scores})
    row = report.summary["sisec"]["estimates"]
    assert [row[name]["n_silent"] for name in names] == [0, 1, 0, 0]
    assert [row[name]["n_silent_estimates"] for name in names] == [0, 0, 1, 0]
    assert [row[name]["n_missing"] for name in names] == [0, 0, 0, 1]
    assert "silent: 1 of 1 tracks: silent reference" in report.table()
    assert row["average"]["SDR"]["value"] == pytest.approx(row["good"]["SDR"]["value"] / 2)


def test_a_missing_source_is_no_louder_in_the_others_for_it():
    references, estimates = signals(n_src=3)
    options = {"sample_rate": RATE, "protocol": "sisec"}
    whole = evaluate_signals(references, estimates, **options)["sisec"]["estimates"]

    without = evaluate_signals(references, estimates, missing=["2"], **options)

    assert without["sisec"]["estimates"]["0"] == whole["0"]


def test_windows_with_a_silent_source_are_counted():
    references, estimates = signals()
    references[0, :, :RATE] = 0

    report = Report({"song": evaluate_signals(references, estimates, sample_rate=RATE)})

    assert report.summary["sisec"]["estimates"]["1"]["n_windows_scored"] == 2
    assert "1: 2 of 3 windows scored" in report.table()
    references[0, :, : 2 * RATE], references[1, :, 2 * RATE :] = 0, 0
    report = Report({"song": evaluate_signals(references, estimates, sample_rate=RATE)})
    assert report.summary["sisec"]["estimates"]["1"]["n_no_window"] == 1
    assert np.isnan(value(report, "1"))
    assert "1: 1 of 1 tracks: no window that could be scored" in report.table()


def test_baseline_is_the_mixture_shared_out():
    references, estimates = signals()
    share = np.repeat(references.sum(axis=0, keepdims=True) / 2, 2, axis=0)
    options = {"sample_rate": RATE, "protocol": ["mdx", "sisec"]}

    scores = evaluate_signals(references, estimates, baseline="mixture", **options)

    expected = evaluate_signals(references, share, **options)
    for protocol in options["protocol"]:
        assert scores[protocol]["baseline"] == expected[protocol]["estimates"]


def test_signals_may_be_tensors_without_channels():
    references, estimates = signals()
    tensors = (torch.from_numpy(x[:, 0]).requires_grad_() for x in (references, estimates))

    scores = evaluate_signals(*tensors, sample_rate=RATE, protocol="mdx")

    assert scores == evaluate_signals(references, estimates, sample_rate=RATE, protocol="mdx")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"estimates": np.ones((2, 1, 5))}, r"\(2, 1, 24000\), \(2, 1, 5\)"),
        ({"references": np.ones(5)}, r"references must be \(n_src, channels, time\)"),
        ({"mixture": np.ones((2, 24000))}, r"and \(2, 24000\)"),
        ({"sources": ["a"]}, "2 different names"),
        ({"sources": ["a", "a"]}, "2 different names"),
        ({"baseline": "noise"}, "baseline must be None or 'mixture'"),
        ({"backend": "matlab"}, "backend must be one of builtin, museval"),
        ({"estimates": np.full((2, 1, 24000), np.nan)}, "finite"),
    ],
)
def test_wrong_signals_and_options_are_refused(change, message):
    references, estimates = signals()
    arguments = {"references": references, "estimates": estimates, "sample_rate": RATE, **change}

    with pytest.raises(ValueError, match=message):
        evaluate_signals(**arguments)
