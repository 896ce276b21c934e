"""Figures: what is drawn, read back from their artists, against the data."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from PIL import Image

from gcsa import plots
from gcsa.datasets.images import image_path
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth
from gcsa.plots.maps import half_width, to_edge
from gcsa.plots.pictures import Top
from gcsa.plots.spacing import apart
from gcsa.plots.strips import BOX, Tile, tile_image
from gcsa.plots.style import OTHER, QUERY, RELEVANT
from gcsa.plots.tradeoff import unbeaten
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig


def assert_in_order(figure):
    """No legend on the data, nothing cut off by the figure's edge."""
    figure.draw_without_rendering()
    axes = [a.get_window_extent() for a in figure.axes]
    legends = [legend.get_window_extent() for legend in figure.legends]
    assert not any(a.overlaps(legend) for a in axes for legend in legends)
    drawn, (wide, high) = figure.get_tightbbox(), figure.get_size_inches()
    edge = 0.03  # inches: half a line's width
    assert -edge <= drawn.x0 and drawn.x1 <= wide + edge
    assert -edge <= drawn.y0 and drawn.y1 <= high + edge


def scene_and_top(tmp_path) -> tuple[DataConfig, Scene, Truth, Top]:
    """One query at (100, 200), five database images; image d2 has no file."""
    places = np.array([[103.0, 204], [100, 240], [90, 190], [3100, 4200], [np.nan, np.nan]])
    names = np.array([f"database/images/d{i}.jpg" for i in range(5)])
    headings = np.array([0.0, np.pi / 2, np.nan, 1, 2])
    database = ImageSet(names, positions=places, headings=headings)
    scene = Scene("cph", database, ImageSet(np.array(["query/images/q.jpg"])))
    data = DataConfig(root=str(tmp_path))
    for name in (*names[[0, 1, 3, 4]], "query/images/q.jpg"):
        path = image_path(data, "cph", str(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 60), "navy").save(path)
    truth = Truth(np.array([[100.0, 200]]), np.array([0.3]))
    indices = np.array([[1, 0, 2, 3, 4, -1]])
    relevant = np.array([[False, True, True, False, False, False]])
    distances = np.array([[40, 5, np.hypot(10, 10), 5000, np.nan, np.nan]])
    return data, scene, truth, Top(indices, np.full((1, 6), 0.5), relevant, distances)


def test_strip_says_what_is_relevant_and_how_far(tmp_path):
    data, scene, _, top = scene_and_top(tmp_path)
    unjudged = Top(top.indices[:, :2], top.scores[:, :2], None, np.full((1, 2), np.nan))
    figure = plots.ranking_strip(data, scene, 0, {"first round": top, "re-ranked": unjudged})
    query, *tiles = figure.axes
    assert query.get_xlabel() == "query" and len(tiles) == 5 + 2
    labels = [axes.get_xlabel() for axes in tiles]
    assert labels == ["✗ 40 m", "✓ 5 m", "✓ 14 m", "✗ 5,000 m", "✗ 0.500", "0.500", "0.500"]
    edges = [to_hex(axes.spines["left"].get_edgecolor()) for axes in tiles]
    assert edges[:5] == [OTHER, RELEVANT, RELEVANT, OTHER, OTHER]
    assert not {RELEVANT, OTHER} & set(edges[5:])
    dashed = [axes.spines["left"].get_linestyle() not in ("-", "solid") for axes in tiles]
    assert dashed == [True, False, False, True, True, False, False]
    titles = [axes.get_title(loc="left") for axes in tiles]
    assert [t for t in titles if t] == ["first round", "re-ranked"]
    assert [t.get_text() for t in tiles[2].texts] == ["d2.jpg"]  # the missing file
    assert np.ptp(np.asarray(tiles[2].images[0].get_array())[..., :3]) == 0
    assert_in_order(figure)
    with pytest.raises(InputError, match="no query 3"):
        plots.ranking_strip(data, scene, 3, {})


def test_tiles_of_all_shapes_have_one_size():
    for size in ((300, 20), (20, 300), (240, 180), (1, 1)):
        picture = tile_image(Tile(None, image=Image.new("L", size, 0)))
        assert picture.size == BOX
        dark = (np.asarray(picture)[:, :, 0] == 0).mean()
        scale = min(BOX[0] / size[0], BOX[1] / size[1])
        assert dark == pytest.approx(size[0] * size[1] * scale**2 / (BOX[0] * BOX[1]), rel=0.08)
    assert tile_image(Tile("no/such/file.jpg")) is None
    assert len(plots.strip(Tile(None), {}).axes) == 1  # the query alone


def test_map_draws_cameras_where_they_are(tmp_path):
    _, scene, truth, top = scene_and_top(tmp_path)
    figure = plots.query_map(scene, truth, 0, top, FovConfig(radius=30, angle=60))
    (axes,) = figure.axes
    assert axes.get_aspect() == 1 and axes.get_ylim()[0] < 0 < axes.get_ylim()[1]  # north up
    dots = {t.get_text(): np.array(t.get_position()) for t in axes.texts if t.get_text().isdigit()}
    assert {r: dots[r].tolist() for r in "123"} == {"1": [0, 40], "2": [3, 4], "3": [-10, -10]}
    half = axes.get_xlim()[1]
    assert np.abs(dots["4"]).max() == pytest.approx(0.93 * half)  # 5 km away: at the edge
    assert dots["4"][1] / dots["4"][0] == pytest.approx(4000 / 3000)
    assert "5.0 km" in [t.get_text() for t in axes.texts] and "5" not in dots
    fields = {tuple(p.get_xy()[0].round(6)) for p in axes.patches}
    assert fields == {(3, 4), (0, 40), (3000, 4000), (0, 0)}  # the query's too; d2 has no heading
    tip = next(p.get_xy() for p in axes.patches if tuple(p.get_xy()[0]) == (3, 4))
    half_angle = np.pi / 6  # from heading 0: the arc starts 30 degrees to the left
    assert tip[1] == pytest.approx([3 - 30 * np.sin(half_angle), 4 + 30 * np.cos(half_angle)])
    colours = [to_hex(p.get_edgecolor()) for p in axes.patches]
    assert RELEVANT in colours and OTHER in colours
    assert_in_order(figure)


def test_map_without_the_query_is_around_the_candidates(tmp_path):
    _, scene, _, top = scene_and_top(tmp_path)
    (axes,) = plots.query_map(scene, None, 0, top, FovConfig()).axes
    middle = np.median([[103, 204], [100, 240], [90, 190], [3100, 4200]], axis=0)
    first = next(t.get_position() for t in axes.texts if t.get_text() == "1")
    assert first == pytest.approx((np.array([100, 240]) - middle).tolist())
    unknown = Scene("s", ImageSet(scene.database.names), scene.queries)
    with pytest.raises(InputError, match="no positions"):
        plots.query_map(unknown, None, 0, top, FovConfig())
    lost = Top(np.array([[4]]), np.ones((1, 1)), None, np.full((1, 1), np.nan))
    with pytest.raises(InputError, match="no position is known"):
        plots.query_map(scene, None, 0, lost, FovConfig())


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 2), min_size=1, max_size=8), st.floats(1, 80))
def test_what_is_far_goes_to_the_edge_in_its_direction(places, radius):
    offsets = np.array(places)
    half = half_width(offsets, radius)
    assert half >= 1.3 * radius
    drawn, beyond = to_edge(offsets, half)
    for offset, place, far in zip(offsets, drawn, beyond, strict=True):
        assert far == (max(abs(offset)) > half)
        assert max(abs(place)) <= half
        if not far:
            assert place.tolist() == offset.tolist()
        else:
            assert place @ offset == pytest.approx(np.hypot(*place) * np.hypot(*offset))
            assert max(abs(offset)) > 2.2 * radius  # nothing nearer is moved


def test_marks_of_a_map_do_not_cover_each_other():
    """Ten cameras within a metre of the query, and ten far away in one direction."""
    random = np.random.default_rng(3)
    near, far = random.normal(scale=0.3, size=(10, 2)), [400, 300] + random.normal(size=(10, 2))
    near[:2] = 0  # at the query's own place, two of them
    places = np.concatenate([near, far]) + [1000, 2000]
    names = np.array([f"d{i}" for i in range(20)])
    scene = Scene("s", ImageSet(names, positions=places), ImageSet(np.array(["q"])))
    truth = Truth(np.array([[1000.0, 2000]]), np.array([0.5]))
    shape = (1, 20)
    top = Top(np.arange(20)[None], np.ones(shape), np.ones(shape, bool), np.ones(shape))
    (axes,) = plots.query_map(scene, truth, 0, top, FovConfig()).axes
    figure, points = axes.figure, 72 / axes.figure.dpi
    figure.draw_without_rendering()
    ranks = [t for t in axes.texts if t.get_text().isdigit()]
    assert {t.get_text() for t in ranks} == {str(i + 1) for i in range(20)}
    marks = axes.transData.transform([t.get_position() for t in ranks] + [(0, 0)]) * points
    apart = np.hypot(*(marks[:, None] - marks).T) + 99 * np.eye(21)
    assert apart.min() > 11  # points, of marks 13 wide: beside each other, but for their rims
    distances = [t for t in axes.texts if t.get_text().endswith(" m")]
    boxes = [t.get_window_extent() for t in distances]
    assert len(boxes) == 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    half = axes.get_xlim()[1]
    edge = [max(map(abs, t.get_position())) for t in ranks if int(t.get_text()) > 10]
    assert edge == pytest.approx([0.93 * half] * 10)
    ends = [line.get_xydata()[0] for line in axes.lines if len(line.get_xydata()) == 2]
    assert {tuple(e.round(6)) for e in ends} == {tuple(p.round(6)) for p in near}


@given(
    st.lists(st.tuples(*[st.floats(-9, 9)] * 2), min_size=1, max_size=12),
    st.integers(0, 11),
)
def test_marks_move_only_where_they_overlap(places, fixed):
    before, count = np.array(places), len(places)
    free, still = np.arange(count) != fixed, np.zeros(count, dtype=bool)
    after = apart(before, np.full(count, 0.5), free, still, 10.0)
    distance = np.hypot(*(before[:, None] - before).T) + 99 * np.eye(count)
    if distance.min() >= 1:
        np.testing.assert_array_equal(after, before)
    if fixed < count:
        np.testing.assert_array_equal(after[fixed], before[fixed])
    distance = np.hypot(*(after[:, None] - after).T) + 99 * np.eye(count)
    assert distance.min() > 0.95 and np.abs(after).max() <= 10


def test_small_ranges_of_time_have_plain_numbers():
    figure = plots.quality_against_time({"a": (2.0, 50), "b": (30.0, 60)})
    (axes,) = figure.axes
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    for minor in (False, True):
        ticks = axes.xaxis.get_ticklabels(minor=minor)
        shown = [t.get_text() for t in ticks if low <= t.get_position()[0] <= high]
        assert [t for t in shown if t] == ([] if minor else ["2", "5", "10", "20"])


def test_points_differ_by_what_beats_them_alone():
    """No colour or shape comes again to make two methods look related."""
    points = {f"m{i}": (1.0 + i, 50.0 + (5 - i if i else 0)) for i in range(12)}
    figure = plots.quality_against_time(points)
    lines = figure.axes[0].lines
    assert [len(line.get_xydata()) for line in lines] == [2, 10]
    assert len({line.get_marker() for line in lines}) == 1
    (full, hollow) = (to_hex(line.get_markerfacecolor()) for line in lines)
    assert full == QUERY and hollow == "#ffffff"
    said = [t.get_text() for t in figure.legends[0].get_texts()]
    assert said == ["nothing else is both faster and better", "something else is"]
    assert_in_order(figure)


def test_quality_against_time_joins_what_nothing_beats():
    points = {"a": (1.0, 30.0), "b": (2, 50), "c": (3, 40), "d": (200, 60), "e": (210, 60)}
    figure = plots.quality_against_time(points)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.lines[0].get_xydata().tolist() == [[1, 30], [2, 50], [200, 60]]
    assert [t.get_text() for t in axes.texts] == list(points)
    assert plots.quality_against_time({"a": (1, 3), "b": (2, 4)}).axes[0].get_xscale() == "linear"
    for bad in ({}, {"a": (0, 1)}, {"a": (1, np.nan)}):
        with pytest.raises(InputError, match="finite points"):
            plots.quality_against_time(bad)


def test_labels_of_crowded_points_do_not_cover_each_other():
    random = np.random.default_rng(0)
    names = [f"method number {i}" for i in range(9)]
    points = {n: (10 ** random.uniform(0, 0.4), random.uniform(50, 53)) for n in names}
    figure = plots.quality_against_time(points)
    boxes = [t.get_window_extent() for t in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert_in_order(figure)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_unbeaten_by_definition(points):
    values = np.array(points, dtype=float)
    rows = unbeaten(values).tolist()
    best = {p for p in points if not any(q[0] <= p[0] and q[1] >= p[1] and q != p for q in points)}
    assert {points[r] for r in rows} == best and len(rows) == len(best)
    assert [points[r][0] for r in rows] == sorted(points[r][0] for r in rows)


def test_saved_whole_in_the_format_of_the_name(tmp_path):
    figure = plots.metrics_against_k({"a": {"recall@1": 0.5, "mAP@1": 0.25}})
    plots.save(figure, tmp_path / "new" / "k.png", dpi=50)
    with Image.open(tmp_path / "new" / "k.png") as image:
        assert image.size == (450, 195)
    plots.save(figure, tmp_path / "k.svg")
    assert b"<svg" in (tmp_path / "k.svg").read_bytes()
    with pytest.raises(InputError, match="'nope' is no picture format"):
        plots.save(figure, tmp_path / "k.nope")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k.svg", "new"]


def test_no_global_state():
    code = (
        "import sys, gcsa.plots as p; assert 'matplotlib' not in sys.modules\n"
        "from gcsa.plots.style import STYLE\n"
        "from matplotlib import rcParams; before = [rcParams[key] for key in STYLE]\n"
        "p.metrics_against_k({'a': {'recall@1': 0.5, 'mAP@1': 0.2}})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert [rcParams[key] for key in STYLE] == before != list(STYLE.values())\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_names_may_hold_dollar_signs(tmp_path):
    """Matplotlib takes what stands between two of them for a formula, and fails at a wrong one."""
    points = {"$a_{$": (1.0, 0.5), "b": (2.0, 0.6)}
    plots.save(plots.quality_against_time(points, "mAP"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
