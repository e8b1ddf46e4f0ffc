"""The command, on files, against the packages that the field measures with, on the same files."""

import csv
import io
import json
from contextlib import redirect_stdout

import fast_bss_eval
import museval
import numpy as np
import pytest
import soundfile as sf
import torch

from asteroid_instglow.cli.main import main

RATE = 16000
SOURCES = ("bass", "drums", "vocals")
TRACKS = ("Ångström - Straße", "B - Silent Vocals")


def write_track(root, name, seed, silent=()):
    """Stereo, 16 bits, 3.4 s: coloured sources; estimates with leakage, filtering and noise."""
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((3, round(3.4 * RATE) + 1, 2))
    references = 0.1 * (references[:, 1:] + 0.7 * references[:, :-1])
    for i in silent:
        references[i] = 0
    estimates = references + 0.2 * np.roll(references, 1, axis=0) + 0.3 * np.roll(references, 3, 1)
    estimates += rng.uniform(0.02, 0.05, (3, 1, 1)) * rng.standard_normal(references.shape)
    for side, wavs in (("true", references), ("guess", estimates)):
        (root / side / name).mkdir(parents=True)
        for source, wav in zip(SOURCES, wavs, strict=True):
            sf.write(root / side / name / f"{source}.wav", wav, RATE, "PCM_16")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """The folders, what the command prints as json, and the scores of each track from its csv."""
    root = tmp_path_factory.mktemp("songs")
    write_track(root, TRACKS[0], 0)
    write_track(root, TRACKS[1], 1, silent=[2])
    args = ["evaluate", root / "true", root / "guess", "--protocol", "sisec", "si-sdr", "--json"]
    with redirect_stdout(io.StringIO()) as printed:
        assert main([str(arg) for arg in [*args, "--quiet", "-o", root / "scores"]]) == 0
    with (root / "scores" / "tracks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return root, json.loads(printed.getvalue())["protocols"], rows


def read(root, side, track, sources):
    return np.stack([sf.read(root / side / track / f"{s}.wav")[0] for s in sources])


def row_of(rows, protocol, track, source):
    wanted = {"protocol": protocol, "track": track, "source": source}
    (row,) = [row for row in rows if wanted.items() <= row.items()]
    return row


# museval refuses a silent source; without it, it scores the others.
@pytest.mark.parametrize("track, sources", [(TRACKS[0], SOURCES), (TRACKS[1], SOURCES[:2])])
def test_sisec_is_museval_on_the_same_files(scored, track, sources):
    root, _, rows = scored
    wavs = (read(root, side, track, sources) for side in ("true", "guess"))

    published = museval.evaluate(*wavs, win=RATE, hop=RATE)

    for metric, windows in zip(("SDR", "ISR", "SIR", "SAR"), published, strict=True):
        for source, expected in zip(sources, np.nanmedian(windows, axis=1), strict=True):
            value = float(row_of(rows, "sisec", track, source)[metric])
            assert value == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("track, sources", [(TRACKS[0], SOURCES), (TRACKS[1], SOURCES[:2])])
def test_si_sdr_is_fast_bss_evals_on_the_same_files(scored, track, sources):
    root, _, rows = scored
    references, estimates = (read(root, side, track, sources) for side in ("true", "guess"))
    # Of all channels at once, as one long signal.
    mixture = read(root, "true", track, SOURCES).sum(0)
    flat = [torch.from_numpy(x.reshape(len(sources), -1)) for x in (references, estimates)]
    start = torch.from_numpy(mixture.reshape(1, -1)).expand(len(sources), -1)

    values = fast_bss_eval.si_sdr(*flat, zero_mean=False)
    improvements = values - fast_bss_eval.si_sdr(flat[0], start, zero_mean=False)

    for source, value, improvement in zip(sources, values, improvements, strict=True):
        row = row_of(rows, "si-sdr", track, source)
        assert float(row["SI-SDR"]) == pytest.approx(float(value), abs=1e-3)
        assert float(row["SI-SDRi"]) == pytest.approx(float(improvement), abs=1e-3)


def test_a_silent_source_is_no_failure_and_is_counted(scored):
    _, protocols, rows = scored
    for protocol in ("sisec", "si-sdr"):
        counts = protocols[protocol]["scores"]["estimates"]
        assert [counts[source]["n_silent"] for source in SOURCES] == [0, 0, 1]
        assert [counts[source]["n_scored"] for source in SOURCES] == [2, 2, 1]
        row = row_of(rows, protocol, TRACKS[1], "vocals")
        assert row["status"] == "silent"
        main_metric = protocols[protocol]["main_metric"]
        assert row[main_metric] == ""
        alone = float(row_of(rows, protocol, TRACKS[0], "vocals")[main_metric])
        assert counts["vocals"][main_metric]["value"] == pytest.approx(alone)
