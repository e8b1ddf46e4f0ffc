"""Drives the report in headless Chromium: it plays, switches, downloads and fits a phone."""

import csv

import numpy as np
import pytest
import soundfile as sf
from browsers import browser, needs_chromium, opener  # noqa: F401 - a fixture
from playwright.sync_api import expect

from asteroid_instglow.report import write_page

RATE = 8000
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of two songs with references."""
    folder = tmp_path_factory.mktemp("browser")
    rng = np.random.default_rng(0)
    for song in ("one", "two"):
        (folder / "examples" / song).mkdir(parents=True)
        bass, drums = 0.1 * rng.standard_normal((2, 3 * RATE))
        wavs = {"mixture": bass + drums, "bass": bass, "drums": drums}
        wavs |= {"bass_estimate": bass + 0.1 * drums, "drums_estimate": drums + 0.2 * bass}
        for name, wav in wavs.items():
            sf.write(folder / "examples" / song / f"{name}.wav", wav, RATE)
    write_page(folder, progress=False)
    return (folder / "report.html").as_uri()


@pytest.fixture
def open_page(browser, report):  # noqa: F811
    """Opens the report at a size."""
    with opener(browser, report, 30_000, logs=True) as open_:
        yield open_


def test_stems_and_versions_play_in_time(open_page):
    page = open_page()
    first, second = page.locator("article.track").all()
    expect(first.locator(".clip.heard")).to_have_attribute("data-version", "mixture")
    expect(first.get_by_role("button", name="reference")).to_be_disabled()

    first.get_by_role("button", name="bass").click()
    expect(first.locator(".stem.chosen")).to_have_attribute("aria-label", "bass")
    expect(first.locator(".clip.heard")).to_have_attribute("data-version", "estimates")
    first.get_by_role("button", name="Play").click()
    expect(first.locator(".clock")).to_have_text("0:01 / 0:03", timeout=10_000)
    first.get_by_role("button", name="reference").click()
    expect(first.locator(".clip.heard")).to_have_attribute("data-version", "references")
    # Switching does not move the position.
    assert float(first.locator(".seek").input_value()) >= 1
    expect(first.get_by_role("button", name="Pause")).to_be_visible()

    second.get_by_role("button", name="Play").click()
    expect(second.get_by_role("button", name="Pause")).to_be_visible()
    expect(first.get_by_role("button", name="Play")).to_be_visible()
    second.locator(".seek").fill("2")
    assert float(second.locator(".seek").input_value()) >= 1.9
    # It stops at the end.
    expect(second.get_by_role("button", name="Play")).to_be_visible(timeout=10_000)


def test_the_csv_can_be_downloaded(open_page, tmp_path):
    page = open_page()
    with page.expect_download() as download:
        page.get_by_text("Download all scores").click()
    download.value.save_as(tmp_path / "tracks.csv")
    with (tmp_path / "tracks.csv").open(encoding="utf-8") as file:
        assert {row["track"] for row in csv.DictReader(file)} == {"one", "two"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_tables_not_the_page(open_page, scheme):
    page = open_page(390, 844, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (color == "rgb(21, 22, 23)") == (scheme == "dark")
    table = page.locator("#scores .scroll").first
    assert table.evaluate("(box) => box.scrollWidth > box.clientWidth")


def test_without_scripts_every_clip_has_a_player(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("audio").count() == 10
    expect(page.locator("audio").first).to_be_visible()
    expect(page.locator(".player").first).to_be_hidden()
