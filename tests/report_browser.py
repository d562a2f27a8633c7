"""A Chromium for the report's tests and pictures: the one named, the system's, or playwright's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "no Chromium here: apt install chromium, or .venv/bin/playwright install chromium"


@contextmanager
def chromium(driver: Playwright) -> Iterator[Browser]:
    """A started browser, closed at the end; raises FileNotFoundError with what to install where there is none."""
    own = driver.chromium.executable_path
    found = [os.environ.get("STRAINWATCH_CHROMIUM"), *map(shutil.which, NAMES), own if Path(own).exists() else None]
    path = next(filter(None, found), None)
    if path is None:
        raise FileNotFoundError(INSTALL)
    browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
    try:
        yield browser
    finally:
        browser.close()
