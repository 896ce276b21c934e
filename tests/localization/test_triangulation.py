"""Points from rays, against the points that the rays were drawn to."""

import numpy as np

from gcsa.localization.triangulation import triangulate


def rays(points, origins, noise=0.0, seed=0):
    random = np.random.default_rng(seed)
    found = points - origins
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found += noise * random.normal(size=found.shape)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def street(count=50, each=4, seed=1):
    random = np.random.default_rng(seed)
    points = random.uniform([-5, -5, 4], [5, 5, 12], (count, 3))
    track = np.repeat(np.arange(count), each)
    origins = random.uniform(-2, 2, (count * each, 3)) * [1, 1, 0.2]
    return points, track, origins


def test_rays_that_meet_meet_there():
    points, track, origins = street()
    directions = rays(points[track], origins)
    found, used = triangulate(origins, directions, track, 50, np.full(200, 1e-3))
    assert used.all() and np.allclose(found, points, atol=1e-6)


def test_a_ray_that_misses_is_left_out():
    points, track, origins = street(each=5)
    directions = rays(points[track], origins, noise=1e-4)
    directions[::5] = rays(points[track][::5] + [0, 0.4, 0], origins[::5])
    found, used = triangulate(origins, directions, track, 50, np.full(250, 0.01))
    known = np.isfinite(found[:, 0])
    assert known.mean() > 0.8 and not used[::5][known].any()
    assert np.median(np.linalg.norm(found[known] - points[known], axis=1)) < 0.01


def test_no_point_without_an_angle_nor_behind():
    point = np.array([[0.0, 0, 10]])
    for origins, directions in (
        (np.array([[0.0, 0, 0], [0.05, 0, 0]]), None),  # 0.3 degrees
        (np.array([[-1.0, 0, 0], [1.0, 0, 0]]), -1),  # looking away
        (np.array([[-1.0, 0, 0], [1.0, 0, np.nan]]), None),  # one camera is lost
    ):
        towards = rays(point, origins) * (directions or 1)
        found, used = triangulate(origins, towards, np.zeros(2, int), 1, np.full(2, 0.01))
        assert np.isnan(found).all() and not used.any()
