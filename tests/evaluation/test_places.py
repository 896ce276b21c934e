"""Place recall and the distance of the first image, against loops over single images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.evaluation.places import distance_figures, first_distances, place_numbers, place_recall
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig


def scene_of(positions, headings=None, queries=1):
    positions = np.asarray(positions, dtype=float)
    names = np.array([f"d{i}" for i in range(len(positions))])
    headings = None if headings is None else np.asarray(headings, dtype=float)
    return Scene(
        "s",
        ImageSet(names, positions=positions, headings=headings),
        ImageSet(np.array([f"q{i}" for i in range(queries)])),
    )


def by_loops(positions, row, reach, most):
    founders, numbers = [], []
    for image in row:
        number = most + 1
        if image >= 0:
            near = [
                k + 1
                for k, f in enumerate(founders)
                if np.linalg.norm(positions[f] - positions[image]) <= reach
            ]
            if near:
                number = near[0]
            elif len(founders) < most:
                founders.append(image)
                number = len(founders)
        numbers.append(number)
    return numbers


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_places_of_a_list_equal_a_loop(seed, most):
    random = np.random.default_rng(seed)
    positions = random.uniform(0, 120, (30, 2))
    indices = np.stack([random.permutation(30)[:12] for _ in range(4)])
    indices[0, 9:] = -1
    found = place_numbers(scene_of(positions, queries=4), indices, "dist", FovConfig(), most)
    assert found.tolist() == [by_loops(positions, row, 25, most) for row in indices]


def test_five_photos_of_one_wrong_place_are_one_try():
    """Four wrong images on one spot, then the right one: recall@5, but place recall@2."""
    scene = scene_of([[0, 0], [1, 0], [2, 0], [3, 0], [500, 0]])
    numbers = place_numbers(scene, np.array([[0, 1, 2, 3, 4]]), "dist", FovConfig())
    assert numbers.tolist() == [[1, 1, 1, 1, 2]]
    relevant = np.array([[False, False, False, False, True]])
    found = place_recall(relevant, numbers, (1, 2))
    assert found == {"place recall@1": 0.0, "place recall@2": 1.0}


def test_the_rule_says_what_one_place_is():
    """Back to back on one spot: one place by distance, two by field of view or pose."""
    scene = scene_of([[0, 0], [0, 0]], [0, np.pi])
    lists = np.array([[0, 1]])
    for rule, numbers in [("dist", [1, 1]), ("fov", [1, 2]), ("pose@10,30", [1, 2])]:
        assert place_numbers(scene, lists, rule, FovConfig()).tolist() == [numbers]


def test_an_unknown_position_is_a_place_of_its_own():
    scene = scene_of([[0, 0], [np.nan, np.nan], [np.nan, np.nan]])
    assert place_numbers(scene, np.array([[1, 2, 0]]), "dist", FovConfig()).tolist() == [[1, 2, 3]]


def test_distance_of_the_first_image():
    scene = scene_of([[3, 4], [np.nan, np.nan]], queries=4)
    truth = np.array([[0.0, 0.0], [3, 4], [0, 0], [np.nan, np.nan]])
    away = first_distances(scene, truth, np.array([[0], [0], [1], [0]]))
    np.testing.assert_array_equal(away, [5, 0, np.inf, np.nan])
    found = distance_figures(away)
    assert found["median m"] == 5 and found["within 5 m"] == pytest.approx(2 / 3)
    assert np.isnan(distance_figures(away[3:])["within 5 m"])
