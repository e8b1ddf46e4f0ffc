"""Drums, keyboards and the pool of the band recipe."""

import numpy as np
import pytest
from sounds import frequency_of

pytest.importorskip("mido")
sf = pytest.importorskip("soundfile")
STYLES = ("rock", "metal", "country", "shuffle", "swing", "tribal")


@pytest.mark.parametrize("style", STYLES)
def test_a_part_is_in_order_and_fills_its_time(band_module, style):
    groove = band_module("drums_groove")
    hits = groove.play(style, 20.0, np.random.default_rng(0))
    times = np.array([hit.time for hit in hits])
    assert (np.diff(times) >= 0).all() and times[0] < 2.0
    assert 20.0 - 4.0 < times[-1] < 20.0 + 5.0  # ends with a bar
    assert all(0 < hit.velocity <= 1 for hit in hits)
    assert {hit.name for hit in hits} <= set(band_module("drums_kits").PEAKS)


def test_every_pattern_fits_its_bar(band_module):
    groove = band_module("drums_groove")
    for name, style in groove.STYLES.items():
        slots = 12 if style.get("swing") else 16
        for line in style["kick"] + style["snare"]:
            assert len(line) == slots, (name, line)
        for time in style["time"]:
            table = (
                groove.SWING_TIMES if slots == 12 and time in groove.SWING_TIMES else groove.TIMES
            )
            assert all(len(line) == slots for _, line in table[time]), (name, time)


def test_a_drummer_deviates_but_keeps_time(band_module):
    groove = band_module("drums_groove")
    first, again = (groove.play("disco", 30.0, np.random.default_rng(seed)) for seed in (1, 1))
    assert first == again
    kicks = np.array([hit.time for hit in first if hit.name == "kick" and hit.velocity > 0.6])
    steps = np.diff(kicks)
    steps = steps[(steps > 0.4) & (steps < 0.7)]
    assert 0.002 < steps.std() < 0.03


def test_the_pool_closes_gaps_and_sets_the_level(band_module, tmp_path):
    pool = band_module("pool")
    tone = 0.01 * np.sin(2 * np.pi * 220 * np.arange(4 * pool.RATE) / pool.RATE)
    wav = np.concatenate([np.zeros(3 * pool.RATE), tone, np.zeros(5 * pool.RATE), tone])
    seconds = pool.write(tmp_path, "a", wav, db=-20.0)
    assert seconds == pytest.approx(9.0, abs=0.2)
    read, rate = sf.read(tmp_path / "a.ogg")
    assert rate == 22050
    assert 20 * np.log10(pool.level_of(read)) == pytest.approx(-20, abs=0.3)


def test_what_is_stopped_while_it_writes_is_not_in_the_pool(band_module, tmp_path, monkeypatch):
    pool = band_module("pool")
    noise = np.random.default_rng(0).standard_normal(5 * pool.RATE)
    encode, longest = sf.SoundFile.write, []

    def stop(file, part):
        longest.append(len(part))
        if len(longest) == 3:
            raise KeyboardInterrupt
        encode(file, part)

    monkeypatch.setattr(sf.SoundFile, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        pool.write(tmp_path / "group" / "drums", "a", noise)
    assert not any((tmp_path / "group" / "drums").iterdir())
    assert max(longest) <= pool.RATE  # the encoder fails at long writes


def test_the_pool_leaves_out_silence(band_module, tmp_path):
    pool = band_module("pool")
    assert pool.write(tmp_path, "a", np.zeros(10 * pool.RATE)) == 0.0
    assert not (tmp_path / "a.ogg").exists()


@pytest.mark.parametrize(
    "text, octave, pitch", [("C#4", 1, 61), ("db2", 2, 49), ("060", 1, 60), ("As0", 1, 22)]
)
def test_a_name_gives_its_pitch(band_module, text, octave, pitch):
    assert band_module("piano_sampler").parse_pitch(text, octave) == pitch


def test_a_name_without_pitch_is_refused(band_module):
    with pytest.raises(ValueError, match="pitch must be"):
        band_module("piano_sampler").parse_pitch("H4")


def test_a_sampler_plays_the_pitch_and_length_wanted(band_module, tmp_path):
    sampler = band_module("piano_sampler")
    time = np.arange(2 * sampler.RATE) / sampler.RATE
    sf.write(tmp_path / "A4.wav", 0.5 * np.sin(2 * np.pi * 440 * time), sampler.RATE)
    note = band_module("sampler").Note(0.5, 4.0, 64, 0.8)
    for sustained, length in ((False, 1.3), (True, 3.9)):
        player = sampler.NoteSampler(tmp_path, r"(?P<pitch>A4)\.wav", sustained=sustained)
        wav = player.play([note], 6.0, np.random.default_rng(0))
        heard = np.flatnonzero(np.abs(wav) > 0.1 * np.abs(wav).max())
        assert heard[0] / sampler.RATE == pytest.approx(0.5, abs=0.05)
        assert (heard[-1] - heard[0]) / sampler.RATE > length
        at = int(0.8 * sampler.RATE)
        assert frequency_of(wav[at : at + 30000], sampler.RATE) == pytest.approx(329.6, rel=0.005)


def test_synthesizers_play_in_tune(band_module):
    parts = band_module("other_parts")
    note = band_module("sampler").Note(0.0, 2.0, 57, 0.8)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        synth = parts.Synth(rng, "lead")
        synth.voices, synth.vibrato = 1, 0.0
        wav = synth.play([note], 2.5, rng)
        spectrum = np.abs(np.fft.rfft(wav[20000:64100] * np.hanning(44100)))
        assert spectrum[210:231].max() > 20 * np.median(spectrum[20:200])  # 220 Hz
        assert np.argmax(spectrum) / 220 == pytest.approx(
            round(np.argmax(spectrum) / 220), abs=0.06
        )


def test_every_group_names_its_licences(band_module, tmp_path):
    licences = band_module("pool_licences")
    for group, (_, sources) in licences.GROUPS.items():
        licences.write_licences(tmp_path, group)
        text = (tmp_path / group / "LICENCES.md").read_text()
        assert all(source in text for source in sources)
        for source in sources:
            assert any(word in source for word in ("CC0", "CC BY", "MIT")), source
            assert "NC" not in source and "BY-SA" not in source
