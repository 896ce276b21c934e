"""Affinity columns: layout by hand, values against the plain definitions, padding and unknowns."""

import logging

import numpy as np
import pytest

from gcsa.errors import InputError
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import fov, heading
from gcsa.sideinfo.affinity import Lists, SideInformation, width
from gcsa.sideinfo.fov import FovConfig

KINDS = ["positional-db", "heading", "heading-db"]


def make_scene(n=40, q=5, seed=0, **changes):
    random = np.random.default_rng(seed)
    database = {
        "positions": random.uniform(0, 120, (n, 2)) + [5e5, 6e6],
        "headings": random.uniform(0, 2 * np.pi, n),
    }
    names = np.array([f"d{i}" for i in range(n)])
    queries = ImageSet(
        np.array([f"q{i}" for i in range(q)]), headings=random.uniform(0, 2 * np.pi, q)
    )
    return Scene("s", ImageSet(names, **{**database, **changes}), queries)


def lists(scene, N, seed=1):
    random = np.random.default_rng(seed)
    return np.stack([random.permutation(len(scene.database))[:N] for _ in scene.queries.names])


@pytest.mark.parametrize("cutoff", ["exact", "published"])
@pytest.mark.parametrize(("K", "L"), [(12, 7), (7, 12), (9, 9)])
def test_columns_by_definition(K, L, cutoff):
    scene, config = make_scene(), FovConfig(cutoff=cutoff)
    candidates, queries = lists(scene, max(K, L)), np.arange(5)
    columns = SideInformation(scene, KINDS, config).columns(Lists(queries, candidates, K, L))
    assert columns.shape == (5, 1 + K, L + (1 + L) + L) and columns.dtype == np.float32
    h = scene.database.headings
    for b, c in enumerate(candidates):
        overlaps = fov.overlap_pairs(scene.database.positions[c], h[c], **config.kwargs())
        np.testing.assert_allclose(columns[b, 1:, :L], overlaps[:K, :L], atol=1e-6)
        both = np.concatenate([[scene.queries.headings[b]], h[c]])
        expected = heading.affinity(both[: 1 + K, None], both[: 1 + L])
        np.testing.assert_allclose(columns[b, :, L : 2 * L + 1], expected, atol=1e-6)
        expected = heading.affinity(h[c][:K, None], h[c][:L])
        np.testing.assert_allclose(columns[b, 1:, 2 * L + 1 :], expected, atol=1e-6)
    assert not columns[:, 0, :L].any() and not columns[:, 0, 2 * L + 1 :].any()


def test_a_hand_made_case():
    """Three cameras: two alike, one 10 km off looking back; the query looks as the first two."""
    positions = np.array([[0, 0], [0, 0], [1e4, 0]], dtype=float)
    headings = np.array([0.0, 0.0, np.pi])
    names = np.array(["a", "b", "c"])
    queries = ImageSet(np.array(["q"]), headings=np.zeros(1))
    scene = Scene("s", ImageSet(names, positions=positions, headings=headings), queries)
    side = SideInformation(scene, ["positional-db", "heading"], FovConfig())
    columns = side.columns(Lists(np.array([0]), np.array([[2, 0, 1]]), K=3, L=2))
    assert columns[0].round(6).tolist() == [
        [0, 0, 1, -1, 1],  # the query: no position; its heading against itself, c and a
        [1, 0, -1, 1, -1],  # c
        [0, 1, 1, -1, 1],  # a
        [0, 1, 1, -1, 1],  # b, standing where a stands
    ]


def test_padded_and_unknown_are_zero():
    headings = make_scene().database.headings.copy()
    positions = make_scene().database.positions.copy()
    headings[3], positions[4] = np.nan, np.nan
    scene = make_scene(headings=headings, positions=positions)
    candidates = np.array([[3, 4, 5, -1, -1]])
    columns = SideInformation(scene, KINDS, FovConfig()).columns(
        Lists(np.array([0]), candidates, 5, 5)
    )
    positional, with_query, among = columns[0, :, :5], columns[0, :, 5:11], columns[0, :, 11:]
    assert np.flatnonzero(positional).tolist() == [3 * 5 + 2], "only camera 5 with itself"
    assert not with_query[:, [1, 4, 5]].any() and not with_query[[1, 4, 5]].any()
    assert with_query[0, 2] != 0 and with_query[2, 2] == 1
    assert not among[[1, 4, 5]].any() and among[2, 1] == 1


def test_what_a_scene_lacks_is_zero_and_said(caplog):
    scene = make_scene(positions=None, headings=None)
    with caplog.at_level(logging.WARNING):
        side = SideInformation(scene, ["positional-db", "heading"], FovConfig())
    assert [r.getMessage() for r in caplog.records] == [
        "s: no data for affinity 'positional-db', it stays 0",
        "s: no data for affinity 'heading', it stays 0",
    ]
    columns = side.columns(Lists(np.arange(5), lists(scene, 6), 6, 4))
    assert columns.shape == (5, 7, 9) and not columns.any()


def test_no_kinds_no_columns():
    assert SideInformation(make_scene(), [], FovConfig()).columns(
        Lists(np.arange(5), lists(make_scene(), 6), 6, 4)
    ).shape == (5, 7, 0)


def test_kinds_are_checked():
    with pytest.raises(InputError, match=r"no kind 'headin' \(did you mean 'heading'\?\)"):
        SideInformation(make_scene(), ["headin"], FovConfig())
    with pytest.raises(InputError, match="listed twice"):
        SideInformation(make_scene(), ["heading", "heading"], FovConfig())
    assert (width("heading", 9), width("heading-db", 9), width("positional-db", 9)) == (10, 9, 9)


@pytest.mark.parametrize("heights", [False, True])
def test_overlaps_of_lists_are_those_of_the_whole_scene(monkeypatch, heights):
    """Where few queries stand before many pairs each list is computed by itself."""
    random = np.random.default_rng(0)
    axes = 3 if heights else 2
    positions = random.uniform(0, 120, (40, axes)) / [1, 1, 20][:axes]
    positions[3], angles = np.nan, random.uniform(0, 6, 40)
    angles[5] = np.nan
    scene, config = make_scene(positions=positions, headings=angles), FovConfig()
    candidates = lists(scene, 12)
    candidates[0, 9:], candidates[1, :2] = -1, [3, 5]
    asked = Lists(np.arange(5), candidates, 12, 7)
    whole = SideInformation(scene, ["positional-db"], config).columns(asked)
    monkeypatch.setattr("gcsa.sideinfo.affinity.PAIRS", 0)
    monkeypatch.setattr("gcsa.sideinfo.affinity.fov.overlap_sparse", None)
    found = SideInformation(scene, ["positional-db"], config).columns(asked)
    np.testing.assert_allclose(found, whole, atol=1e-6)
    assert (whole > 0).any() and (whole[1, 1:3] == 0).all() and (whole[0, 10:] == 0).all()
