"""Cameras placed in a report: the curve against the recall of poses, the picture of one query."""

import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from posed_scene import posed_scene

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.localization.poses import pose_recall
from gcsa.plots.pictures import top
from gcsa.report.posed import LISTS, camera_svg, place_all, section
from gcsa.sideinfo.fov import FovConfig

pytest.importorskip("poselib", reason="pip install gcsa[localize]")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What place_all reads of an outcome: the re-ranked lists are the first round's backwards."""
    root = tmp_path_factory.mktemp("posed")
    scene, truth, lists = posed_scene(root)
    given = [f"data.root={root}/datasets", f"data.outputs={root}/outputs", "data.local_fn=f.h5"]
    config = load_config(None, ["data.dataset=lamar", *given])
    first = top(scene, truth, lists, "dist", FovConfig(), 20)
    reranked = SimpleNamespace(indices=first.indices[:, ::-1].copy(), scores=first.scores)
    scenes = [SimpleNamespace(scene=scene, first=first, reranked=reranked, located=None)]
    return SimpleNamespace(config=config, scenes=scenes)


@pytest.fixture(scope="module")
def posed(outcome):
    return place_all(outcome, "val", 5)


def test_the_curve_is_the_recall(posed):
    svg = section(posed, 5)
    said = re.findall(
        r"<title>(first round|re-ranked), error.*?metres (\S+): (\S+) % of cameras</title>", svg
    )
    for number, name in enumerate(LISTS):
        errors = posed[0].mapped.errors(posed[0].cameras[name])
        shares = [float(s) for n, m, s in said if n == name and m == "1"]
        expected = pose_recall(*errors, [(d, 1.0) for d in (1, 5, 10)])
        assert shares == pytest.approx([100 * share for share in expected], abs=0.05), number
    assert len(said) == 3 * 2 * 10
    count = int(posed[0].mapped.truth.known.sum())
    assert f"{count} cameras" in svg and "first 5 images" in svg


def test_a_camera_is_drawn_where_it_was_placed(posed):
    query = int(np.flatnonzero(posed[0].mapped.truth.known)[0])
    figure = ElementTree.fromstring(camera_svg(posed[0], query))
    groups = {g.get("class"): g for g in figure.iter("g")}
    assert set(groups) == {"pose true", "pose old", "pose new"}
    assert groups["pose true"].get("transform") == "translate(130.0 130.0)"  # in the middle
    off = np.linalg.norm(
        posed[0].cameras["first round"].poses.positions[query]
        - posed[0].mapped.truth.positions[query]
    )
    said = "".join(figure.itertext())
    assert f"first round: {off:.1f} m off" in said and "re-ranked: " in said


@pytest.mark.parametrize(
    ("changed", "split", "num", "message"),
    [
        ({"dataset": "msls"}, "val", 5, "--poses: is for data.dataset=lamar"),
        ({"local_fn": ""}, "val", 5, "--poses: is for data.dataset=lamar, data.local_fn"),
        ({}, "test", 5, "--split val"),
        ({}, "val", 21, "--poses: 21 is more than 20"),
    ],
)
def test_where_no_cameras_can_be_placed(outcome, changed, split, num, message):
    data = SimpleNamespace(**{"dataset": "lamar", "local_fn": "f.h5", **changed})
    asked = SimpleNamespace(config=SimpleNamespace(data=data), scenes=outcome.scenes)
    with pytest.raises(InputError, match=message):
        place_all(asked, split, num)
