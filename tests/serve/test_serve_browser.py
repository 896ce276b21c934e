"""The page of gcsa serve in a real browser: nothing from elsewhere, a map, both lists."""

import json

import numpy as np
import pytest
from browsers import Window
from serving import TOKEN, ended, fields, running, street_service

from gcsa.locate.answers import locate


class Url:
    """An address in the place of a file."""

    def __init__(self, url):
        self.url = url

    def as_uri(self):
        return self.url


class Tab(Window):
    """The page in a window; all that it asks for is the server's own."""

    def close(self, complaints=()):
        self.context.close()
        assert [c for c in self.complaints if not any(known in c for known in complaints)] == []
        mine = (self.path.as_uri(), "blob:", "data:")
        assert [url for url in self.requests if not url.startswith(mine)] == []


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """(a service, a descriptor's file, its fields, what gcsa locate says of it)."""
    root = tmp_path_factory.mktemp("street")
    config, made = street_service(root)
    scene = locate(config)[0].scene
    row = int(np.flatnonzero(np.isfinite(scene.queries.positions).all(1))[0])
    (root / "asked.json").write_text(json.dumps(fields(scene, row)))
    yield made, root / "asked.json"
    ended(made)


def drawn(page):
    return page.evaluate("document.querySelector('canvas').toDataURL()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_query_is_shown(browser, street, scheme):
    made, file = street
    with running(made) as url:
        tab = Tab(browser, Url(f"{url}/"), scheme=scheme)
        page = tab.page
        page.get_by_text("Among 60 photos of east.").wait_for()
        seen = [drawn(page)]
        page.set_input_files("#file", file)
        page.locator("#after img").nth(9).wait_for()
        page.locator("#before img").nth(9).wait_for()
        assert page.locator("#said").inner_text().startswith("55.")
        assert "The device says" in page.locator("#said").inner_text()
        page.evaluate(
            "Promise.all([...document.images].filter((i) => i.src).map((i) => i.decode()))"
        )
        assert "was" in page.locator("#after").inner_text()
        assert page.locator("#after .near").count() > page.locator("#before .near").count() > 0
        seen.append(drawn(page))
        page.get_by_role("button", name="scene").click()
        seen.append(drawn(page))
        assert len(set(seen)) == 3
        page.get_by_text("What is known of the camera").click()
        page.locator("input[name=heading]").fill("721")
        page.get_by_role("button", name="Ask again").click()  # what the file says goes before
        page.locator("#said:not(.wrong)").get_by_text("Radius").wait_for()
        page.set_viewport_size({"width": 380, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == 380
        tab.close()


def test_what_is_refused_is_said(browser, street, tmp_path):
    made, _ = street
    (tmp_path / "a.json").write_text('{"descriptor": [1.0]}')
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    with running(made) as url:
        tab = Tab(browser, Url(f"{url}/"))
        tab.page.get_by_text("photos are not taken").wait_for()
        for file, said in (("a.json", "1 numbers"), ("a.jpg", "descriptors alone are taken")):
            tab.page.set_input_files("#file", tmp_path / file)
            tab.page.locator("#said.wrong").get_by_text(said).wait_for()
        tab.close(["400 (Bad Request)"])


def test_the_page_asks_for_the_token(browser, street):
    made, file = street
    with running(made, TOKEN) as url:
        tab = Tab(browser, Url(f"{url}/"))
        page = tab.page
        page.locator("#locked:visible").wait_for()
        page.locator("input[name=token]").fill(TOKEN)
        page.locator("input[name=token]").press("Tab")
        page.get_by_text("Among 60 photos").wait_for()
        page.set_input_files("#file", file)
        page.locator("#after img").nth(9).wait_for()
        tab.close(["401 (Unauthorized)"])
