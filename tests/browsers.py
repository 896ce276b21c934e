"""A page in a real browser. Needs Chromium (apt-get install chromium) and playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

# Milliseconds to wait for what will come: as long as a machine may take that has much else to do.
PATIENCE = 300_000


@contextmanager
def started() -> Iterator:
    """A browser for several windows; the test is skipped where there is none, but not in CI."""
    missing = "no Chromium on this machine: apt-get install chromium"
    if CHROMIUM is None and os.environ.get("CI"):
        pytest.fail(missing)
    if CHROMIUM is None:
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Root, as in containers, has no sandbox.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Window:
    """A file in a window; what the browser complains about, and what it asks for."""

    def __init__(self, browser, path, width=1280, scheme="light", **options):
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, **options
        )
        self.context.set_default_timeout(PATIENCE)
        self.path, self.page = path, self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def close(self):
        """Nothing was complained about, and nothing asked for but the file itself."""
        self.context.close()
        assert self.complaints == []
        outside = [url for url in self.requests if not url.startswith("data:")]
        assert outside == [self.path.as_uri()]
