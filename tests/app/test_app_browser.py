"""Drives the app in headless Chromium: upload, separate, solo, A/B, download; nothing leaves it."""

import functools
import zipfile

import numpy as np
import pytest
import soundfile as sf
from browsers import browser, needs_chromium, opener  # noqa: F401 - a fixture
from conftest import tiny_prior
from playwright.sync_api import expect

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.audio.io import load_audio

pytest.importorskip("gradio", reason="needs the extra [app] (issue 15)")

from asteroid_instglow.app import Studio  # noqa: E402
from asteroid_instglow.app.page import serve  # noqa: E402
from asteroid_instglow.cli.songs import load_on_device  # noqa: E402

RATE = 8000
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A separator of two priors, a third prior, a song and a file that is none."""
    folder = tmp_path_factory.mktemp("app")
    priors = {name: tiny_prior(name, i) for i, name in enumerate(("bass", "drums"))}
    GenerativeSeparator(priors, n_iter=2, wiener=True).save_pretrained(folder / "band")
    tiny_prior("strings", 5).save_pretrained(folder / "strings")
    noise = 0.1 * np.random.default_rng(0).standard_normal((3 * RATE, 2))
    sf.write(folder / "my song.wav", noise, RATE)
    (folder / "broken.wav").write_text("no audio")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    load = functools.partial(load_on_device, device="cpu")
    page = serve(Studio(folder / "songs", load, [[str(folder / "band")]]))
    yield page.local_url
    page.close(verbose=False)


@pytest.fixture
def open_page(browser, address):  # noqa: F811
    """Opens the app at a size."""
    expect.set_options(timeout=60_000)
    with opener(browser, address, 60_000) as open_:
        yield open_


def separate(page, song):
    page.set_input_files("input[type=file]", str(song))
    expect(page.locator(".file-preview")).to_be_visible()
    page.get_by_role("button", name="Separate", exact=True).click()


def levels(page):
    strips = page.locator("#mixer li")
    return strips.evaluate_all(
        "(all) => Object.fromEntries(all.map((li) => [li.dataset.stem, Number(li.dataset.level)]))"
    )


def downloaded(page, button, path):
    with page.expect_download() as download:
        button.click()
    download.value.save_as(path)
    return download.value.suggested_filename


def test_upload_separate_mix_and_download(open_page, folder, tmp_path):
    page = open_page()
    separate(page, folder / "my song.wav")
    stems = ["mixture", "bass", "drums"]
    expect(page.locator("#mixer li")).to_have_count(3)
    assert list(levels(page)) == stems
    for image in page.locator("#mixer img").all():
        assert image.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 50

    page.get_by_role("button", name="Play").click()
    expect(page.locator(".clock")).to_have_text("0:01 / 0:03")
    page.get_by_role("button", name="Solo bass").click()
    assert levels(page) == {"mixture": 0, "bass": 1, "drums": 0}
    page.get_by_label("Volume of bass").fill("0.5")
    assert levels(page)["bass"] == 0.5
    # A: the stem alone at full level; B: the mixture.
    compare = page.get_by_role("button", name="Compare with the mixture: drums")
    compare.click()
    assert levels(page) == {"mixture": 0, "bass": 0, "drums": 1}
    compare.click()
    assert levels(page) == {"mixture": 1, "bass": 0, "drums": 0}
    expect(page.get_by_text("You hear the original mixture.")).to_be_visible()
    # It plays on to the end, all in time.
    expect(page.get_by_role("button", name="Play")).to_be_visible()

    # The mix that is downloaded is that of the faders: bass alone, at half its level.
    name = downloaded(page, page.get_by_text("Download this mix"), tmp_path / "mix.wav")
    assert name == "my song mix.wav"
    archive = page.get_by_role("link", name="Download all stems")
    assert downloaded(page, archive, tmp_path / "stems.zip") == "my song stems.zip"
    with zipfile.ZipFile(tmp_path / "stems.zip") as file:
        assert file.namelist() == ["my song/bass.wav", "my song/drums.wav"]
        file.extractall(tmp_path)
    bass, _ = load_audio(tmp_path / "my song/bass.wav")
    mix, rate = load_audio(tmp_path / "mix.wav")
    assert rate == RATE and mix.shape == bass.shape
    assert (mix - 0.5 * bass).abs().max() < 2e-4
    name = downloaded(page, page.get_by_label("Download drums"), tmp_path / "drums.wav")
    assert name == "my song - drums.wav"
    drums = (tmp_path / "drums.wav").read_bytes()
    assert drums == (tmp_path / "my song/drums.wav").read_bytes()

    page.get_by_role("button", name="Solo bass").click()
    page.get_by_role("button", name="Mute bass").click()
    assert levels(page) == {"mixture": 0, "bass": 0, "drums": 1}


def test_a_prior_is_added(open_page, folder):
    page = open_page()
    page.get_by_role("button", name="Add a prior").click()
    spec = page.get_by_label("Folder or Hub id")
    spec.fill(str(folder / "nothing"))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("there is no folder or file")).to_be_visible()
    spec.fill(f"violin={folder / 'strings'}")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("violin")).to_be_checked()
    page.get_by_label("drums").uncheck()
    separate(page, folder / "my song.wav")
    expect(page.locator("#mixer li")).to_have_count(3)
    assert list(levels(page)) == ["mixture", "bass", "violin"]


def test_what_is_no_song_is_refused(open_page, folder):
    page = open_page()
    page.get_by_role("button", name="Separate", exact=True).click()
    expect(page.get_by_text("Choose a song first.")).to_be_visible()
    separate(page, folder / "broken.wav")
    expect(page.get_by_text("must be an audio file").first).to_be_visible()
    expect(page.locator("#mixer li")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(open_page, folder, scheme):
    page = open_page(390, 844, color_scheme=scheme)
    separate(page, folder / "my song.wav")
    expect(page.locator("#mixer li")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for button in page.locator("#mixer button, #mixer a").all():
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 36
