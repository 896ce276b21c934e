"""The front door gives what the rooms behind it give, and names wrong arguments."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gcsa
from gcsa.errors import InputError
from gcsa.front import arrays, measuring, ranking

ROOT = Path(__file__).parents[2]
RANDOM = np.random.default_rng(0)
CHECKPOINT = ROOT / "checkpoints" / "miniworld_streets.pth.tar"


def unit(n: int, d: int = 8) -> np.ndarray:
    rows = RANDOM.normal(size=(n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


QUERIES, DATABASE = unit(5), unit(30)


def test_import_is_light():
    code = "import gcsa, sys; print('torch' in sys.modules, 'numpy' in sys.modules, dir(gcsa))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert out.startswith("False False") and "'rank'" in out


def test_what_is_public_is_there_and_nothing_else_is():
    assert all(hasattr(gcsa, name) for name in gcsa.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rerankings'"):
        _ = gcsa.rerankings


@pytest.mark.parametrize("module", [gcsa, measuring, ranking])
def test_examples_of_the_docstrings(module, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.float32, list])
def test_the_first_round_is_sorted_by_inner_products(kind):
    if kind is list:
        found = gcsa.rank(QUERIES.tolist(), DATABASE.tolist())
    elif isinstance(kind, torch.dtype):
        given = [torch.from_numpy(a).to(kind) for a in (QUERIES, DATABASE)]
        found = gcsa.rank(*given)
    else:
        found = gcsa.rank(QUERIES.astype(kind), DATABASE.astype(kind))
    expected = QUERIES @ DATABASE.T
    assert found.indices.shape == (5, 30)
    np.testing.assert_array_equal(found.indices, np.argsort(-expected, axis=1))
    np.testing.assert_allclose(found.scores, -np.sort(-expected, axis=1), atol=1e-6)


def test_lists_are_as_long_as_asked_and_leave_the_query_itself_out():
    found = gcsa.rank(DATABASE[:3], DATABASE, candidates=4, own=[0, 1, -1])
    assert found.indices.shape == (3, 4)
    assert 0 not in found.indices[0] and 1 not in found.indices[1] and found.indices[2, 0] == 2


def test_a_method_with_settings():
    """Average query expansion by hand: the mean of the query and its first."""
    found = gcsa.rank(QUERIES, DATABASE, "average-qe", candidates=10, settings={"k": 1})
    first = np.argsort(-QUERIES @ DATABASE.T, axis=1)[:, :10]
    mean = QUERIES + DATABASE[first[:, 0]]
    scores = np.take_along_axis(mean @ DATABASE.T, first, axis=1)
    by_hand = np.take_along_axis(first, np.argsort(-scores, axis=1), axis=1)
    np.testing.assert_array_equal(found.indices, by_hand)


def test_a_checkpoint_reads_side_information():
    checkpoint = gcsa.load(CHECKPOINT, "cpu")
    q, db = unit(3, checkpoint.model.input_dim), unit(40, checkpoint.model.input_dim)
    poses = {"positions": RANDOM.uniform(0, 100, (40, 2)), "headings": RANDOM.uniform(0, 6, 40)}
    of_file = gcsa.rank(q, db, str(CHECKPOINT), **poses, query_headings=[0.0, 1.0, np.nan])
    loaded = gcsa.rank(q, db, checkpoint, **poses, query_headings=[0.0, 1.0, np.nan])
    bare = gcsa.rank(q, db, checkpoint)
    assert of_file.indices.shape == (3, 40)
    np.testing.assert_array_equal(of_file.scores, loaded.scores)
    assert (np.sort(of_file.indices) == np.arange(40)).all()
    assert not np.array_equal(of_file.scores, bare.scores)
    assert gcsa.rank(q, db, checkpoint, candidates=7).indices.shape == (3, 7)
    assert checkpoint.model.K == 255


def test_measures_by_hand():
    """Two queries: relevant at ranks 2 and 3 of 2 relevant; and one that has none."""
    relevant = np.zeros((2, 30), dtype=bool)
    relevant[0, [7, 9]] = True
    found = gcsa.measure([[3, 7, 9], [0, 1, 2]], relevant, ks=(1, 2, 3))
    assert found["recall@1"] == 0 and found["recall@2"] == 1
    assert found["mAP@3"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    more = gcsa.measure([[3, 7, 9], [0, 1, 2]], relevant, num_relevant=[3, 0], ks=(3,))
    assert more["mAP@3"] == pytest.approx((1 / 2 + 2 / 3) / 3)
    ranked = gcsa.rank(QUERIES, DATABASE)
    nearest = np.eye(30, dtype=bool)[ranked.indices[:, 0]]
    assert gcsa.measure(ranked, nearest)["recall@1"] == 1


def test_overlap_is_the_shared_area_and_unknown_poses_share_none():
    xy, facing = [[0, 0], [0, 0], [0, 0]], [0.0, np.pi / 4, np.nan]
    found = gcsa.overlap(xy, facing)
    np.testing.assert_allclose(found[:2, :2], [[1, 0.5], [0.5, 1]], atol=0.01)
    assert (found[2] == 0).all()
    assert gcsa.overlap(xy, facing, [[0, 1000]], [0.0]).tolist() == [[0.0]] * 3
    with pytest.raises(InputError, match="^other_headings: row 0 has 1e.16, beyond 62.832 radians"):
        gcsa.overlap(xy, facing, [[0, 0]], [1e16])
    with pytest.raises(InputError, match="^positions: row 1 has 1e.09, beyond 1e.08 metres"):
        gcsa.overlap([[0, 0], [1e9, 0]], [0.0, 0.0])


def test_radio_is_in_dbm():
    heard = arrays.images("database", DATABASE, heard=np.full((30, 2), -60.0)).radio
    assert len(heard) == 30 and heard.has_any.all()


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("query_descriptors: expected floats", {"query_descriptors": QUERIES[0]}),
        ("query_descriptors: expected floats", {"query_descriptors": np.eye(5, 8, dtype=int)}),
        ("descriptors: row 0 has length 2", {"database_descriptors": 2 * DATABASE}),
        ("candidates: 0 is less than 1", {"candidates": 0}),
        ("no re-ranker 'k-reciprocl'.*k-reciprocal", {"method": "k-reciprocl"}),
        ("x.pth.tar: no such checkpoint", {"method": "x.pth.tar"}),
        ("settings: alpha-qe has no parameter 'kk'", {"method": "alpha-qe", "settings": {"kk": 1}}),
        ("settings: the first round has none", {"settings": {"k": 1}}),
        ("own: expected rows of the database", {"own": [30, 0, 0, 0, 0]}),
        ("query_headings: expected numbers", {"query_headings": ["north"] * 5}),
        ("radio: 2 rows for 30 images", {"radio": np.full((2, 3), -60.0)}),
        ("database.positions: expected float64 of shape", {"positions": np.zeros((3, 2))}),
    ],
)
def test_wrong_arguments_are_named(message, arguments):
    given = {"query_descriptors": QUERIES, "database_descriptors": DATABASE, **arguments}
    with pytest.raises(InputError, match=message):
        gcsa.rank(**given)


def test_wrong_measures_are_named():
    with pytest.raises(InputError, match="a column for each"):
        gcsa.measure([[5]], [[True]])
    with pytest.raises(InputError, match="expected one a query"):
        gcsa.measure([[0], [0]], [[True]])
    with pytest.raises(InputError, match="expected both, or none"):
        gcsa.overlap([[0, 0]], [0.0], [[0, 0]])
