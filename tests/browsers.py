"""Opens pages in headless Chromium; they must not fail, or ask another machine."""

import contextlib
import shutil

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (issue 15)")


@pytest.fixture(scope="module")
def browser():
    flags = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@contextlib.contextmanager
def opener(browser, address, timeout, logs=False):
    """Gives a function that opens an address at a size.

    Args:
        browser (playwright.sync_api.Browser): The fixture.
        address (str): What the page may ask for begins so.
        timeout (float): Of each action, ms.
        logs (bool): Take what the page logs for a problem, too.
    """
    problems = []

    def open_(width=1200, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(timeout)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        if logs:
            page.on("console", lambda message: problems.append(message.text))
        inside = (address, "data:", "blob:")
        page.on("request", lambda r: r.url.startswith(inside) or problems.append(r.url))
        page.goto(address)
        return page

    yield open_
    assert not problems
