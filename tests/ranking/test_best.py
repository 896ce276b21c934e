"""The compiled selection against sorting, and against what stands in where nothing is compiled."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.ranking import search
from gcsa.ranking.best import Best
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene

_kernels = pytest.importorskip("gcsa._kernels", reason="nothing is compiled")

INF = np.inf


def selected(scores, num, sizes):
    kept, first = Best(len(scores), num), 0
    for size in sizes:
        kept.join(torch.from_numpy(np.ascontiguousarray(scores[:, first : first + size])), first)
        first += size
    assert first == scores.shape[1]
    return [part.numpy() for part in kept.result()]


def sorted_by_numpy(scores, num):
    scores = np.where(np.isnan(scores), -INF, scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :num]
    found = np.take_along_axis(scores, order, axis=1)
    padding = ((0, 0), (0, num - order.shape[1]))
    found = np.pad(found, padding, constant_values=-INF)
    return found, np.where(found == -INF, -1, np.pad(order, padding, constant_values=-1))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_equals_sorting(data):
    seed, levels = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.sampled_from([2, 9, 10**6]))
    rows, num = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([1, 2, 17, 90, 400]))
    sizes = data.draw(st.lists(st.integers(1, 300), min_size=1, max_size=6))
    random = np.random.default_rng(seed)
    scores = (random.integers(-levels, levels, (rows, sum(sizes))) / levels).astype(np.float32)
    scores[random.random(scores.shape) < 0.05] = random.choice([-INF, np.nan, -0.0, 1e-42, 3e38])
    for order in (scores, np.sort(scores, axis=1), -np.sort(-scores, axis=1)):
        found, expected = selected(order, num, sizes), sorted_by_numpy(order, num)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_threads_share_the_rows():
    scores = np.random.default_rng(0).normal(size=(7, 900)).astype(np.float32)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        shared = selected(scores, 20, [500, 400])
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(shared[1], sorted_by_numpy(scores, 20)[1])


def test_without_a_compiler_it_is_the_same(monkeypatch):
    random = np.random.default_rng(1)

    def images(prefix, count):
        rows = random.normal(size=(count, 16))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return ImageSet(np.array([f"{prefix}{i}" for i in range(count)]), rows.astype(np.float16))

    scene = Scene("s", images("d", 500), images("q", 40))
    monkeypatch.setattr(search, "DATABASE_CHUNK", 130)
    compiled = retrieve(scene, 60, search="fp32")
    monkeypatch.setattr(search, "COMPILED", False)
    plain = retrieve(scene, 60, search="fp32")
    np.testing.assert_array_equal(compiled.scores, plain.scores)
    np.testing.assert_array_equal(compiled.indices, plain.indices)


def arrays(num=3, rows=2, room=64):
    keys, counts = np.zeros((rows, room), np.uint64), np.zeros(rows, np.int64)
    return [keys, counts, np.full(rows, -INF, np.float32), num]


SCORES = np.zeros((2, 5), np.float32)


@pytest.mark.parametrize(
    "change, error, said",
    [
        ({0: np.zeros((2, 64))}, TypeError, "keys must be uint64"),
        ({0: np.zeros((3, 64), np.uint64)}, ValueError, "do not fit"),
        ({0: np.zeros((2, 35), np.uint64)}, ValueError, "do not fit"),
        ({1: np.zeros(3, np.int64)}, ValueError, "do not fit"),
        ({2: np.zeros(1, np.float32)}, ValueError, "do not fit"),
        ({3: 0}, ValueError, "do not fit"),
        ({1: np.array([0, 65])}, IndexError, "a count is none"),
        ({1: np.array([-1, 0])}, IndexError, "a count is none"),
        ({4: np.zeros((3, 5), np.float32)}, ValueError, "do not fit"),
        ({4: np.zeros((2, 10), np.float32)[:, ::2]}, (BufferError, ValueError), None),
        ({5: -1}, ValueError, "do not fit"),
        ({5: 2**32}, ValueError, "do not fit"),
    ],
)
def test_arguments_that_cannot_be(change, error, said):
    given_ = [*arrays(), SCORES, 0]
    for place, value in change.items():
        given_[place] = value
    with pytest.raises(error, match=said):
        _kernels.best_joined(*given_)


def test_results_that_do_not_fit():
    out = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.int64)
    _kernels.best_written(*arrays(), *out)
    assert (out[1] == -1).all() and np.isneginf(out[0]).all()
    with pytest.raises(ValueError, match="do not fit"):
        _kernels.best_written(*arrays(4), *out)
    with pytest.raises(ValueError, match="do not fit"):
        _kernels.best_written(*arrays(), out[0], np.zeros((2, 4), np.int64))
    kept = arrays()
    with pytest.raises(ValueError, match="shares memory"):
        _kernels.best_written(*kept, kept[0].view(np.float32)[:, :3].copy(), kept[0].view("i8"))
