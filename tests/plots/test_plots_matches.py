"""Pictures of matches: what is drawn, and where."""

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
    figure = plots.matches(paths, points, np.array([True, False]), "a pair", "homography, 2 pixels")
    (axes,) = figure.axes
    said = "a pair: 1 of 2 matches agree with one geometry (homography, 2 pixels)"
    assert axes.get_title(loc="left") == said
    drawn = {line.get_linestyle(): line.get_xydata().tolist() for line in axes.lines}
    # The second photo stands to the right of the first one, which is 60 pixels wide.
    assert drawn == {"-": [[1, 2], [65, 6]], ":": [[30, 20], [130, 40]]}
    assert axes.images[0].get_array().shape == (50, 140, 3)


def test_no_match_is_a_picture_too(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    nothing = np.empty((0, 2))
    figure = plots.matches((tmp_path / "a.png",) * 2, (nothing, nothing), np.empty(0, bool))
    assert figure.axes[0].get_title(loc="left").startswith("0 of 0")
