"""Batches hold what they should, whatever scenes they mix and however many threads fill them."""

import numpy as np
import pytest
import torch
from conftest import overrides

from gcsa.affinity import Lists
from gcsa.batches import all_queries, assemble, prepare, stream
from gcsa.config import load_config


@pytest.fixture
def scenes(world):
    config = load_config(None, overrides(world))
    return prepare(config.data, config.fov, ["positional-db", "heading"], "train", 70)


def test_a_batch_by_definition(scenes):
    K, L = 30, 12
    queries = np.array([[1, 4], [0, 2], [1, 0], [0, 19]])
    batch = assemble(scenes, queries, K, L)
    assert batch.descriptors.shape == (4, 31, 32) and batch.descriptors.dtype == torch.float16
    assert batch.columns.shape == (4, 31, 12 + 13)
    for row, (number, query) in enumerate(queries):
        ranked = scenes[number]
        listed = ranked.candidates.indices[query, :30]
        own = np.asarray(ranked.scene.queries.descriptors)[query]
        np.testing.assert_array_equal(batch.descriptors[row, 0], own)
        database = np.asarray(ranked.scene.database.descriptors)
        np.testing.assert_array_equal(batch.descriptors[row, 1:], database[listed])
        columns = ranked.side.columns(Lists(np.array([query]), listed[None], K, L))
        np.testing.assert_array_equal(batch.columns[row], columns[0])
        assert batch.labels[row, 0] and batch.valid[row].all()
        np.testing.assert_array_equal(batch.labels[row, 1:], ranked.labels[query, :30])


def test_lists_longer_than_the_database_are_padded(scenes):
    batch = assemble(scenes, np.array([[0, 0]]), 65, 70)
    assert batch.descriptors.shape[1] == 71 and batch.labels.shape[1] == 66
    assert batch.valid[0, :60].all() and not batch.valid[0, 60:].any()
    assert not batch.labels[0, 61:].any() and not batch.columns[0, 61:].any()


@pytest.mark.parametrize("workers", [0, 1, 3, 16])
def test_a_stream_keeps_the_order(scenes, workers):
    queries = np.random.default_rng(0).permutation(all_queries(scenes, with_positives=False))
    batches = list(stream(scenes, queries, 20, 10, batch_size=7, num_workers=workers))
    assert [len(b.labels) for b in batches] == [7, 7, 7, 7, 7, 5]
    whole = assemble(scenes, queries, 20, 10)
    for field in ("descriptors", "columns", "labels", "valid"):
        joined = torch.cat([getattr(b, field) for b in batches])
        assert torch.equal(joined, getattr(whole, field)), field


def test_an_error_in_a_thread_reaches_the_reader(scenes):
    queries = np.array([[0, 0], [0, 999]])
    with pytest.raises(IndexError):
        list(stream(scenes, queries, 20, 10, batch_size=1, num_workers=2))


def test_queries_with_positives(scenes):
    every, some = (all_queries(scenes, with_positives=w) for w in (False, True))
    assert len(every) == 40
    expected = [q for q in every.tolist() if scenes[q[0]].labels[q[1]].any()]
    assert some.tolist() == expected
