"""Pictures of placed cameras: shares by hand, and what stands where."""

import numpy as np
import pytest

from gcsa import plots
from gcsa.localization.poses import pose_recall
from gcsa.plots.poses import within

pytest.importorskip("matplotlib")

TURNED = np.array([0.5, 0.5, 3, 7, np.inf])
AWAY = np.array([0.05, 0.5, 0.02, 0.2, np.inf])


def test_shares_within_are_lamars_recall():
    thresholds = [(1.0, 0.1), (5.0, 1.0), (5.0, 0.05), (10.0, 30.0)]
    shares = [within(TURNED, AWAY, d, np.array([m]))[0] for d, m in thresholds]
    assert shares == pytest.approx(pose_recall(TURNED, AWAY, thresholds))
    assert shares == pytest.approx([0.2, 0.6, 0.2, 0.8])


def test_a_panel_for_each_angle_and_a_line_for_each_method():
    figure = plots.error_curve({"a": (TURNED, AWAY), "b": (TURNED, 2 * AWAY)}, (1, 5))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "turned by less than 1\N{DEGREE SIGN}",
        "turned by less than 5\N{DEGREE SIGN}",
    ]
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert [line.get_label() for line in axes.lines[:2]] == ["a", "b"]
    x, y = figure.axes[1].lines[0].get_data()
    assert (np.diff(y) >= 0).all()
    assert y[0] == 0 and y[-1] == pytest.approx(60)
    assert y[np.searchsorted(x, 0.045)] == pytest.approx(20)


def test_cameras_stand_in_the_map():
    random = np.random.default_rng(0)
    turn = np.array([[[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]]])  # looks east
    points, cameras = random.normal(size=(50, 3)), random.normal(size=(9, 3))
    figure = plots.camera_map(points, cameras, np.array([[1.0, 2, 3]]), turn, ["q"], "here", 4.0)
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[1, 2]]
    tip = axes.texts[0].xy
    assert tip[0] > 1 and tip[1] == pytest.approx(2)
    assert axes.get_legend_handles_labels()[1] == ["points", "photos of the map", "q"]
    assert axes.get_xlim() == (-3, 5) and axes.get_ylim() == (-2, 6)
    assert axes.get_title(loc="left") == "here"


def test_without_a_width_all_cameras_are_seen():
    database = np.array([[0.0, 0, 0], [30, 10, 0]])
    none = np.empty((0, 3))
    figure = plots.camera_map(none, database, np.array([[40.0, 0, 0]]), np.eye(3)[None], ["q"])
    low, high = figure.axes[0].get_xlim()
    assert low < 0 and high > 40
