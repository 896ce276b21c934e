"""The report in a real browser: it opens without network, and its filters work."""

import pytest
from browsers import Window
from picture_worlds import trained_world

from gcsa.files import write_text
from gcsa.report.outcomes import changes, study
from gcsa.report.page import Subject, page
from gcsa.report.runs import open_run


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """(path of a report of two cities, its queries by change)."""
    root = tmp_path_factory.mktemp("browser")
    trained_world(root)
    run = open_run(str(root / "outputs" / "training" / "run"))
    outcome = study(run.config, str(run.checkpoint), "val")
    text = page(Subject(run, [run], run.checkpoint, "val", outcome), max_queries=30)
    write_text(root / "report.html", text)
    return root / "report.html", [
        (c, outcome.scenes[c.scene]) for c in changes(outcome.scenes)[:30]
    ]


class Tab(Window):
    """The report in a window."""

    def rows(self):
        """The names of the queries that are shown, from top to bottom."""
        return self.page.locator("#rows .query:not([hidden]) h3 code").all_text_contents()

    def choose(self, name, value):
        self.page.locator(f"#filters select[name={name}]").select_option(value)


@pytest.fixture
def tab(browser, report):
    opened = Tab(browser, report[0])
    yield opened
    opened.close()


def key(entry):
    change, scene = entry
    return scene.scene.queries.names[change.query].rsplit("/", 1)[-1].removesuffix(".jpg")


def test_every_image_loads(tab):
    assert tab.page.locator("img").count() > 200
    for row in tab.page.locator(".query").all():
        row.scroll_into_view_if_needed()
    tab.page.locator("img[data-t]").first.wait_for(state="detached")
    tab.page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    widths = tab.page.evaluate("[...document.images].map((image) => image.naturalWidth)")
    assert len(widths) > 200 and min(widths) > 0


def test_images_that_are_far_down_wait(tab):
    tab.page.locator(".query").first.scroll_into_view_if_needed()
    tab.page.wait_for_selector(".query img:not([data-t])")
    assert tab.page.locator("#rows .query:last-child img[data-t]").count() > 0


def test_filters_show_just_what_matches(tab, report):
    entries = report[1]
    assert tab.rows() == [key(e) for e in entries]
    assert tab.page.locator("#count").inner_text() == "30 of 30 queries"
    right = {"first": lambda c, s: s.first, "reranked": lambda c, s: s.reranked}
    cases = [("scene", city, lambda c, s, v: s.scene.name == v) for city in ("cph", "sf")]
    cases += [("change", kind, lambda c, s, v: c.kind == v) for kind in ("gained", "lost")]
    for name, top in right.items():
        for value in ("right", "wrong"):
            cases.append(
                (name, value, lambda c, s, v, t=top: t(c, s).relevant[c.query, 0] == (v == "right"))
            )
    for name, value, matches in cases:
        tab.choose(name, value)
        expected = [key(e) for e in entries if matches(*e, value)]
        assert tab.rows() == expected, (name, value)
        assert tab.page.locator("#count").inner_text() == f"{len(expected)} of 30 queries"
        tab.choose(name, "")
    change, scene = entries[0]
    tab.choose("scene", scene.scene.name)
    tab.choose("change", change.kind)
    both = [key((c, s)) for c, s in entries if s is scene and c.kind == change.kind]
    assert tab.rows() == both and 0 < len(both) < 30
    # By keyboard: rows whose pictures arrive late would move a button away under the mouse.
    tab.page.locator("#filters button[type=reset]").press("Enter")
    assert tab.page.locator("#count").inner_text() == "30 of 30 queries"
    assert len(tab.rows()) == 30


def test_search_finds_queries_and_candidates_by_name(tab, report):
    change, scene = report[1][3]
    field = tab.page.locator("#filters input[name=text]")
    field.fill(key(report[1][3])[:12].upper())
    assert tab.rows() == [key(report[1][3])]
    candidate = scene.scene.database.names[scene.reranked.indices[change.query, 9]]
    field.fill(candidate)
    expected = [
        key((c, s))
        for c, s in report[1]
        if any(candidate in s.scene.database.names[t.indices[c.query, :10]]
               for t in (s.first, s.reranked))
    ]  # fmt: skip
    assert tab.rows() == expected and key(report[1][3]) in expected
    field.fill("no such name")
    assert tab.rows() == [] and tab.page.get_by_text("No query matches.").is_visible()


def test_order_by_gain_loss_and_name(tab, report):
    gains = {key(e): e[0].gain for e in report[1]}
    falling = sorted(gains.values(), reverse=True)
    orders = {
        "gain": (lambda value: value, falling),
        "loss": (lambda value: value, falling[::-1]),
        "change": (abs, sorted(map(abs, falling), reverse=True)),
    }
    for order, (size, expected) in orders.items():
        tab.choose("order", order)
        assert [size(gains[k]) for k in tab.rows()] == pytest.approx(expected), order
    tab.choose("order", "name")
    named = sorted((s.scene.name, key((c, s)).lower(), key((c, s))) for c, s in report[1])
    assert tab.rows() == [name for *_, name in named]


def test_filters_work_by_keyboard_alone(tab):
    keyboard = tab.page.keyboard
    keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.textContent") == "Skip to the queries"
    keyboard.press("Enter")
    for _ in range(10):
        keyboard.press("Tab")
        if tab.page.evaluate("document.activeElement.name") == "change":
            break
    keyboard.type("lost")
    shown = tab.page.locator("#rows .query:not([hidden])")
    assert shown.count() == tab.page.locator("#rows .query[data-change=lost]").count() < 30


def test_pointing_at_an_image_marks_its_camera(tab):
    row = tab.page.locator("#rows .query").first
    tile = row.locator(".strip").nth(1).locator(".tile").first
    tile.hover()
    camera = row.locator(f".cam[data-i='{tile.get_attribute('data-i')}']")
    assert "lit" in camera.get_attribute("class").split()
    tab.page.mouse.move(1, 1)
    assert "lit" not in camera.get_attribute("class").split()


@pytest.mark.parametrize("width", [360, 400, 900, 1600])
def test_no_page_is_wider_than_its_window(browser, report, width):
    opened = Tab(browser, report[0], width=width)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    opened.context.close()


def contrast(one, two):
    """Contrast ratio of two "rgb(r, g, b)" by WCAG 2."""

    def luminance(text):
        values = [int(v) / 255 for v in text[4:-1].split(",")]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(browser, report, scheme):
    opened = Tab(browser, report[0], scheme=scheme)
    colour = """(name) => { const e = document.querySelector(name);
        return [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]; }"""
    page_ink, page_ground = opened.page.evaluate(colour, "body")
    _, card_ground = opened.page.evaluate(colour, ".query")
    assert (contrast(page_ground, "rgb(0, 0, 0)") < 2) == (scheme == "dark")
    assert contrast(page_ink, page_ground) > 7
    for name in (".note", ".up", ".down", ".tile.good b", ".tile.bad b", ".query .lists p"):
        ink, _ = opened.page.evaluate(colour, name)
        assert contrast(ink, card_ground) >= 4.5, name
    opened.context.close()
