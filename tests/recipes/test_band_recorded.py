"""Recorded players and singers of the band recipe, without the effects themselves."""

import sys
import types

import numpy as np
import pytest

sf = pytest.importorskip("soundfile")
RATE = 22050
MODULES = ("effects", "vocals_common", "vocals_world", "vocals_cc0", "recorded")


@pytest.fixture
def recorded(band_module, monkeypatch):
    """The script, with effects that leave sounds as they are, and the kinds that were asked for."""
    for name in ("pedalboard", "pyworld"):  # tools that only the recipe needs
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    script, asked = band_module("recorded"), []

    def no_effect(kind, rng, codec=0.3):
        asked.append(kind)
        return lambda wav, rate: wav

    monkeypatch.setattr(script, "random_chain", no_effect)
    monkeypatch.setattr(sys.modules["vocals_common"], "random_chain", no_effect)
    monkeypatch.setattr(sys.modules["vocals_cc0"], "other_singer", lambda parts, rng: parts)
    yield script, asked
    for name in MODULES:
        sys.modules.pop(name, None)


def phrases(seconds, rate=RATE):
    """Sounds of 0.6 to 1 s at pitches of their own, with silence between."""
    rng, parts = np.random.default_rng(0), []
    while sum(map(len, parts)) < seconds * rate:
        time = np.arange(int(rng.uniform(0.6, 1.0) * rate)) / rate
        parts += [0.3 * np.sin(2 * np.pi * rng.uniform(150, 600) * time), np.zeros(rate // 2)]
    return np.concatenate(parts)


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["recorded.py", *map(str, arguments)])
    script.main()


def test_players_and_singers_come_into_the_pool(recorded, tmp_path, monkeypatch):
    script, asked = recorded
    sources, pool = tmp_path / "sources", tmp_path / "pool"
    for name in ("direct/web/Slow - Guitar.wav", "direct/web/Slow - Bass.wav"):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        sf.write(sources / name, phrases(8, 48000), 48000)
    (sources / "vocadito" / "Audio").mkdir(parents=True)
    sf.write(sources / "vocadito" / "Audio" / "one.wav", phrases(20), RATE)
    run(script, monkeypatch, sources, pool, "--scale", "0.01")

    made = {path.name: sorted(path.rglob("*.ogg")) for path in pool.iterdir()}
    assert set(made) == {"guitar_direct", "bass_direct", "vocals_alone", "vocals_alone_shifted"}
    assert [p.name for p in made["guitar_direct"]] == [f"slow_guitar_{i}_00.ogg" for i in range(5)]
    assert asked.count("guitar_high") == 2 and asked.count("bass") == 4
    for group, files in made.items():
        assert files and "- " in (pool / group / "LICENCES.md").read_text()
        assert all(sf.info(file).samplerate == RATE for file in files)


def test_what_is_not_there_is_left_out(recorded, tmp_path, monkeypatch, caplog):
    script, _ = recorded
    run(script, monkeypatch, tmp_path / "none", tmp_path / "pool")
    assert not (tmp_path / "pool").exists()
    for group in ("guitar_direct", "guitar_acoustic", "bass_direct", "vocals_alone"):
        assert f"so no {group}" in caplog.text
