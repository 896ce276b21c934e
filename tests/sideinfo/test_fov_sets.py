"""Field-of-view overlaps of sets: matrices, blocks, sparse matrices, pairs by index; faults."""

import numpy as np
import pytest
from fields import QUARTER, street
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.sideinfo import fov

STATES = st.integers(0, 2**32 - 1)


@pytest.fixture(params=list(fov.BACKENDS))
def backend(request):
    return request.param


@settings(max_examples=40, deadline=None)
@given(STATES, st.sampled_from(fov.CUTOFFS), st.integers(0, 12), st.booleans())
def test_all_functions_agree(state, cutoff, n, masked):
    rng = np.random.default_rng(state)
    positions, headings = street(n, state, width=120.0)
    mask = rng.random(n) < 0.7 if masked else None
    seen = np.ones(n, bool) if mask is None else mask
    positions[~seen], headings[~seen] = np.nan, np.inf
    settings = {"cutoff": cutoff, "mask": mask}
    pairs = fov.overlap_pairs(positions, headings, **settings)
    assert np.array_equal(np.diag(pairs), seen)
    sparse = fov.overlap_sparse(positions, headings, **settings)
    np.testing.assert_array_equal(sparse.toarray(), pairs)
    assert sparse.has_sorted_indices and np.all(sparse.data > 0)

    candidates, (rows, anchors) = rng.integers(-1, n, (3, 9)), rng.integers(0, 10, 2)
    block = fov.overlap_block(positions, headings, candidates, rows, anchors, **settings)
    row, anchor = candidates[:, :rows, None], candidates[:, None, :anchors]
    padded = np.pad(pairs, (0, 1))  # index -1 finds zeros
    np.testing.assert_allclose(block, padded[row, anchor], rtol=0, atol=1e-12)

    for k in np.flatnonzero(seen):
        found = fov.overlap_with(positions[k], headings[k], positions, headings, **settings)
        found[k] = 1  # by its pose alone; "published" leaves it a little below 1
        np.testing.assert_allclose(found, pairs[k], rtol=0, atol=1e-12)


def test_sparse_in_many_pieces_with_bounded_memory(monkeypatch):
    positions, headings = street(150)
    whole = fov.overlap_pairs(positions, headings)
    monkeypatch.setattr(fov, "_CHUNK", 1 << 10)
    np.testing.assert_array_equal(fov.overlap_sparse(positions, headings).toarray(), whole)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(fov.BACKENDS)), STATES, st.integers(0, 40))
def test_pairs_by_index(name, state, m):
    rng = np.random.default_rng(state)
    (a, heading_a), (b, heading_b) = street(9, state), street(7, state + 1)
    i, j = rng.integers(0, 8, m), rng.integers(0, 7, m)
    a[8] = heading_b[np.setdiff1d(np.arange(7), j)] = np.nan  # in no pair
    found = fov.overlap_of_pairs(a, heading_a, b, heading_b, pairs=(i, j), backend=name)
    expected = fov.overlap_of_pairs(a[i], heading_a[i], b[j], heading_b[j], backend=name)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("cutoff", fov.CUTOFFS)
def test_threads_do_not_change_the_numbers(backend, cutoff):
    n = 12 if backend == "shapely" else 30 if backend == "geos" else 160
    positions, headings = street(n, width=60.0)
    i, j = np.triu_indices(n, 1)
    lists = np.random.default_rng(0).permuted(np.tile(np.arange(n), (3, 1)), axis=1)

    def everything(threads):
        how = {"backend": backend, "cutoff": cutoff, "num_threads": threads}
        pairs = positions, headings, positions, headings
        yield fov.overlap_of_pairs(*pairs, pairs=(i, j), **how)
        yield fov.overlap_pairs(positions, headings, **how)
        yield fov.overlap_block(positions, headings, lists, n, n // 2, **how)
        yield fov.overlap_sparse(positions, headings, **how).toarray()

    for threads in (2, 3, 100):
        for one, many in zip(everything(1), everything(threads), strict=True):
            assert one.any()
            np.testing.assert_array_equal(many, one)


def test_mask_of_pairs():
    positions, headings = street(20)
    mask = np.random.default_rng(0).random((20, 20)) < 0.5
    mask[3] = mask[:, 3] = False
    expected = np.where(mask, fov.overlap_pairs(positions, headings), 0)
    positions[3] = np.nan
    np.testing.assert_array_equal(fov.overlap_pairs(positions, headings, mask=mask), expected)


def test_empty(backend):
    none, no = np.zeros((0, 2)), np.zeros(0)
    assert fov.overlap_pairs(none, no, backend=backend).shape == (0, 0)
    assert fov.overlap_of_pairs(none, no, none, no, backend=backend).shape == (0,)
    assert fov.overlap_with([0, 0], 0.0, none, no, backend=backend).shape == (0,)
    assert fov.overlap_sparse(none, no, backend=backend).shape == (0, 0)
    assert not fov.overlap_block(none, no, [[-1, -1]], 2, 1, backend=backend).any()
    assert fov.sectors(none, no).shape == (0, 16, 2)


def test_other_types_and_strides(backend):
    positions = np.arange(24).reshape(6, 4)[:, ::2]  # int, not contiguous
    whole = fov.overlap_pairs(positions, np.zeros(6, np.float16), backend=backend)
    copy = positions.astype(float).copy()
    np.testing.assert_array_equal(whole, fov.overlap_pairs(copy, [0.0] * 6, backend=backend))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_camera_that_is_not_finite_is_named(backend, bad):
    positions, headings = street(6)
    broken = headings.copy()
    broken[3] = bad
    with pytest.raises(ValueError, match=f"heading of camera 3 is {bad}"):
        fov.overlap_pairs(positions, broken, backend=backend)
    with pytest.raises(ValueError, match="heading of camera 3 of b is"):
        fov.overlap_of_pairs(positions, headings, positions, broken, backend=backend)
    with pytest.raises(ValueError, match="heading of camera 0 .the one. is"):
        fov.overlap_with(positions[0], bad, positions, headings, backend=backend)
    fov.overlap_block(positions, broken, [[0, 1, 2]], 3, 2, backend=backend)  # 3 is in no list
    positions[4, 1] = bad
    with pytest.raises(ValueError, match="position of camera 4 is"):
        fov.overlap_sparse(positions, headings, backend=backend)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.zeros((4, 3))}, r"positions must be real, \(n, 2\), not .*\(4, 3\)"),
        ({"headings": np.zeros(3)}, r"headings must be real, \(4,\), not .*\(3,\)"),
        ({"headings": ["a", "b", "c", "d"]}, "headings must be real"),
        ({"positions": np.zeros((4, 2), complex)}, "positions must be real"),
        ({"mask": np.ones(4)}, "mask must be bool"),
        ({"mask": np.ones((4, 3), bool)}, r"mask must be bool, \(4, 4\)"),
        ({"radius": 0}, "radius must be positive"),
        ({"points": 2}, "points must be a whole number from 3"),
        ({"points": 16.0}, "points must be a whole number"),
        ({"angle": 0.0}, "angle must be between 0 and 2 pi"),
        ({"angle": 2 * np.pi}, "angle must be between 0 and 2 pi"),
        ({"angle": np.nan}, "angle must be between"),
        ({"angle": np.pi, "points": 3}, "needs more than 3 points"),
        ({"cutoff": "near"}, "cutoff must be one of exact, published here, not 'near'"),
        ({"backend": "cgal"}, "backend must be one of .* not 'cgal'"),
        ({"num_threads": 0}, "num_threads must be a whole number from 1, not 0"),
        ({"num_threads": 1.5}, "num_threads must be a whole number"),
    ],
)
def test_wrong_arguments(changes, message):
    arguments = {"positions": np.zeros((4, 2)), "headings": np.zeros(4), **changes}
    with pytest.raises(ValueError, match=message):
        fov.overlap_pairs(**arguments)


def test_wrong_candidates():
    for candidates, rows, message in [
        ([[0, 4]], 2, "candidates must be from -1 to 3"),
        ([[0, -2]], 2, "candidates must be from -1 to 3"),
        ([0, 1], 2, r"candidates must be int, \(B, N\)"),
        ([[0.0, 1.0]], 2, "candidates must be int"),
        ([[0, 1]], 3, "rows 3, anchors 1 must be from 0 to 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            fov.overlap_block(np.zeros((4, 2)), np.zeros(4), candidates, rows, 1)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (([0, 4], [0, 0]), "i of pairs must be from 0 to 3, not 0..4"),
        (([0, 0], [0, -1]), "j of pairs must be from 0 to 4, not -1..0"),
        (([0, 1], [0]), "as many cameras of a as of b make pairs, not 2 and 1"),
        (([0.0], [0.0]), r"i of pairs must be int, \(m,\), not float64"),
        (([[0]], [[0]]), r"i of pairs must be int, \(m,\), not int64, \(1, 1\)"),
        (None, "as many cameras of a as of b make pairs, not 4 and 5"),
    ],
)
def test_wrong_pairs(pairs, message):
    with pytest.raises(ValueError, match=message):
        fov.overlap_of_pairs(
            np.zeros((4, 2)), np.zeros(4), np.zeros((5, 2)), np.zeros(5), pairs=pairs
        )


def test_config_gives_radians():
    kwargs = fov.FovConfig(radius=10.0).kwargs()
    assert kwargs == {"radius": 10.0, "angle": QUARTER, "points": 16, "cutoff": "exact"}
    assert fov.overlap_pairs(*street(3), **kwargs).shape == (3, 3)


def test_the_default_backend_is_the_fastest_that_can():
    assert fov.backend() == fov.backend(np.pi) == next(iter(fov.BACKENDS))
    assert fov.backend(3.2) == next(name for name in fov.BACKENDS if name != "convex")
    assert fov.overlap_pairs(*street(3), angle=3.2).shape == (3, 3)
