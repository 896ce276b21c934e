"""Which candidates propose a pose together, on points that a camera was drawn to see."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.cameras import rays_to_pixels
from gcsa.datasets.lamar.records import Camera
from gcsa.localization.placing import LEAST, Asked, _pose, clusters, place, proposing
from gcsa.localization.poses import Poses, pose_errors

pytest.importorskip("poselib", reason="pip install gcsa[localize]")

CAMERA = Camera("SIMPLE_RADIAL", 320, 240, (200.0, 160.0, 120.0, 0.05))
APART = [np.array([1]), np.array([0]), np.array([3]), np.array([2])]  # 0 and 1, 2 and 3


def test_candidates_of_two_places_are_two_clusters():
    near = [np.array(n) for n in ([1], [0, 2], [1], [4], [3], [])]
    found = clusters([np.array([0, 2, 3]), np.array([1, 4, 5])], near)
    assert sorted(map(sorted, found)) == [[0, 1, 2], [3, 4], [5]]


def test_all_candidates_propose_too_where_there_are_two_clusters():
    assert proposing([np.array([0, 1, 3])], APART) == [{0, 1}, {3}, {0, 1, 3}]
    assert proposing([np.array([0, 1])], APART) == [{0, 1}]
    assert proposing([np.array([], int)], APART) == []


class Drawn:
    """Four images of a map and a camera that sees 14 of their points, 7 in each pair of images.

    lost: of images 2 and 3 these are another place's points, which happen to match.
    """

    def __init__(self, seed, lost=False):
        random = np.random.default_rng(seed)
        rays = random.uniform([-0.6, -0.5], [0.6, 0.5], (14, 2))
        local = np.column_stack([rays, np.ones(14)]) * random.uniform(3, 9, (14, 1))
        turn = Rotation.random(random_state=seed).as_matrix()
        self.truth = Poses(turn[None], random.uniform(-20, 20, (1, 3)))
        self.seen = local @ turn.T + self.truth.positions
        if lost:
            self.seen[7:] = random.uniform(30, 50, (7, 3))
        at = rays_to_pixels(CAMERA.model, CAMERA.params, rays) + random.normal(0, 0.1, (14, 2))
        self.near, self.views = APART, SimpleNamespace(names=np.array(["0", "1", "2", "3"]))
        self.matched = SimpleNamespace(keypoints=lambda name: at, rows=self.rows)

    def rows(self, name, image):
        first = 0 if image in "01" else 7
        return np.column_stack([np.arange(first, first + 7)] * 2)

    def points(self, row):
        return self.seen

    @property
    def asked(self):
        alone = Poses(np.eye(3)[None], np.zeros((1, 3)))
        return Asked(["query"], [CAMERA], alone, [np.arange(4)])


@pytest.mark.parametrize("seed", range(5))
def test_two_clusters_of_too_few_keypoints_place_a_camera_together(seed):
    drawn = Drawn(seed)
    groups = clusters(drawn.asked.lists, drawn.near)
    assert len(groups) == 2 and all(_pose(drawn.asked, g, drawn)[1] < LEAST for g in groups)
    placed = place([drawn.asked], drawn)
    assert placed.inliers[0] == 14
    turned, away = pose_errors(placed.poses, drawn.truth)
    assert turned[0] < 0.3 and away[0] < 0.03


def test_a_cluster_of_another_place_adds_nothing():
    assert place([Drawn(0, lost=True).asked], Drawn(0, lost=True)).inliers[0] == 0
