"""The diagrams of confidence, read back from their artists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.patches import Circle
from test_plots import assert_in_order, scene_and_top

from gcsa import plots
from gcsa.evaluation.truth import Truth
from gcsa.places.calibration import Calibration
from gcsa.places.located import Located
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig


def test_reliability_shows_every_answer_once():
    sure = np.array([0.15] * 4 + [0.95] * 10)
    right = np.array([True] + [False] * 3 + [True] * 9 + [False])
    figure = plots.reliability_diagram(sure, right)
    upper, lower = figure.axes
    points = upper.lines[1].get_xydata()
    assert points.tolist() == [[pytest.approx(15), 25], [pytest.approx(95), 90]]
    assert upper.lines[0].get_xydata().tolist() == [[0, 0], [100, 100]]
    heights = {round(bar.get_x()): bar.get_height() for bar in lower.patches}
    assert heights == {10 * i: {1: 4, 9: 10}.get(i, 0) for i in range(10)}
    assert [t.get_text() for t in lower.texts if t.get_text()] == ["4", "10"]
    error = (4 * 0.10 + 10 * 0.05) / 14
    assert upper.get_title(loc="left") == f"expected calibration error {error:.3f}"
    assert_in_order(figure)


def test_answered_curves_end_at_recall_of_all():
    right = np.array([True, False, True, False])
    figure = plots.answered({"a": (np.array([4, 3, 2, 1]), right), "b": (np.ones(4), right)})
    (axes,) = figure.axes
    first, second = (line.get_xydata().tolist() for line in axes.lines)
    assert first == [[25, 100], [50, 50], [75, pytest.approx(200 / 3)], [100, 50]]
    assert second == [[100, 50]]  # equal confidences: all or none
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a", "b"]
    assert_in_order(figure)


def believed(tmp_path, gps=None, accuracy=None):
    """The scene of test_plots, its query believed at d1, 40 m north, radius 12 m."""
    _, scene, truth, top = scene_and_top(tmp_path)
    mass = np.array([[0.6, 0.15, 0.0, 0.2, 0.05, 0]])
    sure, place = np.array([0.62]), np.array([[100.0, 240]])
    calibration = Calibration(spread=6, gps_accuracy=33)
    found = (mass, np.zeros(1), sure, place, np.array([12.0]), calibration)
    located = Located(top.indices, mass, *found)
    gps = None if gps is None else np.array([gps], dtype=float)
    accuracy = None if accuracy is None else np.array([accuracy], dtype=float)
    queries = replace(scene.queries, positions=gps, accuracy=accuracy)
    scene = Scene("cph", scene.database, queries)
    return plots.query_map(scene, truth, 0, top, FovConfig(radius=30), located)


def rings(axes):
    return [(p.center, p.radius) for p in axes.patches if isinstance(p, Circle)]


def test_a_map_shows_what_is_believed(tmp_path):
    figure = believed(tmp_path, gps=(88, 195), accuracy=20)
    (axes,) = figure.axes
    ((heat,), half) = axes.images, axes.get_xlim()[1]
    assert heat.get_extent() == [-half, half, -half, half] and heat.origin == "lower"
    alpha = heat.get_array()[..., 3]
    row, column = np.unravel_index(alpha.argmax(), alpha.shape)
    cell = 2 * half / len(alpha)
    assert [cell * (i + 0.5) - half for i in (column, row)] == pytest.approx([0, 40], abs=cell)
    assert alpha.max() == pytest.approx(0.7 * np.sqrt(0.6), abs=0.02)
    weak = alpha[int((4 + half) / cell), int((3 + half) / cell)]  # d0, of a quarter of the mass
    assert weak == pytest.approx(alpha.max() / 2, abs=0.03)
    assert rings(axes) == [((0, 40), 12), ((-12, -5), 20)]
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "numbers: rank; answer: 62 % sure, radius 12 m"
    names = [t.get_text() for t in legend.get_texts()]
    assert names[-3:] == ["where it may be", "answer", "device"]
    assert_in_order(figure)


def test_devices_that_state_less(tmp_path):
    assert rings(believed(tmp_path, gps=(88, 195), accuracy=np.nan).axes[0])[1] == ((-12, -5), 33)
    for gps in (None, (np.nan, np.nan)):
        assert len(rings(believed(tmp_path, gps).axes[0])) == 1
    lost = believed(tmp_path, gps=(100, 4200), accuracy=9)
    assert len(rings(lost.axes[0])) == 1
    assert lost.legends[0].get_texts()[-1].get_text() == "device (4,000 m away)"


def test_a_map_reaches_to_a_far_answer(tmp_path):
    _, scene, _, top = scene_and_top(tmp_path)
    mass = np.ones((1, 6)) / 6
    calibration, far = Calibration(), np.array([[1100.0, 200]])
    located = Located(top.indices, mass, mass, *np.zeros((2, 1)), far, np.ones(1), calibration)
    truth = Truth(np.array([[100.0, 200]]))
    (axes,) = plots.query_map(scene, truth, 0, top, FovConfig(), located).axes
    assert axes.get_xlim()[1] == pytest.approx(1120)
    nowhere = replace(located, position=np.full((1, 2), np.nan))
    figure = plots.query_map(scene, truth, 0, top, FovConfig(), nowhere)
    assert figure.legends[0].get_title().get_text().endswith("0 % sure, place unknown")
    assert not rings(figure.axes[0])
