"""Fixtures of the trainings' tests."""

import logging

import pytest


@pytest.fixture(autouse=True)
def quiet_lightning():
    """Lightning sets its loggers up by hand; the warnings wanted here are the package's own."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
