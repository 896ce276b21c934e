"""Pictures of matches and of cameras in a map: what is drawn, and where."""

import numpy as np
import pytest
from PIL import Image

from gcsa import plots

pytest.importorskip("matplotlib")


def test_lines_join_what_matches(tmp_path):
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for path, size in zip(paths, ((60, 40), (80, 50)), strict=True):
        Image.new("RGB", size).save(path)
    points = np.array([[1.0, 2], [30, 20]]), np.array([[5.0, 6], [70, 40]])
    figure = plots.matches(paths, points, np.array([True, False]), "a pair")
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "a pair: 1 of 2 matches agree with one geometry"
    drawn = {line.get_linestyle(): line.get_xydata().tolist() for line in axes.lines}
    # The second photo stands to the right of the first one, which is 60 pixels wide.
    assert drawn == {"-": [[1, 2], [65, 6]], ":": [[30, 20], [130, 40]]}
    assert axes.images[0].get_array().shape == (50, 140, 3)


def test_no_match_is_a_picture_too(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    nothing = np.empty((0, 2))
    figure = plots.matches((tmp_path / "a.png",) * 2, (nothing, nothing), np.empty(0, bool))
    assert figure.axes[0].get_title(loc="left").startswith("0 of 0")


def test_cameras_stand_in_the_map():
    random = np.random.default_rng(0)
    turn = np.array([[[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]]])  # looks east
    figure = plots.camera_map(
        random.normal(size=(50, 3)),
        random.normal(size=(9, 3)),
        np.array([[1.0, 2, 3]]),
        turn,
        ["q"],
    )
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[1, 2]]
    tip = axes.texts[0].xy
    assert tip[0] > 1 and tip[1] == pytest.approx(2)
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["points", "photos of the map", "q"]
