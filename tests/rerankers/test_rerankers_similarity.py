"""Similarities and neighbours against NumPy and explicit loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reranker_scenes import descriptors_of, distances_of, make_scene, matrices_of, random_scene

from gcsa.errors import InputError
from gcsa.rerankers import similarity as module
from gcsa.rerankers.similarity import FromDescriptors, FromMatrices
from gcsa.rerankers.topk import members, nearest, top
from gcsa.scene import ImageSet, Scene

SOURCES = [descriptors_of, matrices_of]


def loop_neighbours(similarity, row, k):
    """Others by falling similarity, equal ones in database order."""
    others = [j for j in range(len(similarity)) if j != row]
    return sorted(others, key=lambda j: (-similarity[row, j], j))[:k]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 100), st.integers(0, 12), st.integers(1, 5))
def test_top_is_a_stable_sort(seed, k, levels):
    scores = np.random.default_rng(seed).integers(levels, size=(3, 4, 9)).astype(np.float32)
    values, columns = top(torch.from_numpy(scores), k)
    expected = np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    assert (columns.numpy() == expected).all()
    assert (values.numpy() == np.take_along_axis(scores, expected, -1)).all()


@pytest.mark.parametrize("work", [24 << 20, 700, 1])
@pytest.mark.parametrize("source", SOURCES)
def test_neighbours_equal_loops_in_any_chunks(source, work, monkeypatch):
    monkeypatch.setitem(module.WORK_BYTES, "cpu", work)
    monkeypatch.setattr(module, "SEARCH_ROWS", 1)
    # Whole numbers: inner products are exact, and many are equal.
    rows = np.random.default_rng(3).choice([-0.5, 0.5], size=(23, 4)).astype(np.float32)
    scene = make_scene(rows[:2], rows)
    asked = torch.tensor([4, 22, 0, 9])
    values, found = source(scene).neighbours(asked, 8)
    similarity = rows @ rows.T
    for i, row in enumerate(asked.tolist()):
        expected = loop_neighbours(similarity, row, 8)
        assert found[i].tolist() == expected
        assert values[i].tolist() == similarity[row, expected].tolist()


def test_an_image_is_not_its_own_neighbour_even_beside_a_copy():
    rows = np.eye(3, dtype=np.float32)[[0, 0, 1, 0]]
    found = descriptors_of(make_scene(rows[:1], rows)).neighbours(torch.arange(4), 2)[1]
    assert found.tolist() == [[1, 3], [0, 3], [0, 1], [0, 1]]


def test_there_are_no_more_neighbours_than_others():
    scene = random_scene(0, database=5)
    assert descriptors_of(scene).neighbours(torch.arange(5), 99)[1].shape == (5, 4)
    assert descriptors_of(random_scene(0, database=1)).neighbours(torch.zeros(1).long(), 3)[
        1
    ].shape == (1, 0)


def test_neighbours_are_looked_for_again_only_where_more_are_asked(monkeypatch):
    similarity, searches = descriptors_of(random_scene(1)), []
    search = FromDescriptors._search
    monkeypatch.setattr(
        FromDescriptors, "_search", lambda *args: searches.append(args[2]) or search(*args)
    )
    rows = torch.arange(30)
    many = similarity.neighbours(rows, 9)
    few = similarity.neighbours(rows.clone(), 4)
    assert searches == [9]
    assert all(torch.equal(f, m[:, :4]) for f, m in zip(few, many, strict=True))
    fresh = descriptors_of(random_scene(1)).neighbours(rows[3:7], 9)
    assert torch.equal(similarity.neighbours(rows[3:7], 9)[1], fresh[1])
    similarity.neighbours(rows[3:7], 10)
    assert searches == [9, 9, 9, 10]


@pytest.mark.parametrize("K, L", [(3, 5), (5, 2), (4, 4), (2, 0), (0, 0)])
@pytest.mark.parametrize("source", [*SOURCES, distances_of])
def test_listed_equals_loops(source, K, L):
    scene, index = random_scene(2), torch.tensor([[4, 7, -1, 2, 9], [1, -1, -1, -1, -1]])
    queries = torch.tensor([3, 0])
    block = source(scene).listed(queries, index, K, L)
    assert block.shape == (2, 1 + K, 1 + L)

    def vector(b, place):
        if place == 0:
            return scene.queries.descriptors[queries[b]]
        row = int(index[b, place - 1])
        return scene.database.descriptors[row] if row >= 0 else np.zeros(12)

    for b in range(2):
        for i in range(1 + K):
            for j in range(1 + L):
                assert block[b, i, j] == pytest.approx(vector(b, i) @ vector(b, j), abs=1e-6)


def test_listed_reads_memory_maps_of_half_precision(tmp_path):
    scene = random_scene(5)
    np.save(tmp_path / "d.npy", scene.database.descriptors.astype(np.float16))
    mapped = make_scene(scene.queries.descriptors, np.load(tmp_path / "d.npy", mmap_mode="r"))
    similarity = FromDescriptors(mapped)
    exact = mapped.database.descriptors.astype(np.float32)
    block = similarity.listed(torch.tensor([0]), torch.tensor([[8, 3]]), 2, 2)
    assert block[0, 1, 2] == pytest.approx(exact[8] @ exact[3], abs=1e-6)
    values, found = similarity.neighbours(torch.tensor([6]), 1)
    assert values[0, 0] == pytest.approx(np.delete(exact @ exact[6], 6).max(), abs=1e-6)


def test_members_and_nearest_leave_padding_and_self_out():
    block = torch.tensor([[[1.0, 0.9, 0.8, 9.0], [0.9, 1.0, 0.2, 9.0], [0.8, 0.2, 1, 9], [9] * 4]])
    valid = torch.tensor([[True, True, True, False]])
    order = nearest(block, valid, 2)
    assert order[0, :3].tolist() == [[1, 2], [0, 2], [0, 1]]
    table = members(nearest(block, valid, 1), valid)[0]
    assert table.nonzero().tolist() == [[0, 1], [1, 0], [2, 0]]
    everything = members(nearest(block, valid, 99), valid)[0]
    assert everything.sum() == 6, "three images, each with the two others"


def test_matrices_may_be_memory_maps_of_half_precision(tmp_path):
    scene = random_scene(6)
    queries, database = scene.queries.descriptors, scene.database.descriptors
    for name, matrix in (("q", queries @ database.T), ("d", database @ database.T)):
        np.save(tmp_path / f"{name}.npy", matrix.astype(np.float16))
    mapped = FromMatrices(*(np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in "qd"))
    index = torch.tensor([[8, 3, -1]])
    found = mapped.listed(torch.tensor([2]), index, 3, 3)
    expected = matrices_of(scene).listed(torch.tensor([2]), index, 3, 3)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-3)
    assert mapped.neighbours(torch.tensor([8]), 4)[1].shape == (1, 4)


def test_neighbours_by_distances():
    scene, rows = random_scene(7), torch.tensor([3, 11])
    values, found = distances_of(scene).neighbours(rows, 6)
    expected, order = descriptors_of(scene).neighbours(rows, 6)
    assert (found == order).all()
    np.testing.assert_allclose(values.numpy(), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "queries, database, message",
    [
        (np.zeros(3), np.zeros((3, 3)), r"query_database: expected shape \(Q, G\), got \(3,\)"),
        (np.zeros((2, 3)), np.zeros((3, 4)), r"database_database: expected shape \(3, 3\)"),
        (np.zeros((2, 3), int), np.zeros((3, 3)), "query_database: expected floating-point"),
        (np.zeros((2, 3)), np.diag([0, 0, np.nan]), "database_database: row 2 is not finite"),
        (np.full((2, 3), np.inf), np.zeros((3, 3)), "query_database: row 0 is not finite"),
    ],
)
def test_matrices_are_checked(queries, database, message):
    with pytest.raises(InputError, match=message):
        FromMatrices(queries, database)


def test_descriptors_are_needed():
    names = ImageSet(np.array(["a"]))
    with pytest.raises(InputError, match="bare: re-ranking by descriptors needs descriptors"):
        FromDescriptors(Scene("bare", names, names))
