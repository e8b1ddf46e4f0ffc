"""Solo recordings: found in both layouts, drawn as a function of (seed, epoch, index) alone."""

import shutil

import numpy as np
import pytest
import soundfile as sf
import torch
from torch.utils.data import DataLoader

from asteroid_instglow.data import MixDataset, find_by_source
from asteroid_instglow.data import recordings as module
from asteroid_instglow.data.recordings import (
    Recordings,
    Solo,
    find_solos,
    list_sources,
    rms_db,
    validation_split,
)
from asteroid_instglow.data.solos import DITHER_STEP, SoloDataset

RATE = 8000


def write(path, wav, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, wav, rate, subtype="PCM_16")


def noise(seconds, seed=0, scale=0.1, rate=RATE):
    return np.random.default_rng(seed).standard_normal(int(seconds * rate)) * scale


def constant(seconds, level):
    return np.full(int(seconds * RATE), level)


@pytest.fixture
def band(tmp_path):
    """Three tracks of three sources, each source of a level of its own."""
    for track in range(3):
        for number, source in enumerate(("bass", "drums", "piano")):
            path = tmp_path / "band" / f"T{track}" / f"{source}.flac"
            write(path, constant(2 + track, 2.0 ** -(3 + 2 * number)))
        write(tmp_path / "band" / f"T{track}" / "mixture.flac", noise(2))
    return tmp_path / "band"


def solos(root, **options):
    options = {"segment": 0.5, "sample_rate": RATE, "n_items": 10, "progress": False, **options}
    return SoloDataset(root, "bass", **options)


def mixes(root, **options):
    options = {"segment": 0.5, "sample_rate": RATE, "n_items": 200, "progress": False, **options}
    return MixDataset(root, "bass", **options)


# Finding


def test_both_layouts_are_found_together(tmp_path):
    wanted = ["bass/a.wav", "bass/album/b.OGG", "bass/album/c.mp3", "T1/bass.flac"]
    other = ["T1/drums.flac", "drums/bass line.wav", "bass/._a.wav", "T2/x/bass.wav", "bass/x.txt"]
    for name in [*wanted, *other]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_solos(tmp_path, "bass") == sorted(tmp_path / name for name in wanted)
    assert find_solos(str(tmp_path), "drums") == [
        tmp_path / "T1" / "drums.flac",
        tmp_path / "drums" / "bass line.wav",
    ]


def test_a_missing_root_and_a_missing_source(band):
    with pytest.raises(FileNotFoundError, match="root must be a folder"):
        find_solos(band / "none", "bass")
    with pytest.raises(ValueError, match=r"\(bass, drums, piano\), got 'kazoo'"):
        find_solos(band, "kazoo")
    (band / "empty").mkdir()
    with pytest.raises(ValueError, match="no recordings at all"):
        find_solos(band / "empty", "bass")


def test_a_source_need_not_be_in_every_folder(tmp_path):
    for name in ("one/bass/a.wav", "two/bass/a.wav", "two/drums/a.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    both = [tmp_path / "one", tmp_path / "two"]
    assert find_by_source(["bass", "drums"], both) == {
        "bass": [tmp_path / "one/bass/a.wav", tmp_path / "two/bass/a.wav"],
        "drums": [tmp_path / "two/drums/a.wav"],
    }
    assert find_solos([both[0], both[0]], "bass") == [tmp_path / "one/bass/a.wav"]
    with pytest.raises(ValueError, match=r"one, .*two holds .*\(bass, drums\), got 'kazoo'"):
        find_solos(both, "kazoo")


@pytest.mark.parametrize(
    ("names", "sources"),
    [
        (["T1/bass", "T1/kazoo", "T1/mixture"], ["bass", "kazoo"]),
        (["bass/one", "bass/two", "kazoo/one"], ["bass", "kazoo"]),
        (["bass/deep/one", "drums/two"], ["bass", "drums"]),
        (["bass/one", "T1/drums"], ["bass", "drums"]),
        (["T1/kazoo", "T2/kazoo", "T3/kazoo", "T3/oboe"], ["kazoo", "oboe"]),
        (["kazoo/T1", "kazoo/T2", "kazoo/T3", "oboe/T1"], ["kazoo", "oboe"]),
        (["T1/mixture", "T1/oboe"], ["oboe"]),
    ],
)
def test_list_sources(tmp_path, names, sources):
    for name in names:
        write(tmp_path / f"{name}.wav", noise(0.1))
    (tmp_path / "docs").mkdir()
    assert list_sources(tmp_path) == sources


# Splitting


def test_split_is_a_partition_that_does_not_depend_on_the_order():
    files = [f"{number:03d}.wav" for number in range(50)]
    train, validation = validation_split(files, 0.1, seed=3)
    assert len(validation) == 5
    assert [str(solo.path) for solo in sorted(train + validation)] == files
    assert validation_split(files[::-1], 0.1, seed=3) == (train, validation)
    assert validation_split(files, 0.1, seed=4)[1] != validation
    assert [len(part) for part in validation_split(files[:2], 0.9)] == [1, 1]
    assert [len(part) for part in validation_split(files[:2], 0.01)] == [1, 1]
    assert [len(part) for part in validation_split(files, 0.0)] == [50, 0]


def test_sources_of_the_same_tracks_lose_the_same_tracks(band):
    lost = {
        source: {solo.path.parent for solo in validation_split(find_solos(band, source), 0.3)[1]}
        for source in ("bass", "drums")
    }
    assert lost["bass"] == lost["drums"]


def test_one_file_is_split_in_time(tmp_path):
    write(tmp_path / "a.wav", np.arange(RATE * 4) / 32768)
    train, validation = validation_split([tmp_path / "a.wav"], 0.25)
    assert train == [Solo(tmp_path / "a.wav", 0.0, 3.0)]
    parts = [Recordings(part, RATE, progress=False) for part in (train, validation)]
    pieces = [part.read(0, 0, part.lengths[0]) for part in parts]
    assert np.array_equal(np.concatenate(pieces) * 32768, np.arange(RATE * 4))
    assert len(pieces[1]) == RATE


@pytest.mark.parametrize(("files", "fraction"), [(["a"], 1.0), (["a"], -0.1), ([], 0.1)])
def test_split_refuses(files, fraction):
    with pytest.raises(ValueError, match="fraction must lie|files must hold"):
        validation_split(files, fraction)


# Pieces


def test_items_depend_on_seed_epoch_and_index_alone(band):
    for number, path in enumerate(find_solos(band, "bass")):
        write(path, noise(3, number))
    data, again = solos(band, gain_db=(-3, 3)), solos(band, gain_db=(-3, 3))
    data.set_epoch(2)
    forwards = [data[i] for i in range(10)]
    again.set_epoch(2)
    backwards = [again[i] for i in reversed(range(10))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert len({item.numpy().tobytes() for item in forwards}) == 10
    again.set_epoch(3)
    assert not torch.equal(again[0], forwards[0])
    assert not torch.equal(solos(band, seed=1)[0], solos(band)[0])
    again.set_epoch(2)
    # A run resumed in the middle sees the rest as it would have been.
    assert all(torch.equal(again[i], forwards[i]) for i in range(5, 10))


def test_workers_see_the_same_items_and_hear_of_epochs(band):
    data = solos(band, dither=True)
    loader = DataLoader(data, batch_size=3, num_workers=2, persistent_workers=True)
    for epoch in (0, 1):
        data.set_epoch(epoch)
        batches = torch.cat(list(loader))
        assert torch.equal(batches, torch.stack([data[i] for i in range(10)]))


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
    dithered = solos(tmp_path, random=False, n_items=None)
    before = dithered[1]
    dithered.set_epoch(5)
    assert torch.equal(dithered[1], before)
    assert len(solos(tmp_path, random=False, n_items=2)) == 2
    with pytest.raises(ValueError, match="at most 4, got 5"):
        solos(tmp_path, random=False, n_items=5, silence_db=-200.0)


def test_short_recordings_are_filled_or_left_out(tmp_path):
    write(tmp_path / "bass" / "short.wav", constant(0.2, 0.25))
    filled = solos(tmp_path, dither=False)[0]
    assert torch.equal(filled.unique(), torch.tensor([0.0, 0.25]))
    assert (filled != 0).sum() == 0.2 * RATE
    assert torch.equal(solos(tmp_path, dither=False, short="loop")[0], torch.full((4000,), 0.25))
    write(tmp_path / "bass" / "shorter.wav", constant(0.05, 0.5))
    assert len(solos(tmp_path).recordings) == 1
    with pytest.raises(ValueError, match="at least 0.3 s, got 2 shorter"):
        solos(tmp_path, min_seconds=0.3)


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


def test_several_roots_and_files(band, tmp_path):
    write(tmp_path / "more" / "bass" / "a.wav", constant(50, 0.25))
    assert len(solos([band, tmp_path / "more"]).recordings) == 4
    chosen = SoloDataset(
        files=[tmp_path / "more" / "bass" / "a.wav"], segment=10.0, sample_rate=RATE, progress=False
    )
    assert len(chosen) == 5


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
        ({"seed": -1}, "seed must not be negative"),
        ({"short": "repeat"}, "short must be one of zero, loop, got 'repeat'"),
        ({"files": ["a.wav"]}, "either root and source or files"),
        ({"source": None}, "either root and source or files"),
    ],
)
def test_solo_dataset_refuses(band, options, message):
    arguments = {"root": band, "source": "bass", "sample_rate": RATE, **options}
    with pytest.raises(ValueError, match=message):
        SoloDataset(**arguments, progress=False)


def test_index_and_epoch_are_checked(band):
    for index in (-1, 10):
        with pytest.raises(IndexError, match="index must be 0 to 9"):
            solos(band)[index]
    with pytest.raises(ValueError, match="epoch must not be negative"):
        solos(band).set_epoch(-1)


def test_a_broken_recording_is_named(band):
    (band / "T1" / "bass.flac").write_bytes(b"no audio")
    with pytest.raises(ValueError, match="T1/bass.flac must be an audio file"):
        solos(band)


# Mixtures


PLAIN = {"gain_db": (0.0, 0.0), "p_silent": (0.0, 0.0), "p_speed": 0.0}
DRUMS, PIANO = 2.0**-5, 2.0**-7


def backgrounds(data, n=200):
    """Sizes of the first sample of target and background, over many items."""
    return [[abs(part[0].item()) for part in data[i]] for i in range(n)]


def test_a_band_is_every_other_source_once(band):
    data = mixes(band, **PLAIN, p_band=1.0)
    # Each has a polarity of its own.
    assert {b for _, b in backgrounds(data)} == {DRUMS + PIANO, DRUMS - PIANO}
    assert {t for t, _ in backgrounds(data)} == {0.125}
    target, background = data[0]
    assert target.shape == background.shape == (4000,)
    assert target.dtype == background.dtype == torch.float32


def test_no_band_is_any_others_also_one_twice(band):
    found = {b for _, b in backgrounds(mixes(band, **PLAIN, p_band=0.0, n_max=2))}
    pairs = {DRUMS + PIANO, DRUMS - PIANO, 2 * DRUMS, 2 * PIANO, 0.0}
    assert {DRUMS, PIANO, *pairs} == found


def test_chance_of_a_band(band):
    data = mixes(band, **PLAIN, p_band=0.6, n_max=1)
    both = [b not in (DRUMS, PIANO) for _, b in backgrounds(data)]
    assert np.mean(both) == pytest.approx(0.6, abs=0.09)


def test_gains_of_mixtures_vary_independently(band):
    free = {**PLAIN, "gain_db": (-6.0, 6.0)}
    data = mixes(band, **free, n_max=1, others=["drums"])
    gains = 20 * np.log10(backgrounds(data)) - 20 * np.log10([0.125, DRUMS])
    assert gains.min() >= -6.001 and gains.max() <= 6.001
    assert (gains.std(0) > 3).all() and abs(np.corrcoef(gains.T)[0, 1]) < 0.2


def test_speed_moves_the_pitch_by_whole_semitones(band):
    time = np.arange(9 * RATE) / RATE
    for path in band.rglob("bass.*"):
        write(path, 0.5 * np.sin(2 * np.pi * 500 * time))

    def pitches(**options):
        data = mixes(band, **{**PLAIN, **options}, p_band=1.0)
        spectra = [np.abs(np.fft.rfft(data[i][0].numpy() * np.hanning(4000))) for i in range(40)]
        return np.array([spectrum.argmax() * RATE / 4000 for spectrum in spectra])

    assert pitches() == pytest.approx(500, abs=2)
    moved = 12 * np.log2(pitches(p_speed=1.0, semitones=2) / 500)
    assert moved == pytest.approx(moved.round(), abs=0.1)
    assert set(moved.round()) == {-2, -1, 1, 2}


def test_equaliser_changes_the_timbre_and_keeps_the_level(band):
    for number, path in enumerate(sorted(band.rglob("*.flac"))):
        write(path, noise(9, number))
    plain, coloured = (mixes(band, **PLAIN, eq_db=spread) for spread in (0.0, 8.0))

    def spread_of_bands(data):
        spectra = [np.abs(np.fft.rfft(data[i][0].numpy())) ** 2 for i in range(20)]
        bands = [10 * np.log10([part.mean() for part in np.array_split(s, 6)]) for s in spectra]
        return np.std(bands)

    assert spread_of_bands(coloured) > spread_of_bands(plain) + 1.5
    levels = [
        [10 * np.log10(d[i][0].square().mean().item()) for i in range(20)]
        for d in (plain, coloured)
    ]
    np.testing.assert_allclose(np.mean(levels[0]), np.mean(levels[1]), atol=0.5)


def test_chances_of_silence(band):
    data = mixes(band, p_silent=(0.2, 0.3), n_items=400)
    empty = np.array([[not part.any() for part in data[i]] for i in range(400)])
    assert not empty.all(1).any()
    assert empty.mean(0) == pytest.approx([0.2, 0.3], abs=0.06)


def test_mixtures_depend_on_seed_epoch_and_index_alone(band):
    for number, path in enumerate(sorted(band.rglob("*.flac"))):
        write(path, noise(3, number))
    data, again = mixes(band), mixes(band)
    for dataset in (data, again):
        dataset.set_epoch(1)
    for i in (3, 1, 2):
        assert torch.equal(data[i], again[i])
    item = data[1]
    data.set_epoch(2)
    assert not torch.equal(data[1], item)
    assert not torch.equal(mixes(band, seed=1)[1], mixes(band)[1])


def test_mixtures_from_files_and_a_shared_cache(band):
    files = {source: find_solos(band, source) for source in ("bass", "drums", "piano")}
    given = mixes(None, files=files, cache_gb=3e-4)
    used = [recordings.cache_bytes for recordings in given.recordings.values()]
    assert sum(used) <= 3e5 and used[0] == 2 * 9 * RATE and used[2] < used[0]
    assert torch.equal(given[5][1], mixes(band)[5][1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_max": 0}, "n_max must be positive"),
        ({"p_silent": (0.6, 0.6)}, "p_silent must be two chances"),
        ({"p_silent": (-0.1, 0.1)}, "p_silent must be two chances"),
        ({"others": []}, "at least one other source"),
        ({"others": ["kazoo"]}, "got 'kazoo'"),
        ({"root": None}, "either root or files must be given"),
        ({"root": None, "files": {"drums": ["a.wav"], "piano": ["b.wav"]}}, "must hold 'bass'"),
    ],
)
def test_mix_dataset_refuses(band, options, message):
    with pytest.raises(ValueError, match=message):
        mixes(**{"root": band, **options})


def test_ffmpeg_is_not_needed_for_plain_files(band, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert solos(band)[0].shape == (4000,)
