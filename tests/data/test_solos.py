"""Pieces of solo recordings depend only on (seed, index)."""

import shutil

import numpy as np
import pytest
import soundfile as sf
import torch
from solo_files import RATE, constant, noise, write
from torch.utils.data import DataLoader

from asteroid_instglow.data import Recordings, SoloDataset, find_solos
from asteroid_instglow.data import recordings as module
from asteroid_instglow.data.recordings import rms_db
from asteroid_instglow.data.solos import DITHER_STEP


def solos(root, **options):
    options = {"segment": 0.5, "sample_rate": RATE, "n_items": 10, "progress": False, **options}
    return SoloDataset(find_solos(root, "bass"), **options)


def test_items_depend_on_seed_and_index_alone(band):
    for number, path in enumerate(find_solos(band, "bass")):
        write(path, noise(3, number))
    data, again = solos(band, gain_db=(-3, 3)), solos(band, gain_db=(-3, 3))
    forwards = [data[i] for i in range(10)]
    backwards = [again[i] for i in reversed(range(10))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert len({item.numpy().tobytes() for item in forwards}) == 10
    assert not torch.equal(solos(band, seed=1)[0], solos(band)[0])
    loader = DataLoader(data, batch_size=3, num_workers=2)
    assert torch.equal(torch.cat(list(loader)), torch.stack(forwards))


def test_item_is_the_recording_with_gain_and_dither(band):
    data = solos(band, dither=False)
    assert all(torch.equal(data[i], torch.full((RATE // 2,), 0.125)) for i in range(10))
    assert data[0].dtype == torch.float32
    dithered = torch.stack([solos(band, n_items=10)[i] for i in range(10)]) - 0.125
    assert 0 <= dithered.min() and dithered.max() <= DITHER_STEP
    assert dithered.mean().item() == pytest.approx(DITHER_STEP / 2, rel=0.02)
    assert dithered.std().item() == pytest.approx(DITHER_STEP / 12**0.5, rel=0.02)
    loud = solos(band, dither=False, gain_db=(-6, 6), n_items=200)
    gains = 20 * torch.log10(torch.stack([loud[i][0] for i in range(200)]) / 0.125)
    assert -6 <= gains.min() < -4 and 4 < gains.max() <= 6 and abs(gains.mean()) < 1


def test_moments_are_drawn_evenly(tmp_path):
    # A recording of three times the length is drawn three times as often.
    write(tmp_path / "bass" / "a.wav", constant(20, 0.125))
    write(tmp_path / "bass" / "b.wav", constant(60, 0.25))
    data = solos(tmp_path, n_items=400, dither=False)
    share = np.mean([data[i][0].item() == 0.25 for i in range(400)])
    assert share == pytest.approx(0.75, abs=0.07)


def test_silence_is_skipped(tmp_path):
    wav = np.zeros(RATE * 20)
    wav[RATE * 9 : RATE * 10] = noise(1)
    write(tmp_path / "bass" / "a.wav", wav)
    data = solos(tmp_path, n_items=50, dither=False)
    assert all(rms_db(data[i].numpy()) >= -50 for i in range(50))
    fixed = solos(tmp_path, n_items=None, random=False, dither=False)
    assert len(fixed) == 2 and all(rms_db(fixed[i].numpy()) >= -50 for i in range(2))


def test_a_needle_of_sound_is_found_where_chance_fails(tmp_path, monkeypatch):
    wav = np.zeros(RATE * 60)
    wav[RATE * 30 : RATE * 31] = noise(1)
    write(tmp_path / "bass" / "a.wav", wav)
    monkeypatch.setattr(module, "_MAX_TRIES", 1)
    data, again = solos(tmp_path), solos(tmp_path)
    assert all(rms_db(data[i].numpy()) >= -50 for i in range(10))
    assert torch.equal(again[7], data[7])


@pytest.mark.parametrize("random", [True, False])
def test_only_silence_is_refused(tmp_path, random):
    write(tmp_path / "bass" / "a.wav", constant(2, 0.0))
    with pytest.raises(ValueError, match="got only silence in 1 files"):
        solos(tmp_path, random=random, n_items=None)[0]


def test_fixed_pieces_walk_through_once_and_stay(tmp_path):
    ramp = np.arange(RATE * 2 + 100) / 32768
    write(tmp_path / "bass" / "a.wav", ramp)
    data = solos(tmp_path, random=False, n_items=None, dither=False, silence_db=-200.0)
    walked = torch.cat([data[i] for i in range(len(data))])
    assert len(data) == 4 and np.array_equal(walked.numpy(), ramp[: 2 * RATE].astype("f4"))
    assert len(solos(tmp_path, random=False, n_items=2)) == 2
    with pytest.raises(ValueError, match="at most 4, got 5"):
        solos(tmp_path, random=False, n_items=5, silence_db=-200.0)


def test_short_recordings_are_filled_or_left_out(tmp_path):
    write(tmp_path / "bass" / "short.wav", constant(0.2, 0.25))
    filled = solos(tmp_path, dither=False)[0]
    assert torch.equal(filled.unique(), torch.tensor([0.0, 0.25]))
    assert (filled != 0).sum() == 0.2 * RATE
    write(tmp_path / "bass" / "shorter.wav", constant(0.05, 0.5))
    assert len(solos(tmp_path).recordings) == 1
    (tmp_path / "bass" / "short.wav").unlink()
    with pytest.raises(ValueError, match="at least 0.1 s, got 1 shorter"):
        solos(tmp_path)


@pytest.mark.parametrize("rate", [RATE, 44100, 11025])
def test_what_is_not_in_memory_is_the_same(tmp_path, rate):
    for number in range(3):
        write(tmp_path / "bass" / f"{number}.flac", noise(3, number, rate=rate), rate)
    cached, half, read = (solos(tmp_path, cache_gb=gb) for gb in (1.0, 6e-5, 0.0))
    assert cached.recordings.cache_bytes == 2 * 9 * RATE
    assert 0 < half.recordings.cache_bytes <= 6e4 and read.recordings.cache_bytes == 0
    # Equal but for the rounding to 16 bits, and for nothing at the recordings' own rate.
    bound = 0.0 if rate == RATE else 0.51 / 32768
    for i in range(10):
        assert (cached[i] - read[i]).abs().max() <= bound
        assert (half[i] - read[i]).abs().max() <= bound


@pytest.mark.parametrize("peak", [1.0, 0.5, 0.499, 0.003])
def test_16_bit_files_are_kept_exactly(tmp_path, peak):
    for sign in (1, -1):
        steps = np.round(noise(1) * 32768 * peak).clip(-peak * 32768, peak * 32768)
        steps[0] = np.clip(sign * np.round(peak * 32768), -32768, 32767)
        write(tmp_path / "a.wav", steps / 32768)
        recordings = Recordings([tmp_path / "a.wav"], RATE, progress=False)
        assert np.array_equal(recordings.read(0, 0, RATE) * 32768, steps)


def test_stereo_becomes_mono_and_loud_stays_loud(tmp_path):
    wav = np.stack([noise(1, 0), noise(1, 1)], 1) * 30
    (tmp_path / "bass").mkdir()
    sf.write(tmp_path / "bass" / "a.wav", wav, RATE, subtype="FLOAT")
    got = solos(tmp_path, random=False, n_items=None, dither=False)
    got = torch.cat([got[0], got[1]])
    # Half a step of 16 bits below the next power of two.
    assert np.abs(got.numpy() - wav.mean(1)).max() <= 2 * got.abs().max() / 65536
    assert got.abs().max() > 4


def test_without_a_number_of_items_they_last_as_long_as_the_recordings(tmp_path):
    write(tmp_path / "bass" / "a.wav", constant(50, 0.25))
    assert len(solos(tmp_path, segment=10.0, n_items=None)) == 5


def test_progress_is_shown(band, capsys):
    solos(band, progress=True)
    assert "reading recordings" in capsys.readouterr().err
    solos(band)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment": 0}, "segment must be at least one frame, got 0 s"),
        ({"sample_rate": 0}, "segment must be at least one frame"),
        ({"n_items": 0}, "n_items must be positive"),
        ({"gain_db": (3, -3)}, "gain_db must be a range .*, got"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_solo_dataset_refuses(band, options, message):
    with pytest.raises(ValueError, match=message):
        solos(band, **options)


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_out_of_range_is_refused(band, index):
    with pytest.raises(IndexError, match="index must be 0 to 9"):
        solos(band)[index]


def test_a_broken_recording_is_named(band):
    (band / "T1" / "bass.flac").write_bytes(b"no audio")
    with pytest.raises(ValueError, match="T1/bass.flac must be an audio file"):
        solos(band)


def test_ffmpeg_is_not_needed_for_plain_files(band, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert solos(band)[0].shape == (4000,)
