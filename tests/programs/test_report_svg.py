"""Charts and maps of the report, read back from their SVG."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gcsa.config import Config
from gcsa.datasets.settings import DataConfig
from gcsa.evaluation.confidence import reliability
from gcsa.evaluation.truth import Truth
from gcsa.places.calibration import Calibration
from gcsa.places.located import Located
from gcsa.plots.pictures import Top
from gcsa.report import page
from gcsa.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    TOP,
    Line,
    histogram,
    line_chart,
    reliability_chart,
    scale,
)
from gcsa.report.maps import SIZE, bar_length, bar_name, map_svg, metres
from gcsa.report.matched import matches_svg
from gcsa.report.outcomes import SceneOutcome
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig, sectors

numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@given(numbers, numbers, st.booleans())
def test_scales_hold_the_data_between_round_ticks(a, b, whole):
    low, high = sorted((round(a), round(b)) if whole else (a, b))
    made = scale(low, high, 300, 10, whole)
    assert made.low <= low and made.high >= high
    assert made(made.low) == 300 and made(made.high) == pytest.approx(10)
    steps = np.diff(made.ticks)
    assert 1 <= len(made.ticks) <= 8 and np.allclose(steps, steps[:1])
    inside = made.high - made.low
    assert all(made.low - 1e-6 * inside <= t <= made.high + 1e-6 * inside for t in made.ticks)
    for step in steps[:1]:
        digits = step / 10 ** np.floor(np.log10(step * 1.0001))
        assert min(abs(digits - d) for d in (1, 2, 2.5, 5, 10)) < 1e-6
    assert not whole or all(t == round(t) for t in made.ticks)


def test_lines_go_through_their_points():
    chart = line_chart("loss & <more>", [Line("a", [(1, 10), (2, 30)], 20.0)], "epoch", "%")
    svg = ET.fromstring(re.search("<svg.*</svg>", chart)[0])
    dots = [(float(c.get("cx")), float(c.get("cy"))) for c in svg.iter("circle")]
    points = svg.find("polyline").get("points")
    assert points == " ".join(f"{x},{y}" for x, y in dots)
    assert dots[0][0] < dots[1][0] and dots[0][1] == HEIGHT - BOTTOM and dots[1][1] == TOP
    level = next(line for line in svg.iter("line") if line.get("class") == "level")
    assert float(level.get("y1")) == pytest.approx((dots[0][1] + dots[1][1]) / 2)
    assert [t.text for t in svg.iter("title")] == [
        "no re-ranking: 20 %", "a, epoch 1: 10 %", "a, epoch 2: 30 %",
    ]  # fmt: skip
    ticks = [t.text for t in svg.iter("text") if t.get("class") == "tick end"]
    assert ticks == ["10", "15", "20", "25", "30"]
    assert svg.get("aria-label") == "loss & <more>" and "no re-ranking</li>" in chart
    assert line_chart("empty", [Line("a", [])], "epoch") == ""


@given(st.lists(st.sampled_from([0, 0.1, -0.1, 0.05, 1, -1, -0.95, 0.30000000000000004, -0.7])))
def test_histogram_counts_every_query_once(values):
    chart = histogram("change", np.array(values), "points")
    svg = ET.fromstring(re.search("<svg.*</svg>", chart)[0])
    found = {}
    for bar in svg.iter("rect"):
        words = bar.find("title").text.split()
        kind, most = words[1], int(words[5]) if len(words) > 2 else 0
        found[kind, most] = int(words[0])
        place = float(bar.get("x"))
        middle = (LEFT + 406) / 2
        assert (place > middle) == (kind == "gained")
    expected = {}
    for value in values:
        tenths = round(100 * abs(value))  # the samples are whole hundredths
        key = ("unchanged", 0) if value == 0 else (
            "gained" if value > 0 else "lost", 10 * -(-tenths // 10)
        )  # fmt: skip
        expected[key] = expected.get(key, 0) + 1
    assert found == expected


def outcome() -> SceneOutcome:
    """One query at (1000, 2000); camera 2 looks nowhere, 3 is 5 km away, 5 is unknown."""
    offsets = np.array([[10, 0], [0, 20], [-30, -30], [3000, 4000], [5, 5], [np.nan] * 2])
    headings = np.array([0, 1, np.nan, 2, 3, 4])
    database = ImageSet(
        np.array([f"d{i}" for i in range(6)]), positions=offsets + [1000, 2000], headings=headings
    )
    scene = Scene("s", database, ImageSet(np.array(["q"])))
    truth = Truth(np.array([[1000.0, 2000]]), np.array([0.5]))

    def top(rows, relevant):
        indices = np.array([rows])
        return Top(indices, np.ones(indices.shape), np.array([relevant]), np.ones(indices.shape))

    first = top([3, 0, 4, -1], [False, True, True, False])
    new = top([1, 0, 2, 5], [True, True, False, False])
    return SceneOutcome(scene, truth, first, new, np.ones(1), np.zeros(1), np.zeros(1))


def test_map_has_each_camera_at_its_place():
    svg = ET.fromstring(map_svg(outcome(), 0, 4, FovConfig(radius=40, angle=60)))
    cameras = {int(g.get("data-i")): g for g in svg.iter("g")}
    assert set(cameras) == {0, 1, 2, 3, 4}  # not the unknown one
    assert len(list(svg.iter("g"))) == 5  # camera 0, in both lists, once
    half = 1.3 * 40
    for row, offset in ((0, (10, 0)), (1, (0, 20)), (2, (-30, -30)), (4, (5, 5))):
        x, y = map(float, re.findall(r"[\d.]+", cameras[row].get("transform")))
        assert x == pytest.approx(SIZE / 2 * (1 + offset[0] / half), abs=0.06)
        assert y == pytest.approx(SIZE / 2 * (1 - offset[1] / half), abs=0.06)  # north is up
    ranks = {row: [t.text for t in g.iter("text")] for row, g in cameras.items()}
    assert ranks == {1: ["1"], 0: ["2"], 2: ["3"], 3: [], 4: []}
    kinds = {row: g.get("class").split()[1:] for row, g in cameras.items()}
    assert kinds == {
        1: ["good"], 0: ["good"], 2: ["bad"], 3: ["bad", "ring"], 4: ["good", "ring"],
    }  # fmt: skip
    assert cameras[3].find("path") is not None and cameras[3].find("circle") is None
    assert cameras[3].find("title").text == "first round only, not relevant, 5.0 km"
    assert cameras[0].find("title").text == "rank 2, relevant, 10 m"
    assert cameras[2].find("rect") is not None and cameras[0].find("circle") is not None


def test_map_draws_fields_of_known_headings():
    svg = ET.fromstring(map_svg(outcome(), 0, 4, FovConfig(radius=40, angle=60)))
    fields = [(p.get("class"), p.get("points").split()) for p in svg.iter("polygon")]
    assert sorted(kind for kind, _ in fields) == ["fov good", "fov good", "fov own"]
    expected = sectors(np.zeros((1, 2)), [0.5], 40, np.deg2rad(60), 16)[0]
    drawn = next([p.split(",") for p in points] for kind, points in fields if kind == "fov own")
    pixels = (np.array([1, -1]) * expected / (1.3 * 40) + 1) * SIZE / 2
    np.testing.assert_allclose(np.array(drawn, dtype=float), pixels, atol=0.051)


def test_no_map_without_positions():
    full = outcome()
    lost = ImageSet(full.scene.database.names, positions=np.full((6, 2), np.nan))
    scene = Scene("s", lost, full.scene.queries)
    arguments = (full.truth, full.first, full.reranked, np.ones(1), np.zeros(1), np.zeros(1))
    assert map_svg(SceneOutcome(scene, *arguments), 0, 4, FovConfig()) == ""


@given(st.floats(0.5, 1e5))
def test_scale_bar_is_round_and_nearly_as_long_as_it_may(most):
    length = bar_length(most)
    assert most / 2.5 <= length <= most * (1 + 1e-9)
    assert f"{length:.0e}"[0] in "125"


def test_distances_in_words():
    said = [metres(x) for x in (0, 3.44, 9.94, 9.96, 56.4, 999.4, 1234, np.nan)]
    assert said == ["0.0 m", "3.4 m", "9.9 m", "10 m", "56 m", "999 m", "1.2 km", "–"]
    assert [bar_name(x) for x in (0.5, 20, 1000)] == ["0.5 m", "20 m", "1 km"]


def test_curves_leave_out_what_is_not_finite():
    rows = [
        {"epoch": epoch, "loss": loss, "recall@1": share, "mAP@10": 0.5}
        for epoch, (loss, share) in enumerate([(None, 0.2), (np.inf, np.nan), (0.25, 0.4)])
    ]
    run = SimpleNamespace(name="a", rows=rows, config=Config())
    drawn = page._curves([run])
    assert "nan" not in drawn and "inf" not in drawn and "epoch 2: 0.25" in drawn
    empty = [{**row, "loss": np.nan} for row in rows]
    assert page._curves([SimpleNamespace(**{**vars(run), "rows": empty})])


def located(device=None):
    """The outcome above, its query believed at camera 1 (north of it) and a little at camera 2."""
    plain = outcome()
    mass, sure = np.array([[0.7, 0.0, 0.2, 0.1]]), np.array([0.7])
    place, calibration = np.array([[1000.0, 2020]]), Calibration(spread=4, gps_accuracy=30)
    rest = (np.zeros(1), sure, place, np.array([13.0]), calibration)
    lists = Located(plain.reranked.indices, mass, mass, *rest)
    queries = replace(plain.scene.queries, positions=device)
    return replace(plain, scene=Scene("s", plain.scene.database, queries), located=lists)


def test_map_of_a_located_query():
    found = located(np.array([[1015.0, 2000]]))
    svg = ET.fromstring(map_svg(found, 0, 4, FovConfig(radius=40, angle=60)))
    scale = SIZE / 2 / 52  # pixels a metre
    spots = [c for c in svg.iter("circle") if c.get("class") == "heat"]
    places = [[float(c.get(key)) for key in ("cx", "cy")] for c in spots]
    np.testing.assert_allclose(
        places, [[130, 130 - 20 * scale], [130 - 30 * scale, 130 + 30 * scale]], atol=0.06
    )
    assert [float(c.get("opacity")) for c in spots] == pytest.approx(
        [0.7 * np.sqrt(0.7), 0.7 * np.sqrt(0.2)], abs=0.006
    )
    assert [float(c.get("r")) for c in spots] == pytest.approx([10 * scale] * 2, abs=0.06)
    marks = {g.get("class"): g for g in svg.iter("g") if g.get("class") in ("answer", "device")}
    radii = {kind: float(g.find("circle").get("r")) for kind, g in marks.items()}
    assert radii == pytest.approx({"answer": 13 * scale, "device": 30 * scale}, abs=0.06)
    assert marks["answer"].get("transform") == f"translate(130.0 {130 - 20 * scale:.1f})"
    assert marks["device"].get("transform") == f"translate({130 + 15 * scale:.1f} 130.0)"
    assert marks["answer"].find("title").text == "answer, 70 % sure, radius 13 m"
    assert 'class="device"' not in map_svg(located(), 0, 4, FovConfig())
    assert "heat" not in map_svg(outcome(), 0, 4, FovConfig())


def test_reliability_chart_has_every_bin_at_its_height():
    sure = np.array([0.25] * 3 + [0.75] * 6)
    right = np.array([True, False, False] + [True] * 3 + [False] * 3)
    chart = reliability_chart("a <b>", reliability(sure, right))
    svg = ET.fromstring(re.search("<svg.*</svg>", chart)[0])
    low, high = LEFT + 6, 420 - 14 - 6
    dots = [[float(c.get("cx")), float(c.get("cy"))] for c in svg.iter("circle")]
    expected = [
        [low + share * (high - low), HEIGHT - BOTTOM + hit * (TOP - HEIGHT + BOTTOM)]
        for share, hit in ((0.25, 1 / 3), (0.75, 1 / 2))
    ]
    np.testing.assert_allclose(dots, expected, atol=0.06)
    said = [t.text for t in svg.iter("title")]
    assert "3 answers, 25 % sure, 33 % right" in said and "6 answers" in said
    heights = [float(b.get("height")) for b in svg.iter("rect")]
    assert heights[1] == pytest.approx((HEIGHT - BOTTOM - TOP) / 4, abs=0.06)
    assert heights == [pytest.approx(heights[1] / 2, abs=0.06), heights[1]]


class Local:
    """Two matches, the first of them an inlier."""

    about = "homography, 2 pixels"

    def matched(self, a, b):
        assert (a, b) == ("q.png", "d.png")
        points = np.array([[10.0, 20], [30, 40]]), np.array([[2.0, 4], [6, 8]])
        return *points, np.array([True, False])


def test_matches_with_the_first_image_are_drawn(tmp_path):
    """Photos of 100 x 90 and 40 x 45 pixels, both drawn 180 high, beside each other."""
    sets = [ImageSet(np.array([name])) for name in ("d.png", "q.png")]
    scene = Scene("s", *sets, local=Local())
    outcome = SimpleNamespace(scene=scene, reranked=SimpleNamespace(indices=np.array([[0]])))
    data = DataConfig(dataset="folder", root=str(tmp_path))
    assert matches_svg(data, outcome, 0) == ""  # no photos
    (tmp_path / "s").mkdir()
    Image.new("RGB", (100, 90)).save(tmp_path / "s/q.png")
    Image.new("RGB", (40, 45)).save(tmp_path / "s/d.png")
    drawn = matches_svg(data, outcome, 0)
    assert 'viewBox="0 0 360 180"' in drawn
    assert 'd="M20.0 40.0L208.0 16.0" stroke="#009e73"' in drawn
    assert 'd="M60.0 80.0L224.0 32.0" stroke="#d55e00"' in drawn
    assert "the first image: 1 of 2 matches agree with one geometry (homography, 2 p" in drawn
    outcome.scene = replace(scene, local=None)
    assert matches_svg(data, outcome, 0) == ""
