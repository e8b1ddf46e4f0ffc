"""Fixtures of the evaluation's tests."""

import pytest
from scored_folders import SOURCES, signals, write


@pytest.fixture
def data(tmp_path):
    """Three tracks of two sources, references and estimates; and the signals that were written."""
    written = {}
    for seed in range(3):
        track = f"Track {seed}"
        written[track] = signals(seed=seed)
        for side, wavs in zip(("references", "estimates"), written[track], strict=True):
            for source, wav in zip(SOURCES, wavs, strict=True):
                write(tmp_path / side / track, source, wav)
    return tmp_path / "references", tmp_path / "estimates", written
