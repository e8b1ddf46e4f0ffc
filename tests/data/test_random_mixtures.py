import numpy as np
import pytest
import soundfile
import torch
from torch.testing import assert_close

from asteroid_instglow.data import find_solos
from asteroid_instglow.data.mixtures import RandomMixtureDataset

RATE = 8000
SOURCES = ("bass", "drums")


def write(path, level, seconds=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * RATE), level), RATE, "FLOAT")


@pytest.fixture
def songs(tmp_path):
    """Song k has a bass of 0.1 k and drums of 0.01 k, all through."""
    for k in (1, 2, 3):
        write(tmp_path / f"song{k}" / "bass.wav", 0.1 * k)
        write(tmp_path / f"song{k}" / "drums.wav", 0.01 * k)
    return {name: find_solos(tmp_path, name) for name in SOURCES}


def dataset(files, **options):
    plain = {"p_silent": 0.0, "p_speed": 0.0, "gain_db": (0.0, 0.0)}
    options = {"sample_rate": RATE, "segment": 0.1, "progress": False, **plain, **options}
    return RandomMixtureDataset(files, **options)


def levels(data, n=200):
    """Absolute level of each source in each item, (n, n_src)."""
    return torch.stack([data[i].abs().mean(-1) for i in range(n)]).round(decimals=4)


def test_items_are_functions_of_seed_and_index(songs):
    options = {"gain_db": (-6, 6), "p_speed": 0.5, "p_silent": 0.2, "n_items": 5}
    one, same, other = (dataset(songs, seed=seed, **options) for seed in (0, 0, 1))

    assert len(one) == 5 and one[0].shape == (2, 800) and one[0].dtype == torch.float32
    assert all(torch.equal(one[i], same[i]) for i in (4, 0, 2))
    assert not torch.equal(one[0], other[0]) and not torch.equal(one[0], one[1])


def test_real_mixtures_are_of_one_song(songs):
    data = dataset(songs, p_real=1.0)
    found = levels(data)

    assert len(data.songs) == 3
    assert_close(found[:, 1], found[:, 0] / 10, atol=1e-4, rtol=0)
    assert len(found[:, 0].unique()) == 3
    assert (data[0] >= 0).all()


def test_real_mixtures_sound_at_one_time(tmp_path):
    ramp = np.linspace(0.1, 0.9, RATE)
    for name in SOURCES:
        (tmp_path / "song").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "song" / f"{name}.wav", ramp, RATE, "FLOAT")
    files = {name: find_solos(tmp_path, name) for name in SOURCES}
    data = dataset(files, p_real=1.0)

    assert all(torch.equal(*data[i]) for i in range(20))
    assert not torch.equal(data[0], data[1])


def test_random_mixtures_are_of_any_songs_with_either_polarity(songs):
    data = dataset(songs, p_real=0.0)
    found = levels(data)

    assert len({tuple(row) for row in found.tolist()}) == 9
    assert {float(data[i][0, 0].sign()) for i in range(30)} == {1.0, -1.0}


def test_chances(songs):
    found = levels(dataset(songs, p_real=0.5), 400)
    same = (found[:, 1] * 10 - found[:, 0]).abs() < 1e-3
    assert same.float().mean() == pytest.approx(0.5 + 0.5 / 3, abs=0.08)

    silent = levels(dataset(songs, p_real=0.0, p_silent=0.3), 400) == 0
    assert not silent.all(1).any()
    # One, chosen at random, is kept in any case.
    assert silent.float().mean() == pytest.approx(0.15, abs=0.05)


def test_gains(songs):
    found = levels(dataset({"bass": songs["bass"][:1]}, p_real=0.0, gain_db=(-6.0, 6.0)))

    assert 0.049 < found.min() < 0.06 and 0.17 < found.max() < 0.2001


def test_solos_by_source_have_no_songs(tmp_path):
    for name in SOURCES:
        for k in (1, 2):
            write(tmp_path / name / f"{k}.wav", 0.1 * k)
    data = dataset({name: find_solos(tmp_path, name) for name in SOURCES}, p_real=1.0)

    assert data.songs == [] and data[0].shape == (2, 800)


def test_songs_that_lack_a_source_or_its_end_are_no_songs(songs, tmp_path):
    write(tmp_path / "song4" / "bass.wav", 0.4)
    write(tmp_path / "song5" / "bass.wav", 0.5)
    write(tmp_path / "song5" / "drums.wav", 0.05, seconds=0.5)

    data = dataset({name: find_solos(tmp_path, name) for name in SOURCES})

    assert len(data.recordings["bass"]) == 5 and len(data.songs) == 3


@pytest.mark.parametrize(
    "options, said",
    [
        ({"p_real": 1.5}, "p_real must be a number from 0 to 1"),
        ({"p_silent": -0.1}, "p_silent must be a number from 0 to 1"),
        ({"n_items": 0}, "n_items be positive"),
        ({"gain_db": (1, 0)}, "gain_db must be a range"),
        ({"segment": 0}, "segment must be"),
    ],
)
def test_bad_options_are_refused(songs, options, said):
    with pytest.raises(ValueError, match=said):
        dataset(songs, **options)


def test_no_sources_are_refused():
    with pytest.raises(ValueError, match="files must name a source"):
        dataset({})
