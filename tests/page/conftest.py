"""A browser for the tests of the page; where there is none, they are loudly left out.

Continuous integration installs one, so there it is an error.
"""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

BROWSERS = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"

LEFT_OUT = "no Chromium is installed: the page was NOT tested in a browser"


@pytest.fixture(scope="session", autouse=True)
def kept_sounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of these tests' own, so that each sound is encoded once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OSTINATO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(LEFT_OUT)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
