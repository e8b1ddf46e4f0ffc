"""Guitar and bass parts of the band recipe, and the sampler that plays them."""

import numpy as np
import pytest
from sounds import frequency_of

pytest.importorskip("mido")
sf = pytest.importorskip("soundfile")


@pytest.fixture
def sampler(band_module, tmp_path):
    """A sampler on sines of A2 and A3, two layers, the loud one with an octave above."""
    folder = tmp_path / "emilyguitar" / "notes"
    folder.mkdir(parents=True)
    time = np.arange(3 * 44100) / 44100
    for name, frequency in (("a2", 110.0), ("a3", 220.0)):
        wave = np.sin(2 * np.pi * frequency * time)
        sf.write(folder / f"{name}_p_rr1.wav", 0.3 * wave, 44100)
        sf.write(folder / f"{name}_f_rr1.wav", 0.3 * wave + 0.3 * wave**2, 44100)
    return band_module("sampler").Sampler(tmp_path, "emily")


@pytest.mark.parametrize(
    "stem, pitch, layer",
    [
        ("a2_f_rr1", 45, 4),
        ("twang_bb3_mf_rr2", 58, 3),
        ("eb4_vl3_rr1_2", 63, 3),
        ("Cs3", 49, 0),
        ("a3_release_rr2_1", 57, 0),
    ],
)
def test_a_sample_name_gives_pitch_and_layer(band_module, stem, pitch, layer):
    assert band_module("sampler").parse_name(stem) == (pitch, layer)


@pytest.mark.parametrize("pitch", [45, 47, 52, 57, 60])
def test_a_note_sounds_at_its_pitch(band_module, sampler, pitch):
    note = band_module("sampler").Note(0.0, 1.0, pitch, 0.1)
    wav = sampler.play([note], 1.0, np.random.default_rng(0))
    wanted = 440 * 2 ** ((pitch - 69) / 12)
    assert frequency_of(wav[4000:18000], 22050) == pytest.approx(wanted, rel=0.01)


def test_a_bend_raises_the_pitch(band_module, sampler):
    bend = (np.array([0.0, 0.3, 0.35]), np.array([0.0, 0.0, 2.0]))
    note = band_module("sampler").Note(0.0, 1.5, 57, 0.1, "open", bend)
    wav = sampler.play([note], 1.5, np.random.default_rng(0))
    before, after = wav[1000:6000], wav[10000:30000]
    ratio = frequency_of(after, 22050) / frequency_of(before, 22050)
    assert ratio == pytest.approx(2 ** (2 / 12), rel=0.01)


def test_a_palm_mute_dies_away_and_an_open_note_does_not(band_module, sampler):
    levels = {}
    for how in ("open", "mute"):
        note = band_module("sampler").Note(0.0, 1.0, 45, 0.9, how)
        wav = sampler.play([note], 1.0, np.random.default_rng(0))
        levels[how] = np.std(wav[15000:20000]) / np.std(wav[200:2000])
    assert levels["open"] > 0.7
    assert levels["mute"] < 0.05


def test_loud_notes_use_the_loud_layer(band_module, sampler):
    soft, _ = sampler.sample("sustain", 45, 0.1, np.random.default_rng(0))
    loud, _ = sampler.sample("sustain", 45, 0.9, np.random.default_rng(0))
    assert soft.mean() == pytest.approx(0, abs=1e-3)
    assert loud.mean() > 0.1


@pytest.mark.parametrize("style", ["major", "minor", "blues", "heavy", "punk"])
def test_a_song_has_a_chord_for_every_beat(band_module, style):
    harmony = band_module("sampler_harmony")
    song = harmony.draw_song(np.random.default_rng(3), 20, style)
    assert len(song.times) == len(song.roots) + 1 == len(song.qualities) + 1
    assert np.all(np.diff(song.times) > 0)
    tempo = 60 / np.mean(np.diff(song.times))
    low, high = harmony.TEMPI[style]
    assert low * 0.9 < tempo < high * 1.1


def test_strummed_pitches_belong_to_their_chord(band_module):
    harmony, guitar = band_module("sampler_harmony"), band_module("guitar")
    song = harmony.draw_song(np.random.default_rng(1), 20, "major")
    chords = {
        (root + step) % 12
        for root, quality in zip(song.roots, song.qualities, strict=True)
        for step in harmony.INTERVALS[quality]
    }
    for barre in (False, True):
        notes = guitar.strum(song, np.random.default_rng(2), barre=barre)
        assert notes
        assert {note.pitch % 12 for note in notes} <= chords


@pytest.mark.parametrize("role", ["strum", "pick", "power", "riff", "stabs", "boogie"])
def test_the_seed_decides_a_guitar_part(band_module, role):
    harmony, guitar = band_module("sampler_harmony"), band_module("guitar")
    song = harmony.draw_song(np.random.default_rng(5), 15)
    parts = [getattr(guitar, role)(song, np.random.default_rng(s)) for s in (7, 7, 8)]
    onsets = [[(n.start, n.pitch) for n in part] for part in parts]
    assert onsets[0] == onsets[1] != onsets[2]
    assert all(n.start < song.seconds and n.length > 0 for part in parts for n in part)


@pytest.mark.parametrize("lowest", [28, 38])
def test_a_bass_melody_walks_in_the_key_up_the_neck(band_module, lowest):
    harmony, bass = band_module("sampler_harmony"), band_module("bass")
    song = harmony.draw_song(np.random.default_rng(1), 60, "major")
    notes, role = bass.line(song, np.random.default_rng(0), "melody", lowest)
    pitches = [note.pitch for note in notes]
    assert role == "melody" and min(pitches) >= lowest and max(pitches) <= bass.HIGHEST
    assert max(pitches) - min(pitches) >= 12
    key = {(song.key + step) % 12 for step in bass.MAJOR_SCALE}
    assert np.mean([pitch % 12 in key for pitch in pitches]) > 0.8


def test_a_bass_line_starts_each_bar_on_the_root(band_module):
    harmony, bass = band_module("sampler_harmony"), band_module("bass")
    song = harmony.draw_song(np.random.default_rng(4), 20, "punk")
    notes, role = bass.line(song, np.random.default_rng(0), "eighths")
    assert role == "eighths"
    starts = {round(note.start, 6): note.pitch for note in notes}
    for beat in range(0, len(song.roots), song.beats):
        assert starts[round(song.at(beat), 6)] % 12 == song.roots[beat]
    assert all(28 <= note.pitch <= 60 for note in notes)
