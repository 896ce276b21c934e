"""gcsa.rank with the posterior and gcsa.fit, on a street whose places look alike in pairs."""

from __future__ import annotations

import numpy as np
import pytest

import gcsa
from gcsa.errors import InputError


def street(places=40, photos=3, noise=0.45, own=0.2, seed=0):
    """Places 60 m apart along a street, some photos each, every second place looks like the next.

    Returns (descriptors, positions, headings) of a database and of a query at each place.
    """
    random = np.random.default_rng(seed)
    looks = np.repeat(random.normal(size=(places // 2, 24)), 2, axis=0)
    own = own * random.normal(size=(places, 24))
    at = np.stack([60.0 * np.arange(places), np.zeros(places)], axis=1)
    facing = np.where(np.arange(places) % 2, np.pi, 0.0)

    def taken(n):
        place = np.repeat(np.arange(places), n)
        rows = looks[place] + own[place] + noise * random.normal(size=(len(place), 24))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        position = at[place] + random.normal(0, 4, (len(place), 2))
        return rows, position, facing[place] + random.normal(0, 0.1, len(place)), place

    return taken(photos), taken(1)


DATABASE, QUERIES = street()
ROWS, XY, H, PLACE = DATABASE
Q, QXY, QH, QPLACE = QUERIES
RELEVANT = np.linalg.norm(QXY[:, None] - XY, axis=2) <= 25
POSES = {"positions": XY, "headings": H}


def recall(found):
    return gcsa.measure(found, RELEVANT)["recall@1"]


def test_the_compass_finds_the_place_among_its_twins():
    first = gcsa.rank(Q, ROWS)
    blind = gcsa.rank(Q, ROWS, "posterior", **POSES)
    sees = gcsa.rank(Q, ROWS, "posterior", **POSES, query_headings=QH)
    assert recall(first) < 0.9 and recall(sees) > 0.97
    assert gcsa.measure(blind, RELEVANT)["mAP@10"] > gcsa.measure(first, RELEVANT)["mAP@10"]


def test_an_answer_has_a_place_a_radius_and_a_confidence():
    found = gcsa.rank(Q, ROWS, "posterior", **POSES, query_headings=QH)
    assert isinstance(found, gcsa.Located) and isinstance(found, gcsa.Ranking)
    assert found.position.shape == (40, 2) and found.radius.shape == found.confidence.shape == (40,)
    assert np.median(np.linalg.norm(found.position - QXY, axis=1)) < 10
    np.testing.assert_allclose(found.probability.sum(axis=1) + found.none, 1, atol=1e-4)
    assert found.indices.shape == found.probability.shape == (40, 120)
    assert found.confidence.mean() > 0.8


def test_headings_that_are_unknown_change_no_bit():
    bare = gcsa.rank(Q, ROWS, "posterior", **POSES, calibration=gcsa.Calibration())
    unknown = gcsa.rank(
        *(Q, ROWS, "posterior"),
        **POSES,
        query_headings=np.full(40, np.nan),
        query_positions=np.full((40, 2), np.nan),
        query_accuracy=np.full(40, np.nan),
        calibration=gcsa.Calibration(),
    )
    np.testing.assert_array_equal(bare.indices, unknown.indices)
    np.testing.assert_array_equal(bare.probability, unknown.probability)


def test_a_compass_turned_round_and_a_position_far_off_are_survived():
    """Where looks know the place, evidence that is wrong altogether does not take it away."""
    (rows, xy, h, _), (q, qxy, qh, _) = street(own=1.0)
    given = {"positions": xy, "headings": h, "calibration": gcsa.Calibration()}
    relevant = np.linalg.norm(qxy[:, None] - xy, axis=2) <= 25
    far = {"query_positions": qxy + [5000.0, 0], "query_accuracy": np.full(40, 10.0)}
    for wrong in ({"query_headings": qh + np.pi}, far):
        found = gcsa.rank(q, rows, "posterior", **given, **wrong)
        assert gcsa.measure(found, relevant)["recall@1"] >= 0.95
    assert (np.linalg.norm(found.position - far["query_positions"], axis=1) > 2000).all()
    right = gcsa.rank(Q, ROWS, "posterior", **POSES, query_positions=QXY)
    assert recall(right) == 1


def test_recall_names_places_where_precision_fills_the_list():
    lists = {
        objective: gcsa.rank(Q, ROWS, "posterior", **POSES, objective=objective)
        for objective in ("precision", "recall", 0.5)
    }
    hits = {o: gcsa.measure(found, RELEVANT)["recall@5"] for o, found in lists.items()}
    means = {o: gcsa.measure(found, RELEVANT)["mAP@5"] for o, found in lists.items()}
    assert hits["recall"] >= hits["precision"] and means["precision"] > means["recall"]
    two = PLACE[lists["recall"].indices[:, :2]]
    assert (two[:, 0] != two[:, 1]).mean() > 0.9


def test_groups_and_excluded_images_are_no_candidates():
    groups = np.arange(120) % 3
    out = groups[:, None] == groups
    found = gcsa.rank(ROWS, ROWS, "posterior", **POSES, exclude=out, groups=groups, candidates=60)
    listed = found.indices[found.indices >= 0]
    rows = np.repeat(np.arange(120), (found.indices >= 0).sum(axis=1))
    assert not out[rows, listed].any() and len(listed) > 0


def test_fit_on_the_database_and_on_labelled_queries():
    own = gcsa.fit(ROWS, XY, headings=H, groups=np.arange(120) % 3)
    labelled = gcsa.fit(
        *(ROWS, XY), headings=H, query_descriptors=Q, true_positions=QXY, query_headings=QH
    )
    assert own.source == "database" and labelled.source == "scenes"
    assert 0.5 < own.temperature / labelled.temperature < 2
    used = gcsa.rank(Q, ROWS, "posterior", **POSES, query_headings=QH, calibration=own)
    assert used.calibration is own and recall(used) > 0.97


def test_a_database_of_one_session_leaves_out_the_image_alone():
    """Groups that hold all images are no groups; photos of one visit are more alike."""
    one = gcsa.fit(ROWS, XY, headings=H, groups=np.zeros(120, int))
    unknown = gcsa.fit(ROWS, XY, headings=H)
    assert one.source == "database" and one.queries == 120
    assert one.temperature / unknown.temperature == pytest.approx(0.78, abs=0.01)


@pytest.mark.parametrize(
    "queries, rows, arguments",
    [
        (Q, ROWS, {"positions": XY, "candidates": 1}),
        (Q[[0, 0]], ROWS[np.zeros(50, int)], {"positions": XY[:50]}),
        (Q, ROWS, {}),
        (Q, ROWS, {"positions": np.full((120, 2), np.nan)}),
        (Q, ROWS[:1], {"positions": XY[:1]}),
        (Q, ROWS, {"positions": XY, "groups": np.zeros(120, int)}),
        (Q, ROWS, {"positions": XY, "exclude": np.ones((40, 120), bool)}),
    ],
)
def test_what_tells_nothing_is_survived(queries, rows, arguments):
    """Lists of one, images all alike, no positions, one session, nothing left: a list comes out."""
    found = gcsa.rank(queries, rows, "posterior", **arguments)
    assert len(found) == len(queries) and np.isfinite(found.probability).all()
    assert (found.none >= 0).all() and (found.confidence <= 1.0001).all()


def test_too_few_images_take_the_defaults():
    found = gcsa.rank(Q, ROWS[:9], "posterior", positions=XY[:9])
    assert found.calibration.source == "defaults"


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("'distt' is not a rule", {"rule": "distt"}),
        ("objective: 'best' is neither", {"objective": "best"}),
        ("objective: '2' is neither", {"objective": 2}),
        ("rule 'pose' needs headings", {"rule": "pose", "headings": None}),
        ("exclude: expected bool .40, 120.", {"exclude": np.zeros((2, 2), bool)}),
        ("groups: expected integers", {"groups": np.zeros(120)}),
        ("queries.accuracy: expected positive", {"query_accuracy": np.zeros(40)}),
        ("none.yaml: no such calibration file", {"calibration": "none.yaml"}),
        ("calibration: expected what gcsa.fit found", {"calibration": 25.0}),
    ],
)
def test_wrong_arguments_are_named(message, arguments):
    with pytest.raises(InputError, match=message):
        gcsa.rank(Q, ROWS, "posterior", **{**POSES, **arguments})
