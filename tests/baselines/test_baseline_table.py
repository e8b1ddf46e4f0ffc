"""benchmarks/table.py and add_instrument.py on a tiny band, from training to figure."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
RATE = 8000
SOURCES = ["bass", "drums", "piano"]
TINY_STFT = {"sample_rate": RATE, "n_fft": 128, "hop_length": 32}
TINY = {
    "nmf": {"n_steps": 3, "model": {**TINY_STFT, "n_atoms": 2}},
    "wave-u-net": {
        "model": {"sample_rate": RATE, "depth": 2, "width": 2},
        **{"batch_size": 2, "segment": 0.2},
    },
    "instglow": {
        "flow": {**TINY_STFT, "n_blocks": 1, "hidden": 4, "n_layers": 1},
        "encoder": {"n_fft": 64, "hop_length": 16, "width": 2},
        **{"training": {}, "shares": (0.4, 0.3, 0.3)},
    },
    "mixture": {"model": {"sample_rate": RATE}},
    "irm": {"model": TINY_STFT},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny-band")
    rng = np.random.default_rng(0)
    time = np.arange(5 * RATE) / RATE
    for split, n in (("train", 2), ("validation", 1)):
        for k in range(n):
            folder = root / split / f"song{k}"
            folder.mkdir(parents=True)
            bass = np.sin(2 * np.pi * (80 + 5 * k) * time)
            soundfile.write(folder / "bass.wav", 0.1 * bass, RATE)
            soundfile.write(folder / "piano.wav", 0.1 * np.sign(np.roll(bass, 100)), RATE)
            soundfile.write(folder / "drums.wav", 0.1 * rng.standard_normal(len(time)), RATE)
    return root


@pytest.fixture
def benchmarks(monkeypatch):
    """The modules, with tiny configurations."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import add_instrument
    import table
    import table_systems

    monkeypatch.setattr(table_systems, "CPU", TINY)
    monkeypatch.setattr(table_systems, "TRIAL", (2, 4))
    return table, add_instrument, table_systems


def arguments(data, folder, systems, *more):
    args = ["--data", data, "--output", folder / "exp", "--results", folder / "out.json"]
    args += ["--minutes", 1e-3, "--seconds", 2, *more, "--systems", *systems]
    return [str(arg) for arg in args]


def test_the_table_from_training_to_figure(benchmarks, data, tmp_path, capsys):
    table = benchmarks[0]
    names = ["mixture", "irm", "nmf", "wave-u-net", "instglow"]

    table.main(arguments(data, tmp_path, names))

    results = json.loads((tmp_path / "out.json").read_text())
    assert list(results["rows"]) == names
    for row in results["rows"].values():
        assert set(row["scores"]) == {*SOURCES, "average"}
        assert all(np.isfinite(v) for part in row["scores"].values() for v in part.values())
        if row["kind"] != "oracle":
            assert row["parameters"] > 0 and row["training_minutes"] > 0
            assert all(np.isfinite(part["loss_after"]) for part in row["losses"].values())
    rows = results["rows"]
    assert rows["irm"]["scores"]["average"]["SDR"] > rows["mixture"]["scores"]["average"]["SDR"]
    assert rows["mixture"]["scores"]["average"]["SI-SDRi"] == pytest.approx(0, abs=0.01)
    lines = (tmp_path / "out.md").read_text().splitlines()
    assert len(lines) == 2 + len(names) + 2 and lines[-1].startswith("SDR / SI-SDRi in dB on tiny")
    assert len({line.count("|") for line in lines[:7]}) == 1
    assert "5.06 / 2.63 / 3.74 / 1.95" in next(line for line in lines if "Wave-U-Net" in line)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.count("SDR") == len(names)


def test_what_is_done_is_not_done_again(benchmarks, data, tmp_path, monkeypatch):
    table = benchmarks[0]
    table.main(arguments(data, tmp_path, ["nmf"]))
    first = (tmp_path / "out.json").read_text()
    (tmp_path / "out.json").unlink()
    trained = []
    monkeypatch.setattr(table, "train", lambda *args: trained.append(args) or {})

    table.main(arguments(data, tmp_path, ["nmf"]))

    assert (tmp_path / "out.json").read_text() == first and not trained
    # Another budget is another row.
    with pytest.raises(KeyError):
        table.main([*arguments(data, tmp_path, ["nmf"]), "--minutes", "2"])
        json.loads((tmp_path / "out.json").read_text())["rows"]["nmf"]["steps"]
    assert trained


def test_an_instrument_is_added(benchmarks, data, tmp_path):
    add_instrument = benchmarks[1]

    names = ["nmf", "instglow", "wave-u-net"]
    add_instrument.main(arguments(data, tmp_path, names, "--new", "piano"))

    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert rows["nmf"]["retrained"] == rows["instglow"]["retrained"] == ["piano"]
    assert rows["wave-u-net"]["retrained"] == SOURCES
    assert all(set(row["scores"]) == {*SOURCES, "average"} for row in rows.values())
    before = tmp_path / "exp" / "instglow" / "before"
    started = json.loads((before.parent / "after/priors/piano/encoder.json").read_text())
    assert started["arguments"]["init"] == str(before / "joint")
    assert "KL-NMF" in (tmp_path / "out.md").read_text()
    with pytest.raises(SystemExit, match="new must be one of"):
        add_instrument.main(arguments(data, tmp_path, ["nmf"], "--new", "harp"))


def test_steps_fill_the_budget(benchmarks, tmp_path, monkeypatch):
    systems = benchmarks[2]
    budget = systems.Budget(1.0, "cpu")
    now = [0.0]
    budget.clock = lambda: now[0]

    def train(n_steps, folder):
        folder.mkdir(parents=True)
        now[0] += 10 + 0.5 * n_steps

    assert budget.steps(train, tmp_path / "a") == 100
    assert budget.steps(train, tmp_path / "b", share=0.5) == 40
    # Known already.
    assert budget.steps(None, tmp_path / "a") == 100


def test_the_minutes_of_all_runs_are_added_up(benchmarks, tmp_path):
    budget = benchmarks[2].Budget(1.0, "cpu")
    now = [0.0]
    budget.clock = lambda: now[0]

    for error in (KeyboardInterrupt, None):
        try:
            with budget.timed(tmp_path):
                now[0] += 90
                if error:
                    raise error
        except KeyboardInterrupt:
            pass

    assert budget.spent(tmp_path) == pytest.approx(3.0)
