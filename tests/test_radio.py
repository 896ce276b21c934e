"""Radio: physics and affinities, against an independent reckoning."""

import math
import time

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from gcsa import radio
from gcsa.errors import InputError
from gcsa.radio import Radio, affinity_block, align, dropout, pairwise_affinity, stack


def random_radio(n=40, transmitters=60, share=0.2, seed=0, empty=()):
    random = np.random.default_rng(seed)
    dense = random.uniform(-499, 0, (n, transmitters))
    dense *= random.random((n, transmitters)) < share
    dense[list(empty)] = 0
    return Radio(csr_array(dense), np.array([f"t{i:03d}" for i in range(transmitters)]))


def vectors(observed):
    return observed.matrix.toarray() + 500


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


def test_pairwise_affinity_is_that_of_dense_vectors():
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


def test_two_images_by_hand():
    a = Radio(csr_array([[-400.0, -500.0, 0.0]]), np.array(["p", "q", "r"]))
    b = Radio(csr_array([[-100.0, 0.0, -200.0]]), np.array(["p", "q", "r"]))
    expected = 1 - 2.5e-4 * math.sqrt(300**2 + 500**2 + 200**2)
    assert pairwise_affinity(a, b).item() == pytest.approx(expected, abs=1e-12)


def test_long_matrices_go_in_parts(monkeypatch):
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
def test_blocks_are_cut_from_the_pairwise_matrix(unknown):
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


def test_blocks_are_far_faster_than_a_loop():
    """128 x 128 pairs, 2000 transmitters, 30 heard; measured 120 to 150 times, CSR given."""
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

    fast, found = min(seconds(lambda: pairwise_affinity(everything, everything), 20) for _ in "abc")
    slow, expected = seconds(
        lambda: np.array([[np.linalg.norm(x - y) for y in dense] for x in dense]), 1
    )
    np.testing.assert_allclose((1 - found) / 2.5e-4, expected, atol=1e-3)
    assert fast < slow / 40
