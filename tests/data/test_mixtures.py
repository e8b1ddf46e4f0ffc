"""Random mixtures of solos: of one source against others, and of all sources."""

import numpy as np
import pytest
import torch
from solo_files import RATE, noise, write

from asteroid_instglow.data import MixDataset, RandomMixtureDataset, find_by_source


def mixes(root, others=("drums", "piano"), **options):
    options = {"segment": 0.5, "sample_rate": RATE, "n_items": 200, "progress": False, **options}
    return MixDataset(find_by_source(["bass", *others], root), "bass", **options)


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


def test_chances_of_silence(band):
    data = mixes(band, p_silent=(0.2, 0.3), n_items=400)
    empty = np.array([[not part.any() for part in data[i]] for i in range(400)])
    assert not empty.all(1).any()
    assert empty.mean(0) == pytest.approx([0.2, 0.3], abs=0.06)


def test_mixtures_depend_on_seed_and_index_alone(band):
    for number, path in enumerate(sorted(band.rglob("*.flac"))):
        write(path, noise(3, number))
    data, again = mixes(band), mixes(band)
    for i in (3, 1, 2):
        assert torch.equal(data[i], again[i])
    assert not torch.equal(mixes(band, seed=1)[1], data[1])


def test_sources_share_the_cache(band):
    given = mixes(band, cache_gb=3e-4)
    used = [recordings.cache_bytes for recordings in given.recordings.values()]
    assert sum(used) <= 3e5 and used[0] == 2 * 9 * RATE and used[2] < used[0]
    assert torch.equal(given[5][1], mixes(band)[5][1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_max": 0}, "n_max must be a whole number of at least 1"),
        ({"p_silent": (0.6, 0.6)}, "p_silent must be two chances"),
        ({"p_silent": (-0.1, 0.1)}, "p_silent must be two chances"),
        ({"others": []}, "at least one other source"),
    ],
)
def test_mix_dataset_refuses(band, options, message):
    with pytest.raises(ValueError, match=message):
        mixes(band, **options)


def test_the_target_must_be_among_the_files(band):
    with pytest.raises(ValueError, match="must hold 'bass'"):
        MixDataset(find_by_source(["drums", "piano"], band), "bass")


@pytest.mark.parametrize("n_max, pieces", [(3, {1, 2, 3}), ({"drums": 2}, {1, 2})])
def test_several_pieces_of_one_source_sound_together(band, n_max, pieces):
    files = find_by_source(["bass", "drums"], band)
    options = {"p_real": 0.0, "p_silent": 0.0, "p_speed": 0.0, "gain_db": (0.0, 0.0)}
    data = RandomMixtureDataset(
        files, segment=0.5, sample_rate=RATE, n_max=n_max, progress=False, **options
    )
    # Each piece has a polarity of its own: an odd number of them never cancels out.
    levels = {abs(round(data[i][1, 0].item() / DRUMS)) for i in range(100)}
    assert levels == {level for n in pieces for level in range(n % 2, n + 1, 2)}
    bass = {abs(round(data[i][0, 0].item() / 0.125)) for i in range(100)}
    assert (bass == {1}) == isinstance(n_max, dict)
    for wrong in ({"kazoo": 2}, 0, 10**30, True):
        with pytest.raises(ValueError, match="n_max must be"):
            RandomMixtureDataset(files, sample_rate=RATE, n_max=wrong, progress=False)
