"""First-round retrieval against NumPy, and re-ordering."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.errors import InputError
from gcsa.ranking import retrieval
from gcsa.ranking import search as search_module
from gcsa.ranking.lists import Ranking
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene


def scene(database, queries):
    def images(prefix, rows):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        names = np.array([f"{prefix}{i}" for i in range(len(rows))])
        return ImageSet(names, descriptors=unit.astype(np.float16))

    return Scene("s", images("d", database), images("q", queries))


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 1000),
    st.integers(1, 30),
    st.sampled_from([(3, 7), (3, 25), (2048, 4096)]),
    st.sampled_from(["fp32", "half", "faiss"]),
)
def test_equals_numpy(seed, num, chunks, search):
    random = np.random.default_rng(seed)
    s = scene(random.normal(size=(25, 6)), random.normal(size=(10, 6)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "QUERY_CHUNK", chunks[0])
        patch.setattr(search_module, "QUERY_CHUNK", chunks[0])
        patch.setattr(search_module, "DATABASE_CHUNK", chunks[1])
        patch.setattr(retrieval, "KEPT", 60)
        found = retrieve(s, num, search=search)
    similarity = s.queries.descriptors.astype("f4") @ s.database.descriptors.astype("f4").T
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :num]
    k = min(num, 25)
    ranked = np.take_along_axis(similarity, found.indices[:, :k], axis=1)
    np.testing.assert_allclose(ranked, np.take_along_axis(similarity, expected, 1), atol=1e-6)
    np.testing.assert_allclose(found.scores[:, :k], ranked, atol=1e-6)
    assert all(len(set(row[:k])) == k for row in found.indices)
    assert found.indices.shape == (10, num)
    assert (found.indices[:, k:] == -1).all() and not found.valid[:, k:].any()
    assert np.isneginf(found.scores[:, k:]).all()


def test_half_precision_finds_what_full_precision_does(monkeypatch):
    """Also where hundreds of scores are nearer to each other than rounding is exact."""
    random = np.random.default_rng(0)
    near = random.normal(size=64) + 1e-3 * random.normal(size=(400, 64))
    some = near[:20] + 0.1 * random.normal(size=(20, 64))
    s = scene(np.concatenate([near, random.normal(size=(2000, 64))]),
              np.concatenate([some, random.normal(size=(20, 64))]))  # fmt: skip
    again = []
    exact = search_module.Search.best
    monkeypatch.setattr(
        search_module.Search,
        "best",
        lambda self, rows: again.append(len(rows)) or exact(self, rows),
    )
    half = retrieve(s, 30, search="half")
    searched_again = sum(again)
    full = retrieve(s, 30, search="fp32")
    np.testing.assert_allclose(half.scores, full.scores, atol=1e-6)
    assert (half.indices == full.indices).mean() > 0.99
    assert 0 < searched_again < 40, "some are sure at once, some are not"


def test_a_query_is_not_its_own_candidate():
    random = np.random.default_rng(1)
    images = scene(random.normal(size=(12, 6)), np.eye(6)).database
    for search in ("fp32", "half", "faiss"):
        found = retrieve(Scene("s", images, images), 12, search=search)
        assert not (found.indices == np.arange(12)[:, None]).any()
        assert (found.indices[:, 11] == -1).all() and (found.indices[:, :11] >= 0).all()


def test_faiss_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="search: faiss is not installed"):
        retrieve(scene(np.eye(3), np.eye(3)), 2, search="faiss")


def test_a_search_that_is_no_choice():
    s = scene(np.eye(3), np.eye(3))
    with pytest.raises(InputError, match="search: 'bf16' is not a choice"):
        retrieve(s, 2, search="bf16")


def test_equal_scores_come_in_database_order():
    s = scene(np.ones((9, 4)), np.ones((2, 4)))
    assert (retrieve(s, 9).indices == np.arange(9)).all()


def test_reordered_keeps_ties_and_the_tail():
    first = Ranking(np.array([[7, 3, 9, 1, 4]]), np.array([[5, 4, 3, 2, 1]], dtype="f4"))
    again = first.reordered(np.array([[0.1, 0.9, 0.1]], dtype="f4"))
    assert again.indices.tolist() == [[3, 7, 9, 1, 4]]
    np.testing.assert_allclose(again.scores[0, :3], [0.9, 0.1, 0.1])
    assert np.isneginf(again.scores[0, 3:]).all()
    assert first.indices.tolist() == [[7, 3, 9, 1, 4]], "the input is left as it was"


def test_padding_stays_last_whatever_its_score():
    first = Ranking(np.array([[7, 3, -1]]), np.array([[2, 1, -np.inf]], dtype="f4"))
    again = first.reordered(np.array([[0.1, 0.2, 99]], dtype="f4"))
    assert again.indices.tolist() == [[3, 7, -1]]


def test_a_score_that_is_no_number_is_an_error():
    first = Ranking(np.array([[7, 3]]), np.zeros((1, 2), dtype="f4"))
    with pytest.raises(InputError, match="not a number"):
        first.reordered(np.array([[0.1, np.nan]], dtype="f4"))


def test_retrieval_needs_descriptors():
    names = ImageSet(np.array(["a"]))
    with pytest.raises(InputError, match="bare: retrieval needs descriptors"):
        retrieve(Scene("bare", names, names), 1)


def test_padding_stands_last():
    with pytest.raises(InputError, match="padding .-1. stands before a candidate"):
        Ranking(np.array([[0, -1, 2]]), np.zeros((1, 3), np.float32))
