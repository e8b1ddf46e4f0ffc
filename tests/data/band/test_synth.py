"""The synthetic band: deterministic, sounding throughout, and its mixtures are exact sums."""

import io
import json

import mido
import numpy as np
import pytest
import soundfile as sf

from asteroid_instglow.data.band import soundfont
from asteroid_instglow.data.band.compose import SCALES, SOURCES, Note, compose, make_plan
from asteroid_instglow.data.band.instruments import partials
from asteroid_instglow.data.band.soundfont import PROGRAMS, fluidsynth_ready, midi_file
from asteroid_instglow.data.band.synth import active_rms, make_band, synthesise

RATE = 22050
needs_fluidsynth = pytest.mark.skipif(
    not fluidsynth_ready(), reason="fluidsynth, which issue 2 makes optional, is not installed"
)


# Composing


@pytest.mark.parametrize("seed", range(20))
def test_songs_are_playable(seed):
    plan, song = make_plan(seed, 20.0), compose(seed, 20.0)
    assert tuple(song) == SOURCES and song == compose(seed, 20.0)
    ranges = {"bass": (26, 55), "drums": (35, 52), "guitar": (40, 79), "piano": (36, 89)}
    for source, notes in song.items():
        assert notes == sorted(notes)
        for note in notes:
            assert 0 <= note.start and 0 < note.duration and note.start + note.duration <= 20.001
            assert ranges[source][0] <= note.pitch <= ranges[source][1]
            assert 1 <= note.velocity <= 127
        # Nobody rests for longer than a bar or so.
        starts = np.array([0.0, *(note.start for note in notes), 20.0])
        assert np.diff(starts).max() < 1.5 * 240 / plan.tempo


@pytest.mark.parametrize("seed", range(20))
def test_songs_keep_to_their_key(seed):
    plan, song = make_plan(seed, 30.0), compose(seed, 30.0)
    scale = {(plan.tonic + step) % 12 for step in SCALES[plan.mode]}
    for source in ("guitar", "piano"):
        inside = np.mean([note.pitch % 12 in scale for note in song[source]])
        # Power chords and low octaves bring a fifth from outside now and then.
        assert inside > 0.85
    assert {pitch for chord in plan.chords for pitch in chord} <= scale


def test_songs_differ_and_a_longer_one_begins_the_same():
    songs = [tuple(map(tuple, compose(seed, 10.0).values())) for seed in range(10)]
    assert len(set(songs)) == 10
    assert make_plan(3, 40.0).chords[:4] == make_plan(3, 10.0).chords[:4]
    assert make_plan(3, 40.0)[:4] == make_plan(3, 10.0)[:4]


def test_length_must_be_positive():
    with pytest.raises(ValueError, match="seconds must be positive, got 0"):
        compose(1, 0)


# Rendering


def test_partials_are_decaying_sines():
    time = np.arange(1000) / 8000
    given = np.array([[300.0, 1.0, 5.0, 0.3], [1234.5, 0.5, 40.0, 2.0], [5000.0, 1.0, 1.0, 0.0]])
    want = sum(a * np.exp(-d * time) * np.sin(2 * np.pi * f * time + p) for f, a, d, p in given[:2])
    assert np.abs(partials(*given.T, 1000, 8000) - want).max() < 1e-5


@pytest.mark.parametrize("source", ["bass", "guitar", "piano"])
@pytest.mark.parametrize("pitch", [40, 52, 69])
def test_notes_sound_at_their_pitch(source, pitch):
    for seed in range(3):
        wav = synthesise([Note(0.0, 2.0, pitch, 90)], source, 2.0, RATE, seed)
        spectrum = np.abs(np.fft.rfft(wav * np.hanning(len(wav)), 2**18))
        f0 = 440 * 2 ** ((pitch - 69) / 12)
        near = [np.arange(int(h * f0 * 0.97 * 11.9), int(h * f0 * 1.03 * 11.9)) for h in (1, 2)]
        peaks = [bins[spectrum[bins].argmax()] * RATE / 2**18 for bins in near]
        # The first two harmonics within a tenth of a semitone and the piano's stretch.
        assert peaks[0] == pytest.approx(f0, rel=0.006)
        assert peaks[1] == pytest.approx(2 * f0, rel=0.006)


@pytest.mark.parametrize("rate", [8000, RATE, 44100])
@pytest.mark.parametrize("source", SOURCES)
def test_sound_is_finite_bounded_deterministic_and_of_its_length(source, rate):
    notes = compose(5, 4.0)[source]
    wav = synthesise(notes, source, 4.0, rate, seed=5)
    assert wav.shape == (4 * rate,) and wav.dtype == np.float32
    assert np.isfinite(wav).all() and np.abs(wav).max() == pytest.approx(0.5)
    assert np.array_equal(wav, synthesise(notes, source, 4.0, rate, seed=5))
    assert not np.allclose(wav, synthesise(notes, source, 4.0, rate, seed=6), atol=1e-3)
    assert abs(wav.mean()) < 1e-3


def test_velocity_is_loudness():
    for source in SOURCES:
        pitch = 38 if source == "drums" else 50
        loud, soft = Note(0.0, 0.5, pitch, 120), Note(1.0, 0.5, pitch, 40)
        wav = synthesise([loud, soft], source, 2.0, RATE)
        assert active_rms(wav[:RATE], RATE) > 2 * active_rms(wav[RATE:], RATE)


def test_drums_differ():
    def centre(pitch):
        wav = synthesise([Note(0.0, 0.1, pitch, 100)], "drums", 1.0, RATE)
        power = np.abs(np.fft.rfft(wav)) ** 2
        return (power * np.fft.rfftfreq(len(wav), 1 / RATE)).sum() / power.sum()

    kick, snare, hat = centre(36), centre(38), centre(42)
    assert kick < 400 < snare < hat and hat > 4000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "kazoo"}, "source must be one of bass, drums, guitar, piano, got 'kazoo'"),
        ({"renderer": "moog"}, "renderer must be one of auto, numpy, fluidsynth, got 'moog'"),
        ({"sample_rate": 4000}, "sample_rate must be at least 8000"),
        ({"notes": []}, "notes must sound within 1.0 s, got 0"),
        ({"notes": [Note(3.0, 1.0, 40, 90)]}, "notes must sound within 1.0 s, got 1"),
    ],
)
def test_synthesise_refuses(options, message):
    arguments = {"notes": [Note(0.0, 1.0, 40, 90)], "source": "bass", "seconds": 1.0, **options}
    with pytest.raises(ValueError, match=message):
        synthesise(**arguments)


# Sound fonts


def test_midi_file_says_what_was_meant():
    notes = [*compose(2, 8.0)["guitar"], Note(8.0, 0.5, 60, 80), Note(8.5, 0.5, 60, 80)]
    midi = mido.MidiFile(file=io.BytesIO(midi_file(notes, 27, 0)))
    assert midi.length == pytest.approx(max(n.start + n.duration for n in notes), abs=2e-3)
    now, started, sounding = 0.0, [], {}
    for message in midi:
        now += message.time
        if message.type == "program_change":
            assert message.program == 27
        elif message.type == "note_on":
            started.append((round(now, 3), message.note, message.velocity))
            sounding[message.note] = sounding.get(message.note, 0) + 1
        elif message.type == "note_off":
            sounding[message.note] -= 1
            assert sounding[message.note] >= 0
    assert not any(sounding.values())
    assert sorted(started) == sorted((round(n.start, 3), n.pitch, n.velocity) for n in notes)


@pytest.mark.parametrize("note", [Note(-1.0, 1.0, 60, 80), Note(0, 1, 128, 80), Note(0, 1, 60, 0)])
def test_midi_file_refuses_what_does_not_fit(note):
    with pytest.raises(ValueError, match="a note must have"):
        midi_file([note], 0, 0)
    with pytest.raises(ValueError, match="program must be below 128"):
        midi_file([], 128, 0)


@needs_fluidsynth
def test_fluidsynth_plays_the_notes():
    for source, pitch in (("piano", 69), ("drums", 38)):
        wav = synthesise([Note(0.5, 1.0, pitch, 100)], source, 2.0, RATE, 1, "fluidsynth")
        assert wav.shape == (2 * RATE,) and np.isfinite(wav).all()
        onset = np.abs(wav[: RATE // 2 - 200]).max() / np.abs(wav).max()
        assert onset < 0.01
        again = synthesise([Note(0.5, 1.0, pitch, 100)], source, 2.0, RATE, 1, "fluidsynth")
        assert np.array_equal(wav, again)


def test_without_fluidsynth_auto_is_numpy_and_asking_for_it_is_refused(monkeypatch):
    monkeypatch.setattr(soundfont, "SOUNDFONT_FOLDERS", ("/nowhere",))
    notes = [Note(0.0, 1.0, 40, 90)]
    plain = synthesise(notes, "bass", 1.0, RATE, renderer="numpy")
    assert np.array_equal(synthesise(notes, "bass", 1.0, RATE, renderer="auto"), plain)
    with pytest.raises(ValueError, match="needs the fluidsynth command and a sound font"):
        synthesise(notes, "bass", 1.0, RATE, renderer="fluidsynth")


# Bands


def read(track, name):
    wav, rate = sf.read(track / f"{name}.flac", dtype="int16")
    assert rate == RATE
    return wav.astype(int)


@pytest.mark.parametrize("renderer", ["numpy", pytest.param("fluidsynth", marks=needs_fluidsynth)])
def test_band_is_whole(tmp_path, renderer):
    tracks = make_band(tmp_path, 2, 6.0, seed=7, renderer=renderer, progress=False)
    assert [track.name for track in tracks] == ["Track00001", "Track00002"]
    for track in tracks:
        assert sorted(p.name for p in track.iterdir()) == sorted(
            [*(f"{name}.flac" for name in (*SOURCES, "mixture")), "info.json"]
        )
        stems = {name: read(track, name) for name in SOURCES}
        assert np.array_equal(sum(stems.values()), read(track, "mixture"))
        info = json.loads((track / "info.json").read_text())
        assert info["renderer"] == renderer and info["seconds"] == 6.0
        for name, stem in stems.items():
            wav = (stem / 32768).astype(np.float32)
            assert len(wav) == 6 * RATE and np.abs(wav).max() < 0.98
            level = 20 * np.log10(active_rms(wav, RATE))
            assert level == pytest.approx(info["level_db"][name], abs=0.05)
            assert -32 < level < -19
            # It plays nearly all the time: few seconds are silent.
            power = np.square(wav.reshape(6, -1)).mean(1)
            assert (power > 1e-6).sum() >= 5
        if renderer == "fluidsynth":
            assert all(info["programs"][s] in PROGRAMS[s] for s in SOURCES)


def test_bands_are_deterministic_and_do_not_depend_on_their_size(tmp_path):
    options = {"seconds": 4.0, "renderer": "numpy", "progress": False}
    one = make_band(tmp_path / "a", 1, seed=1, **options)[0]
    two = make_band(tmp_path / "b", 2, seed=1, **options)
    other = make_band(tmp_path / "c", 1, seed=2, **options)[0]
    for name in (*SOURCES, "mixture"):
        assert np.array_equal(read(one, name), read(two[0], name))
        assert not np.array_equal(read(one, name), read(two[1], name))
        assert not np.array_equal(read(one, name), read(other, name))


def test_a_band_shows_progress(tmp_path, capsys):
    make_band(tmp_path, 1, 4.0, renderer="numpy")
    assert "playing" in capsys.readouterr().err


def test_songs_are_not_overwritten(tmp_path):
    track = make_band(tmp_path, 1, 4.0, renderer="numpy", progress=False)[0]
    before = (track / "bass.flac").read_bytes()
    with pytest.raises(FileExistsError, match="Track00001 exists already"):
        make_band(tmp_path, 2, 4.0, seed=1, renderer="numpy", progress=False)
    assert (track / "bass.flac").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["Track00001"]


def test_a_song_stopped_half_way_leaves_nothing(tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("asteroid_instglow.data.band.synth.json.dumps", stop)
    with pytest.raises(KeyboardInterrupt):
        make_band(tmp_path, 1, 4.0, renderer="numpy", progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_songs": 0}, "n_songs must be at least 1"),
        ({"seconds": 1.0}, "seconds at least 4"),
        ({"renderer": "moog"}, "renderer must be one of"),
    ],
)
def test_make_band_refuses(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        make_band(**{"folder": tmp_path / "x", "n_songs": 1, "seconds": 4.0, **options})
    assert not (tmp_path / "x").exists()


def test_a_general_sound_font_is_found_before_one_of_drums(tmp_path, monkeypatch):
    for name in ("Black_Drums.sf2", "A_General.sf3", "FluidR3_GM.sf2", "sf_GMbank.sf2"):
        (tmp_path / name).touch()
    monkeypatch.setattr(soundfont, "SOUNDFONT_FOLDERS", (str(tmp_path),))
    for name in ("FluidR3_GM.sf2", "sf_GMbank.sf2", "A_General.sf3", "Black_Drums.sf2"):
        assert soundfont.find_soundfont().name == name
        (tmp_path / name).unlink()
    assert soundfont.find_soundfont() is None
