"""The page of gcsa locate in a real browser: it opens without network, and its map works."""

import pytest
from browsers import Window
from conftest import overrides
from located import call, street
from PIL import Image


@pytest.fixture
def located(tmp_path, monkeypatch):
    """(the features of a street, its folder, the settings that point at it)."""
    world = street(tmp_path)
    features = call(monkeypatch, tmp_path / "w.geojson", *overrides(world))
    return features, tmp_path, world


def test_the_page_in_a_browser(browser, located, monkeypatch):
    features, root, world = located
    Image.new("RGB", (32, 24), "red").save(root / "east" / "query/60.jpg")
    (root / "east" / features[1]["properties"]["name"]).unlink()
    call(monkeypatch, root / "w.geojson", *overrides(world), "--max_queries", "7", "--num", "12")
    tab = Window(browser, root / "w.html")
    page = tab.page
    assert page.locator("tbody tr").count() == 7
    assert page.get_by_text("The first 7 of 12 queries (--max_queries 7)").is_visible()
    assert page.get_by_text("images cannot be read").is_visible()
    assert page.locator("#name").inner_text() == "east: query/60.jpg"
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    assert page.get_by_text(
        "The 10 best images of a query; the files beside this page have 12"
    ).is_visible()
    assert page.locator("#photos figure").count() == 11
    seen = [picture(page)]
    page.locator("tbody button").nth(4).click()
    assert page.locator("#name").inner_text() == "east: query/64.jpg"
    assert "The device says" in page.locator("#said").inner_text()
    seen.append(picture(page))
    page.get_by_role("button", name="scene").click()
    seen.append(picture(page))
    page.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    seen.append(picture(page))
    page.locator("canvas").hover()
    page.mouse.wheel(0, -300)
    page.wait_for_function("(before) => document.querySelector('canvas').toDataURL() !== before",
                           arg=seen[-1])  # fmt: skip
    assert len(set(seen)) == 4
    page.locator("input").fill("/61")
    assert page.locator("tbody tr:visible").count() == 1
    page.locator("tbody button:visible").click()
    assert page.locator("#photos .blank").inner_text() == "query/61.jpg"
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    tab.close()


def picture(page):
    return page.evaluate("document.querySelector('canvas').toDataURL()")


def test_the_table_needs_no_script(browser, located):
    features, root, _ = located
    tab = Window(browser, root / "w.html", java_script_enabled=False)
    rows = tab.page.locator("tbody tr").all_inner_texts()
    about = features[0]["properties"]
    assert f"{about['lat']:.5f}, {about['lon']:.5f}" in rows[0] and len(rows) == 12
    assert not tab.page.locator("canvas").is_visible()
    tab.close()
