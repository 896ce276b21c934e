"""Neighbours found image by image, against those of the whole map at once."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.scene import headings
from gcsa.localization.near_poses import Cameras, by_distance, by_overlap
from gcsa.localization.near_views import BASELINE, LOOKED, NEIGHBOURS, Nearest, Overlapping
from gcsa.localization.poses import Poses
from gcsa.localization.views import FIELD


@pytest.fixture(scope="module")
def poses():
    """300 cameras of a hall 40 m long, a third of them in threes at one spot; one is lost."""
    random = np.random.default_rng(0)
    positions = random.uniform([0, 0, 1.5], [40, 10, 1.9], (300, 3))
    positions[200:] = positions[np.repeat(np.arange(50), 2)] + 0.01
    angles = np.column_stack([random.uniform(0, 360, 300), random.normal(-90, 3, 300)])
    positions[7] = np.nan
    return Poses(Rotation.from_euler("zx", angles, degrees=True).as_matrix(), positions)


@pytest.mark.parametrize("compass", [True, False])
def test_each_image_has_those_that_the_whole_map_gives_it(poses, compass):
    names = np.array([f"{row:03d}.jpg" for row in range(300)])
    turned = headings(poses.rotations) if compass else None
    cameras = Cameras(names, poses.positions, turned)
    if compass:
        found = by_overlap(cameras, cameras, LOOKED, 0.0, FIELD).indices
    else:
        found = by_distance(cameras, cameras, LOOKED, 2 * FIELD.radius).indices
    near, late = Overlapping(names, poses.positions, turned), 0
    for row, listed in enumerate(found.tolist()):
        away = np.linalg.norm(poses.positions[listed] - poses.positions[row], axis=1)
        order = [o for o, m in zip(listed, away, strict=True) if o >= 0 and m >= BASELINE]
        order += [o for o, m in zip(listed, away, strict=True) if o >= 0 and m < BASELINE]
        assert near[row].tolist() == order[:NEIGHBOURS]
        late += order[:NEIGHBOURS] != [o for o in listed if o >= 0][:NEIGHBOURS]
    assert late > 50  # that stood where another stands
    assert len(near[7]) == 0 and all(7 not in near[row] for row in range(300))


def test_nearest_look_the_same_way_in_a_world_of_any_unit(poses):
    known = Poses(np.delete(poses.rotations, 7, axis=0), np.delete(poses.positions, 7, axis=0))
    axes = known.rotations[:, :, 2]
    large = Poses(known.rotations, known.positions * 1000)
    near, far = Nearest(known), Nearest(large)
    for row in range(0, 299, 17):
        away = np.linalg.norm(known.positions - known.positions[row], axis=1)
        alike = np.degrees(np.arccos(np.clip(axes @ axes[row], -1, 1))) <= 60
        order = [o for o in np.argsort(away, kind="stable") if alike[o] and o != row]
        assert len(order) > 22
        expected = [order[rank - 1] for rank in (1, 2, 3, 4, 6, 8, 11, 14, 18, 23)]
        np.testing.assert_allclose(away[near[row]], away[expected])
        assert near[row].tolist() == far[row].tolist()
