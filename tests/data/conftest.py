"""Fixtures of the tests of solos and mixtures."""

import pytest
from solo_files import write_band


@pytest.fixture
def band(tmp_path):
    """Three tracks of three sources."""
    return write_band(tmp_path / "band")
