"""Radio: physics and affinities, against an independent reckoning."""

import math
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from gcsa.errors import InputError
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import radio
from gcsa.sideinfo.affinity import Lists, SideInformation
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.radio import Radio, affinity_block, align, dropout, pairwise_affinity, stack


def random_radio(n=40, transmitters=60, share=0.2, seed=0, empty=()):
    random = np.random.default_rng(seed)
    dense = random.uniform(-499, 0, (n, transmitters))
    dense *= random.random((n, transmitters)) < share
    dense[list(empty)] = 0
    return Radio(csr_array(dense), np.array([f"t{i:03d}" for i in range(transmitters)]))


def vectors(observed):
    return observed.matrix.toarray() + 500


@pytest.fixture(params=["compiled", "plain"])
def way(request, monkeypatch):
    """Run a test by the compiled kernel, and without."""
    if request.param == "plain":
        monkeypatch.setattr(radio, "_kernels", None)
    elif radio._kernels is None:
        pytest.skip("not compiled")
    return request.param


@pytest.mark.parametrize("metres", [0.5, 1.0, 7.0, 120.0, 499.0])
@pytest.mark.parametrize("megahertz", [2400.0, 2412.0, 5825.0])
def test_path_loss_is_free_space(metres, megahertz):
    wavelength = 299.792458 / megahertz
    loss = 20 * math.log10(4 * math.pi * metres / wavelength)  # Friis, isotropic antennas
    assert radio.path_loss_distance(-loss, megahertz) == pytest.approx(metres, rel=1e-3)


def test_path_loss_is_capped_and_knows_unknown_frequencies():
    assert radio.path_loss_distance(-120.0, 2412.0) == pytest.approx(500, abs=1e-9)
    assert radio.path_loss_distance(-1e6, 2412.0) == pytest.approx(500, abs=1e-9)
    known = radio.path_loss_distance(-60.0, 2400.0)
    assert known == pytest.approx(10 ** ((27.55 - 20 * math.log10(2400) + 60) / 20), rel=1e-12)
    unknown = radio.path_loss_distance(np.full(3, -60.0), np.array([-1, 0, np.nan]))
    np.testing.assert_array_equal(unknown, known)


def test_pairwise_affinity_is_that_of_dense_vectors(way):
    a, b = random_radio(empty=[3]), random_radio(n=25, seed=1, empty=[0, 7])
    expected = 1 - 2.5e-4 * cdist(vectors(a), vectors(b))
    found = pairwise_affinity(a, b)
    assert found.dtype == np.float64 and found.shape == (40, 25)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    zeroed = pairwise_affinity(a, b, "zero")
    assert not zeroed[3].any() and not zeroed[:, [0, 7]].any()
    kept = np.ix_(a.has_any, b.has_any)
    np.testing.assert_array_equal(zeroed[kept], found[kept])
    np.testing.assert_allclose(np.diag(pairwise_affinity(b, b))[1:7], 1, atol=1e-6)


def test_two_images_by_hand(way):
    a = Radio(csr_array([[-400.0, -500.0, 0.0]]), np.array(["p", "q", "r"]))
    b = Radio(csr_array([[-100.0, 0.0, -200.0]]), np.array(["p", "q", "r"]))
    expected = 1 - 2.5e-4 * math.sqrt(300**2 + 500**2 + 200**2)
    assert pairwise_affinity(a, b).item() == pytest.approx(expected, abs=1e-12)


def test_long_matrices_go_in_parts(way, monkeypatch):
    a = random_radio()
    whole = pairwise_affinity(a, a)
    monkeypatch.setattr(radio, "ROWS", 7)
    np.testing.assert_array_equal(pairwise_affinity(a, a), whole)


def test_different_transmitters_are_brought_together():
    a = Radio(csr_array([[-400.0, -10.0]]), np.array(["p", "s"]))
    b = Radio(csr_array([[-300.0, -20.0]]), np.array(["q", "p"]))
    expected = 1 - 2.5e-4 * math.sqrt(380**2 + 10**2 + 300**2)
    assert pairwise_affinity(a, b).item() == pytest.approx(expected, abs=1e-12)
    both = stack([a, b])
    assert both.transmitters.tolist() == ["p", "q", "s"] and len(both) == 2
    np.testing.assert_array_equal(vectors(both), [[100, 500, 490], [480, 200, 500]])
    np.testing.assert_array_equal(vectors(align([a, b])[1]), vectors(both)[1:])


@pytest.mark.parametrize("unknown", radio.UNKNOWN)
def test_blocks_are_cut_from_the_pairwise_matrix(way, unknown):
    everything = random_radio(empty=[5])
    whole = pairwise_affinity(everything, everything, unknown)
    random = np.random.default_rng(0)
    rows = random.integers(0, 40, (6, 9))  # with images that are there twice
    rows[0, :3], rows[:, -2:] = 5, -1
    free = random.integers(0, 40, (6, 4))
    for anchors in (rows, rows[:, :4], free, np.where(free % 3 == 0, -1, free)):
        found = affinity_block(everything, rows, anchors, unknown)
        expected = whole[rows[:, :, None], anchors[:, None, :]]
        expected[(rows < 0)[:, :, None] | (anchors < 0)[:, None, :]] = 0
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 9), st.floats(0, 1))
def test_any_block_equals_an_explicit_loop(state, n, transmitters, share):
    random = np.random.default_rng(state)
    everything = random_radio(n, transmitters, share, seed=state)
    rows, anchors = (random.integers(-1, n, (3, k)) for k in random.integers(0, 7, 2))
    found = affinity_block(everything, rows, anchors)
    for (b, r, a), value in np.ndenumerate(found):
        pair, expected = [rows[b, r], anchors[b, a]], 0
        if min(pair) >= 0 and everything.has_any[pair].all():
            expected = 1 - 2.5e-4 * np.linalg.norm(np.subtract(*vectors(everything)[pair]))
        assert value == pytest.approx(expected, abs=1e-6)


def test_images_that_heard_almost_the_same(way):
    dense = random_radio(30, share=1.0).matrix.toarray()
    random = np.random.default_rng(1)
    close = dense * (1 + 1e-12 * random.normal(size=dense.shape))
    a, b = (Radio(csr_array(d), np.arange(60).astype(str)) for d in (dense, close))
    np.testing.assert_allclose(np.diag(pairwise_affinity(a, b)), 1, rtol=0, atol=1e-6)


def test_nothing_to_compare(way):
    everything, none = random_radio(), random_radio(0)
    assert pairwise_affinity(everything, none).shape == (40, 0)
    assert pairwise_affinity(none, everything).shape == (0, 40)
    deaf = Radio(csr_array((3, 0)), np.array([], dtype=str))
    np.testing.assert_array_equal(pairwise_affinity(deaf, deaf), np.ones((3, 3)))
    assert not pairwise_affinity(deaf, deaf, "zero").any()
    padding = np.full((2, 3), -1)
    assert not affinity_block(none, padding, padding).any()
    assert affinity_block(everything, padding[:0], padding[:0]).shape == (0, 3, 3)


def kernel_arguments(**changes):
    """What the compiled kernel takes, for three images of two transmitters."""
    matrix = Radio(csr_array([[-400.0, 0], [0, -10.0], [0, 0]]), np.array(["p", "q"])).arrays
    values = {"a": matrix, "b": matrix, "width": 2, "rows": np.array([[0, 1, -1]])}
    values |= {"anchors": np.array([[1, 0]]), "scale": 1.0, "zero": True}
    return list((values | {"out": np.zeros((1, 3, 2))} | changes).values())


def with_part(place, array):
    matrix = list(kernel_arguments()[0])
    matrix[place] = array
    return tuple(matrix)


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (TypeError, {"a": with_part(0, np.zeros(2, np.float32))}),
        (TypeError, {"a": with_part(1, np.zeros(2, np.int32))}),
        (TypeError, {"a": kernel_arguments()[0][:3]}),
        (TypeError, {"rows": np.array([0, 1])}),
        (TypeError, {"out": np.zeros((1, 3, 2), np.float16)}),
        (ValueError, {"b": with_part(0, np.zeros(3))}),
        (ValueError, {"b": with_part(2, np.zeros(3, np.int64))}),
        (ValueError, {"width": -1}),
        (ValueError, {"width": 2**60}),
        (ValueError, {"out": np.zeros((1, 2, 3))}),
        (ValueError, {"anchors": np.zeros((2, 2), np.int64)}),
        (IndexError, {"rows": np.array([[0, 1, 3]])}),
        (IndexError, {"anchors": np.array([[0, -2]])}),
        (IndexError, {"width": 1}),
        (IndexError, {"b": with_part(1, np.array([0, -1]))}),
        (IndexError, {"b": with_part(2, np.array([0, 1, 0, 0]))}),
        (IndexError, {"b": with_part(2, np.array([0, 1, 3, 3]))}),
    ],
)
def test_the_kernel_refuses_what_does_not_fit(error, changes):
    kernels = pytest.importorskip("gcsa._kernels", reason="not compiled")
    kernels.radio_affinities(*kernel_arguments())
    with pytest.raises(error):
        kernels.radio_affinities(*kernel_arguments(**changes))


def test_the_kernel_lets_its_arrays_go():
    kernels = pytest.importorskip("gcsa._kernels", reason="not compiled")
    matrix, *_, out = arguments = kernel_arguments()
    before = [sys.getrefcount(array) for array in (*matrix, out)]
    for _ in range(10):
        kernels.radio_affinities(*arguments)
        with pytest.raises(ValueError, match="do not fit each other"):
            kernels.radio_affinities(*arguments[:-1], np.zeros((1, 2, 3)))
        with pytest.raises(TypeError, match="out must be float32 or float64"):
            kernels.radio_affinities(*arguments[:-1], np.zeros((1, 3, 2), np.int64))
    assert [sys.getrefcount(array) for array in (*matrix, out)] == before


def test_rows_by_index_mask_and_slice():
    everything = random_radio()
    mask = np.arange(40) % 3 == 0
    for rows in (np.array([7, 0, 7]), mask, slice(3, 9)):
        part = everything[rows]
        np.testing.assert_array_equal(vectors(part), vectors(everything)[rows])
        assert len(part) == len(vectors(everything)[rows])


def test_faults_are_named():
    everything = random_radio()
    with pytest.raises(InputError, match="no 'zeros' .did you mean 'zero'"):
        pairwise_affinity(everything, everything, "zeros")
    with pytest.raises(InputError, match="60 columns for 3 transmitters"):
        Radio(everything.matrix, everything.transmitters[:3])
    with pytest.raises(InputError, match="dropout: 1.5 is not a share"):
        dropout(everything, 1.5, np.random.default_rng(0))


def test_dropout_removes_a_share_by_its_generator():
    everything = random_radio(n=200, transmitters=100, share=0.5)
    before = everything.matrix.toarray()
    thinned = dropout(everything, 0.7, np.random.default_rng(3))
    again = dropout(everything, 0.7, np.random.default_rng(3))
    other = dropout(everything, 0.7, np.random.default_rng(4))
    left = thinned.matrix.toarray()
    assert thinned.matrix.nnz / everything.matrix.nnz == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(left[left != 0], before[left != 0])
    np.testing.assert_array_equal(left, again.matrix.toarray())
    assert (left != other.matrix.toarray()).any()
    np.testing.assert_array_equal(everything.matrix.toarray(), before)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(dropout(everything, 0, rng).matrix.toarray(), before)
    assert not dropout(everything, 1, rng).has_any.any()


def test_blocks_are_far_faster_than_a_loop(way):
    """128 x 128 pairs, 2000 transmitters, 30 heard: 600 times, and 100 without the kernel."""
    random = np.random.default_rng(0)
    row = np.repeat(np.arange(128), 30)
    column = np.concatenate([random.choice(2000, 30, replace=False) for _ in range(128)])
    matrix = csr_array((random.uniform(-499, -1, len(row)), (row, column)), shape=(128, 2000))
    everything = Radio(matrix, np.array([f"t{i:04d}" for i in range(2000)]))
    dense = vectors(everything)

    def seconds(function, repeats):
        start = time.process_time()
        results = [function() for _ in range(repeats)]
        return (time.process_time() - start) / repeats, results[0]

    fast, found = min(
        (seconds(lambda: pairwise_affinity(everything, everything), 20) for _ in range(3)),
        key=lambda timed: timed[0],
    )
    slow, expected = seconds(
        lambda: np.array([[np.linalg.norm(x - y) for y in dense] for x in dense]), 1
    )
    np.testing.assert_allclose((1 - found) / 2.5e-4, expected, atol=1e-3)
    assert fast < slow / (150 if way == "compiled" else 30)


def test_arrays_of_signals_that_are_none(caplog):
    nan = np.nan
    heard = radio.from_rssi(np.array([[nan, -50.0, 0.0, 127.0], [-121.0, nan, -120.0, 3.0]]))
    expected = [[0, radio.path_loss_distance(-50.0, 2400.0) - 500, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(heard.matrix.toarray(), expected, atol=1e-9)
    assert heard.matrix.indices.tolist() == [1, 2], "-120 dBm is heard, from 500 m"
    assert "radio: 4 of 6 signals are unknown" in caplog.text, "what was not heard is no signal"


@pytest.mark.parametrize("unknown", ["zero", "published"])
def test_images_without_radio_as_side_information(unknown):
    """Query 0 and images 1 and 2 heard nothing; the published affinity is that of vectors."""
    queries, database = random_radio(2, empty=[0]), random_radio(4, seed=1, empty=[1, 2])
    parts = {"database": database, "queries": queries}
    names = {"database": list("abcd"), "queries": list("pq")}
    sets = {role: ImageSet(np.array(names[role]), radio=heard) for role, heard in parts.items()}
    side = SideInformation(Scene("s", **sets), ["radio", "radio-db"], FovConfig(), unknown)
    candidates = np.array([[3, 2, 1, 0], [0, 1, 3, -1]])
    found = side.columns(Lists(np.arange(2), candidates, 4, 4))
    for query in range(2):
        listed = candidates[query][candidates[query] >= 0]
        rows = np.concatenate([vectors(queries)[[query]], vectors(database)[listed]])
        silent = (rows == 500).all(axis=1)
        expected = 1 - 2.5e-4 * np.linalg.norm(rows[:, None] - rows, axis=-1)
        if unknown == "zero":
            expected[silent] = expected[:, silent] = 0
        count = len(rows)
        np.testing.assert_allclose(found[query, :count, :count], expected, atol=1e-6)
        np.testing.assert_allclose(
            found[query, 1:count, 5 : 4 + count], expected[1:, 1:], atol=1e-6
        )
        assert not found[query, count:].any() and not found[query, :, count:5].any()


def test_scenes_where_nobody_heard_anything(caplog):
    silent = random_radio(3, empty=range(3))
    scene = Scene("s", *(ImageSet(np.array(list(n)), radio=silent) for n in ("abc", "pqr")))
    lists = Lists(np.arange(3), np.tile(np.arange(3), (3, 1)), 3, 3)
    assert not SideInformation(scene, ["radio"], FovConfig()).columns(lists).any()
    assert "no data for affinity 'radio'" in caplog.text
    published = SideInformation(scene, ["radio"], FovConfig(), "published").columns(lists)
    np.testing.assert_array_equal(published, np.ones((3, 4, 4)))
