"""Tests the parts of the page: tracks, excerpts, spectrograms, charts and figures."""

import io

import numpy as np
import pytest
import soundfile as sf
from report_pages import RATE, pitch, save, sine

from asteroid_instglow.evaluation.layout import Track
from asteroid_instglow.report import separation_figure
from asteroid_instglow.report.charts import loss_chart, spread_chart
from asteroid_instglow.report.clips import frequency_ticks, make_excerpt, mel_spectrogram
from asteroid_instglow.report.tracks import read_tracks


@pytest.mark.parametrize(
    "names",
    [
        ["mix.flac", "a_ref.flac", "a_est.flac", "b_ref.flac", "b_est.flac"],
        ["mixture.wav", "a.wav", "a_estimate.wav", "b.wav", "b_estimate.wav", "all_but_a.wav"],
        ["mixture.wav", "a.wav", "a_reference.wav", "b.ogg", "b-true.wav"],
        [
            "mixture.wav",
            "references/a.wav",
            "references/b.wav",
            "estimates/a.wav",
            "estimates/b.wav",
        ],
    ],
)
def test_layouts_of_examples(tmp_path, names):
    for name in names:
        save(tmp_path / "examples/song" / name, sine(440, 0.1))
    (track,), missing = read_tracks(tmp_path)
    assert not missing and track.name == "song"
    assert [path.stem[:3] for path in track.mixture] == ["mix"]
    assert list(track.estimates) == ["a", "b"]
    assert sorted(track.references) == ["a", *["all_but_a"] * ("all_but_a.wav" in names), "b"]
    assert all(track.references[s] != track.estimates[s] for s in "ab")


def test_excerpt_is_where_all_sources_play_and_does_not_clip(tmp_path):
    silence = np.zeros(10 * RATE)
    late, early = silence.copy(), silence.copy()
    late[4 * RATE :], early[: 8 * RATE] = sine(300, 6, 1.5), sine(500, 8, 0.3)
    for name, wav in (("late", late), ("early", early), ("mixture", late + early)):
        (tmp_path / "x").mkdir(exist_ok=True)
        sf.write(tmp_path / f"x/{name}.wav", wav, RATE, "FLOAT")
    paths = {name: tmp_path / f"x/{name}.wav" for name in ("late", "early")}
    track = Track("x", paths, {}, [tmp_path / "x/mixture.wav"])
    excerpt, problems = make_excerpt(track, 3.0)
    assert not problems and 4 <= excerpt.start <= 5 and excerpt.seconds == 3
    peaks = {}
    for name, clip in [("mixture", excerpt.mixture), *excerpt.references.items()]:
        wav, rate = sf.read(io.BytesIO(clip.audio))
        assert len(wav) == 3 * rate == clip.seconds * rate
        peaks[name] = np.sort(np.abs(wav))[-200]
    assert peaks["mixture"] == pytest.approx(1, abs=0.05)
    assert peaks["late"] / peaks["early"] == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize("rate, n_channels", [(96000, 1), (22050, 6), (44100, 2), (6000, 1)])
def test_any_rate_and_number_of_channels_can_be_heard(tmp_path, rate, n_channels):
    wav = np.stack([sine(440, 0.5, rate=rate)] * n_channels, axis=1)
    save(tmp_path / "x.wav", wav, rate)
    excerpt, _ = make_excerpt(Track("x", {}, {"x": tmp_path / "x.wav"}), 20.0)
    clip = excerpt.estimates["x"]
    heard, new_rate = sf.read(io.BytesIO(clip.audio), always_2d=True)
    assert len(heard) / new_rate == pytest.approx(0.5, abs=1e-3)
    assert pitch(heard[:, 0], new_rate) == pytest.approx(440, abs=2)
    assert excerpt.channels == n_channels and excerpt.sample_rate == rate


@pytest.mark.parametrize("frequency", [200, 1000, 4000])
def test_spectrogram_peaks_at_the_tick_of_its_frequency(frequency):
    wav = sine(frequency, 1.0, rate=22050)[None].astype(np.float32)
    power = mel_spectrogram(wav, 22050, 11025.0)
    label = f"{frequency} Hz" if frequency < 1000 else f"{frequency // 1000} kHz"
    height = dict(frequency_ticks(11025.0))[label]
    assert (power.mean(1).argmax() + 0.5) / len(power) == pytest.approx(height, abs=0.01)


def test_loss_chart_keeps_the_first_and_last_points_and_cuts_a_high_start():
    history = [{"step": i, "loss": 100.0 if i == 0 else 2 - i / 1000} for i in range(1001)]
    chart = loss_chart("bass", "loss", history)
    assert chart["beyond"] == 100.0
    points = chart["lines"]["validation"]
    assert len(points) <= 402 and points[0][0] == 44.0 and points[-1][0] == 350.0
    assert points[1][1] < points[-1][1]  # y grows downwards
    assert len(chart["numbers"].rows) <= 62 and chart["numbers"].rows[-1] == [1000, 1.0]
    assert loss_chart("bass", "loss", [{"step": 0, "loss": None}]) is None


def test_spread_chart_orders_dots_and_boxes_by_value():
    tracks = {f"t{i}": float(i) for i in range(5)}
    chart = spread_chart("SDR (dB)", {"bass": tracks, "drums": {"t0": -3.0}}, {"bass": 2.0})
    bass, drums = chart["rows"]
    x = [dot["x"] for dot in bass["dots"]]
    assert x == sorted(x) and bass["box"][1] == bass["total"] == x[2]
    assert drums["box"] is None and drums["total"] is None and drums["dots"][0]["x"] < x[0]
    assert spread_chart("SDR (dB)", {"bass": {"t0": 1.0}}, {"bass": 1.0}) is None


def test_separation_figure():
    wavs = {"bass": sine(100), "drums": sine(2000)}
    figure = separation_figure(sum(wavs.values()), wavs, RATE, wavs, {"bass": "bass, 8.1 dB"})
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["mixture", "bass, 8.1 dB", "drums", "bass, true", "drums, true"]
    figure.savefig(io.BytesIO())
