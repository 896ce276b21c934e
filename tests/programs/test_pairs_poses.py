"""Pairs from poses, against loops over all pairs."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.errors import InputError
from gcsa.localization import near_poses as poses
from gcsa.localization.near_poses import Cameras, by_distance, by_overlap
from gcsa.sideinfo.fov import FovConfig


def cameras(random, n, tag, axes=2):
    positions = random.integers(0, 12, (n, axes)) * 5.0
    headings = random.integers(0, 8, n) * np.pi / 4
    positions[random.random(n) < 0.15] = np.nan
    headings[random.random(n) < 0.15] = np.nan
    return Cameras(np.array([f"{tag}{i}" for i in range(n)]), positions, headings)


def both(seed, axes, own):
    random = np.random.default_rng(seed)
    database = cameras(random, 30, "d", axes)
    return (database if own else cameras(random, 9, "q", axes)), database


def overlap(a, b, ha, hb, config):
    fields = []
    for place, turn in ((a, ha), (b, hb)):
        angles = turn + np.deg2rad(config.angle) * np.linspace(-0.5, 0.5, config.points - 1)
        arc = place + config.radius * np.stack([np.sin(angles), np.cos(angles)], axis=1)
        fields.append(shapely.Polygon([place, *arc]))
    return fields[0].intersection(fields[1]).area / fields[0].area


def expected(queries, database, num, score):
    """Rows and scores of each list: sorted by score, then row."""
    lists = []
    for i in range(len(queries.names)):
        found = []
        for j in range(len(database.names)):
            offset = queries.positions[i] - database.positions[j]
            if queries.names[i] != database.names[j] and np.isfinite(offset).all():
                value = score(i, j, np.linalg.norm(offset), offset)
                if value is not None:
                    found.append((-round(value, 7), j))
        lists.append([(j, -value) for value, j in sorted(found)[:num]])
    return lists


def check(found, lists, num):
    assert found.indices.shape == (len(lists), num)
    for row, wanted in enumerate(lists):
        valid = found.valid[row]
        assert valid.sum() == len(wanted) and valid[: len(wanted)].all()
        np.testing.assert_allclose(
            found.scores[row, : len(wanted)], [s for _, s in wanted], atol=1e-5
        )
        assert np.isneginf(found.scores[row, len(wanted) :]).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), axes=st.sampled_from([2, 3]), own=st.booleans())
def test_by_distance(seed, axes, own):
    queries, database = both(seed, axes, own)
    for most, turn in ((20.0, np.pi), (20.0, np.pi / 4)):

        def score(i, j, metres, offset, most=most, turn=turn):
            angle = abs(queries.headings[i] - database.headings[j]) % (2 * np.pi)
            turned = turn < np.pi and min(angle, 2 * np.pi - angle) > turn + 1e-9
            return None if metres > most or turned else -metres

        found = by_distance(queries, database, 4, most, turn + 1e-9)
        lists = expected(queries, database, 4, score)
        check(found, lists, 4)
        assert [[j for j in r if j >= 0] for r in found.indices] == [
            [j for j, _ in r] for r in lists
        ]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), axes=st.sampled_from([2, 3]), own=st.booleans())
def test_by_overlap(seed, axes, own):
    queries, database = both(seed, axes, own)
    config = FovConfig(radius=20.0, points=8, height=4.0)

    def score(i, j, metres, offset):
        turns = queries.headings[i], database.headings[j]
        if not np.isfinite(turns).all() or (axes == 3 and abs(offset[2]) > 4):
            return None
        value = overlap(queries.positions[i, :2], database.positions[j, :2], *turns, config)
        return value if value > 0.2 + 1e-9 else None

    found = by_overlap(queries, database, 5, 0.2 + 1e-9, config)
    check(found, expected(queries, database, 5, score), 5)


def test_ties_go_by_row():
    headings = np.zeros(4)
    places = np.array([[0.0, 0], [0, 0], [0, -5], [0, 5]])
    database = Cameras(np.array(list("abcd")), places, headings)
    query = Cameras(np.array(["q"]), places[:1], headings[:1])
    config = FovConfig(radius=20.0)
    assert by_overlap(query, database, 4, 0, config).indices.tolist()[0][:2] == [0, 1]
    assert by_distance(query, database, 9, 5.0).indices.tolist() == [[0, 1, 2, 3] + [-1] * 5]
    assert by_distance(database, database, 1, 4.9).indices.tolist() == [[1], [0], [-1], [-1]]


def test_chunks_change_nothing(monkeypatch):
    queries, database = both(3, 2, False)
    whole = by_distance(queries, database, 4, 30.0)
    for pairs in (1, 7, 40):
        monkeypatch.setattr(poses, "PAIRS", pairs)
        parts = by_distance(queries, database, 4, 30.0)
        np.testing.assert_array_equal(whole.indices, parts.indices)
        np.testing.assert_array_equal(whole.scores, parts.scores)


def test_pairs_looked_at_together_are_bounded(monkeypatch):
    """Of any density: no chunk has more pairs than the bound, but for a query that has."""
    counts = np.random.default_rng(0).integers(0, 9, 200)
    monkeypatch.setattr(poses, "PAIRS", 10)
    parts = list(poses._chunks(np.arange(200), counts))
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(200))
    assert max(counts[part].sum() for part in parts) <= 10 and 80 < len(parts) < 150
    monkeypatch.setattr(poses, "PAIRS", 3)
    assert all(len(part) == 1 for part in poses._chunks(np.arange(5), np.full(5, 9)))


def test_nothing_known():
    nothing = Cameras(np.array(["a", "b"]), np.full((2, 2), np.nan), None)
    assert not by_distance(nothing, nothing, 3, 25.0).valid.any()
    with pytest.raises(InputError, match="need headings"):
        by_overlap(nothing, nothing, 3, 0.0, FovConfig())
