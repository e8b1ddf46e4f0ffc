"""How far music is out of tune, and putting it in tune."""

import pytest
import torch
from sounds import noise
from torch.testing import assert_close

from asteroid_instglow.audio.chunks import fit_length
from asteroid_instglow.audio.tuning import out_of_tune, retune, tuning_of

RATE, N_FFT = 22050, 2048
NOTES = (45, 52, 57, 60, 64, 67, 72)  # MIDI


def chord(semitones, seconds=3.0):
    time = torch.arange(round(seconds * RATE)) / RATE
    notes = torch.tensor(NOTES)[:, None] + semitones
    pitch = 440 * 2 ** ((notes - 69) / 12)
    harmonics = [(2 * torch.pi * k * pitch * time).sin() / k for k in range(1, 6)]
    return 0.1 * sum(harmonics).sum(0)


@pytest.mark.parametrize("semitones", [-0.4, -0.2, 0.0, 0.1, 0.3, 0.45])
@pytest.mark.parametrize("level", [1.0, 1e-4])
def test_a_chord_tells_its_tuning(semitones, level):
    found = tuning_of(level * chord(semitones)[None], RATE, N_FFT)
    assert found == pytest.approx(semitones, abs=0.04)


def test_half_a_semitone_is_sharp_or_flat():
    assert abs(tuning_of(chord(0.5)[None], RATE, N_FFT)) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("n", [N_FFT, 3 * RATE, 20 * RATE])
def test_what_has_no_pitch_has_no_tuning(n):
    assert all(tuning_of(noise(1, n, seed=seed), RATE, N_FFT) == 0 for seed in range(5))
    assert tuning_of(torch.zeros(1, n), RATE, N_FFT) == 0
    clicks = torch.zeros(1, n)
    clicks[:, 100::5000] = 1
    assert tuning_of(clicks, RATE, N_FFT) == 0


@pytest.mark.parametrize("rate, n_fft", [(1000, 64), (8000, 4), (192000, 512)])
def test_any_rate_and_window_are_taken(rate, n_fft):
    assert -0.5 <= tuning_of(noise(2, 4 * n_fft), rate, n_fft) <= 0.5


def test_small_deviations_are_left_alone():
    assert out_of_tune(chord(0.1)[None], RATE, N_FFT) == 0
    assert out_of_tune(chord(-0.3)[None], RATE, N_FFT) == pytest.approx(-0.3, abs=0.04)


@pytest.mark.parametrize("semitones", [-0.5, 0.3])
def test_retuned_music_is_in_tune_and_comes_back(semitones):
    wav = chord(semitones)[None]
    slow = retune(wav, semitones)
    assert slow.shape[-1] / wav.shape[-1] == pytest.approx(2 ** (semitones / 12), abs=5e-3)
    assert tuning_of(slow, RATE, N_FFT) == pytest.approx(0, abs=0.13)
    back = fit_length(retune(slow, semitones, back=True), wav.shape[-1])
    assert_close(back[:, 500:-500], wav[:, 500:-500], atol=1e-3, rtol=0)
