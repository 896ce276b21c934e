"""Neighbours of the first candidate, against sorting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.neighbours import NeighboursConfig, by_distance, by_overlap
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig, overlap_with
from gcsa.sideinfo.rules import Rule

RULE = Rule("dist")
RANDOM = np.random.default_rng(3)
POSITIONS = RANDOM.uniform(0, 80, (20, 2))
HEADINGS = RANDOM.uniform(0, 2 * np.pi, 20)


def scene(positions=POSITIONS, headings=HEADINGS):
    names = np.array([f"d{i}" for i in range(20)])
    known = ImageSet(names, positions=positions, headings=headings)
    return Scene("s", known, ImageSet(np.array(["q0", "q1", "q2"])))


def lists():
    indices = np.stack([RANDOM.permutation(20)[:10] for _ in range(3)])
    indices[2, 7:] = -1
    scores = np.where(indices < 0, -np.inf, -np.arange(10.0)[None]).astype(np.float32)
    return Ranking(indices, scores)


def test_by_distance_to_the_first():
    first = lists()
    found = by_distance(scene(), first, NeighboursConfig(), RULE, FovConfig())
    for before, after in zip(first.indices, found.indices, strict=True):
        kept = before[before >= 0]
        away = np.linalg.norm(POSITIONS[kept] - POSITIONS[before[0]], axis=1)
        assert after[: len(kept)].tolist() == kept[np.argsort(away)].tolist()
        assert (after[len(kept) :] == -1).all()


def test_by_overlap_with_the_first_then_as_before():
    first = lists()
    found = by_overlap(scene(), first, NeighboursConfig(), RULE, FovConfig())
    for before, after in zip(first.indices, found.indices, strict=True):
        kept = before[before >= 0]
        pose = POSITIONS[before[0]], HEADINGS[before[0]]
        overlap = overlap_with(*pose, POSITIONS[kept], HEADINGS[kept])
        assert after[: len(kept)].tolist() == kept[np.argsort(-overlap, kind="stable")].tolist()


def test_beyond_k_and_without_a_pose_the_order_stays():
    first, hidden = lists(), POSITIONS.copy()
    found = by_distance(scene(), first, NeighboursConfig(K=4), RULE, FovConfig())
    assert np.array_equal(found.indices[:, 4:], first.indices[:, 4:])
    hidden[first.indices[0, 0]] = np.nan
    for method in (by_distance, by_overlap):
        found = method(scene(hidden), first, NeighboursConfig(), RULE, FovConfig())
        assert found.indices[0].tolist() == first.indices[0].tolist()
        place = found.indices[1].tolist().index(first.indices[0, 0])
        assert method is by_overlap or place == 9


def test_what_is_not_known_is_said():
    with pytest.raises(InputError, match="s: neighbours: the positions"):
        by_distance(scene(None), lists(), NeighboursConfig(), RULE, FovConfig())
    with pytest.raises(InputError, match="no headings"):
        by_overlap(scene(POSITIONS, None), lists(), NeighboursConfig(), RULE, FovConfig())
