"""Rules of relevance: their texts, and what they say of pairs, against geometry by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsa.errors import InputError
from gcsa.sideinfo.fov import FovConfig, overlap_with
from gcsa.sideinfo.rules import (
    OVERLAP,
    Poses,
    Rule,
    near,
    near_and_turned,
    one_place,
    overlaps,
    poses_relevant,
)


@pytest.mark.parametrize(
    "text, rule",
    [
        ("dist", Rule("dist", 25.0)),
        ("dist@10", Rule("dist", 10.0)),
        ("pose", Rule("pose", 25.0, 45.0)),
        ("pose@10,30", Rule("pose", 10.0, 30.0)),
        ("pose@10", Rule("pose", 10.0, 45.0)),
        ("fov", Rule("fov")),
    ],
)
def test_texts(text, rule):
    assert Rule.of(text) == rule


@pytest.mark.parametrize(
    "text, message",
    [
        ("distance", "'distance' is not a rule of relevance .did you mean 'dist'"),
        ("dist@", "'dist@': '' is not a positive number"),
        ("dist@-3", "'-3' is not a positive number"),
        ("dist@inf", "'inf' is not a positive number"),
        ("pose@1,2,3", "expected pose@reach,turn"),
        ("fov@3", "expected fov"),
    ],
)
def test_wrong_texts(text, message):
    with pytest.raises(InputError, match=message):
        Rule.of(text)


def poses(seed, n=12):
    random = np.random.default_rng(seed)
    return Poses(random.uniform(0, 60, (n, 2)), random.uniform(-4, 9, n))


@given(st.integers(0, 10**6), st.floats(1, 80), st.floats(1, 180))
def test_pairs_by_hand(seed, reach, turn):
    a, b, rule = poses(seed), poses(seed + 1), Rule("pose", reach, turn)
    i, j = np.divmod(np.arange(144), 12)
    away = np.linalg.norm(a.positions[i] - b.positions[j], axis=1)
    assert (near(rule, a, b, i, j) == (away <= reach)).all()
    cosine = np.cos(a.headings[i] - b.headings[j])
    facing = np.degrees(np.arccos(cosine.clip(-1, 1)))
    clear = np.abs(facing - turn) > 1e-6
    found = near_and_turned(rule, a, b, i, j)
    assert (found == ((away <= reach) & (facing <= turn)))[clear].all()


def test_whole_degrees_keep_to_the_limit():
    a = Poses(np.zeros((1, 2)), np.radians([350.0]))
    b = Poses(np.zeros((2, 2)), np.radians([35.0, 36.0]))
    found = near_and_turned(Rule("pose", 1, 45), a, b, np.zeros(2, int), np.arange(2))
    assert found.tolist() == [True, False]


def test_overlap_equals_one_camera_at_a_time_and_keeps_to_one_level():
    a, b, fov = poses(1), poses(2), FovConfig()
    i, j = np.zeros(12, dtype=int), np.arange(12)
    expected = overlap_with(a.positions[0], a.headings[0], b.positions, b.headings)
    np.testing.assert_allclose(overlaps(fov, a, b, i, j), expected, atol=1e-9)
    high = Poses(np.column_stack([a.positions, np.zeros(12)]), a.headings)
    low = Poses(np.column_stack([b.positions, np.full(12, 9.0)]), b.headings)
    assert (overlaps(fov, high, low, i, j) == 0).all()


def test_what_is_unknown_is_near_nothing():
    hidden = Poses(np.array([[np.nan, np.nan], [0, 0]]), np.array([0.0, np.nan]))
    i, j = np.array([0, 1, 1]), np.array([0, 0, 1])
    assert near(Rule("dist"), hidden, hidden, i, j).tolist() == [False, False, True]
    assert not near_and_turned(Rule("pose"), hidden, hidden, i, j).any()
    assert (overlaps(FovConfig(), hidden, hidden, i, j) == 0).all()


def test_places_of_a_database_and_lists_of_queries():
    known, fov = poses(3), FovConfig()
    i, j = np.divmod(np.arange(144), 12)
    lists = np.tile(np.arange(12), (12, 1))
    lists[0, 3] = -1
    for text in ("dist@20", "pose@30,60", "fov"):
        rule = Rule.of(text)
        pairs = one_place(rule, fov, known, i, j).reshape(12, 12)
        expected = pairs & (lists >= 0)
        assert (poses_relevant(rule, fov, known, known, lists) == expected).all()
    shared = overlaps(fov, known, known, i, j).reshape(12, 12) >= OVERLAP
    # Label files say nothing of two database images; what they see does.
    assert (one_place(Rule("geometry"), fov, known, i, j).reshape(12, 12) == shared).all()


def test_headings_that_lack_are_asked_for():
    bare = Poses(np.zeros((2, 2)))
    pair = np.array([0]), np.array([1])
    with pytest.raises(InputError, match="'pose' needs headings"):
        near_and_turned(Rule("pose"), bare, bare, *pair)
    with pytest.raises(InputError, match="'fov' needs headings"):
        overlaps(FovConfig(), bare, bare, *pair)
    assert one_place(Rule("fov"), FovConfig(), bare, *pair).tolist() == [True]
    assert math.isclose(Rule.of("pose").turn, 45)
