"""Batches hold what they should, whatever scenes they mix and however many threads fill them."""

import numpy as np
import pytest
import torch
from conftest import overrides

from gcsa.config import load_config
from gcsa.descriptors.table import Table
from gcsa.ranking.batches import Known, Stream
from gcsa.scoring.split import prepare
from gcsa.sideinfo.affinity import Lists


@pytest.fixture
def scenes(world):
    config = load_config(None, overrides(world))
    return prepare(config.data, config.fov, ["positional-db", "heading"], "train", 70)


def make_stream(scenes, K, L, **options):
    return Stream(scenes, Table([s.scene for s in scenes]), K, L, **{"batch_size": 7, **options})


def every_query(scenes):
    return np.array([(i, q) for i, s in enumerate(scenes) for q in range(len(s.candidates))])


def test_a_batch_by_definition(scenes):
    K, L = 30, 12
    queries = np.array([[1, 4], [0, 2], [1, 0], [0, 19]])
    stream = make_stream(scenes, K, L)
    batch = stream.assemble(queries, stream.own_descriptors())
    assert batch.place.shape == (4, 31) and batch.descriptors.dtype == torch.float16
    assert batch.columns.shape == (4, 31, 12 + 13) and batch.valid is None
    listed = batch.descriptors[batch.place]
    for row, (number, query) in enumerate(queries):
        ranked = scenes[number]
        candidates = ranked.candidates.indices[query, :30]
        own = np.asarray(ranked.scene.queries.descriptors)[query]
        np.testing.assert_array_equal(listed[row, 0], own)
        database = np.asarray(ranked.scene.database.descriptors)
        np.testing.assert_array_equal(listed[row, 1:], database[candidates])
        columns = ranked.side.columns(Lists(np.array([query]), candidates[None], K, L))
        np.testing.assert_array_equal(batch.columns[row], columns[0])
        assert batch.labels[row, 0]
        np.testing.assert_array_equal(batch.labels[row, 1:], ranked.labels[query, :30])


def test_an_image_is_gathered_once(scenes):
    queries = every_query(scenes)[:9]
    stream = make_stream(scenes, 20, 10)
    batch = stream.assemble(queries, stream.own_descriptors())
    assert len(batch.descriptors) == len(np.unique(stream.numbers(queries))) < 9 * 21


def test_known_images_are_rows_of_what_the_receiver_has(scenes):
    queries = every_query(scenes)[3:12]
    stream = make_stream(scenes, 20, 10)
    images = np.unique(stream.numbers(queries))
    batch = stream.assemble(queries, Known(images, len(stream.table)))
    assert batch.descriptors is None
    np.testing.assert_array_equal(images[batch.place], stream.numbers(queries))


def test_lists_longer_than_the_database_are_padded(scenes):
    stream = make_stream(scenes, 65, 70)
    batch = stream.assemble(np.array([[0, 0]]), stream.own_descriptors())
    assert batch.place.shape[1] == 71 and batch.labels.shape[1] == 66
    assert batch.valid[0, :60].all() and not batch.valid[0, 60:].any()
    assert not batch.labels[0, 61:].any() and not batch.columns[0, 61:].any()


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 3, 16])
def test_a_stream_keeps_the_order(scenes, workers, resident):
    queries = np.random.default_rng(0).permutation(every_query(scenes))
    stream = make_stream(scenes, 20, 10, num_workers=workers)
    stream.table = Table([s.scene for s in scenes], resident=resident)
    # What is read of a batch before the next is asked for, as the trainer does.
    found = [
        (b.descriptors[b.place], b.columns, b.labels)
        for b in stream.batches(queries, stream.own_descriptors())
    ]
    assert [len(f[0]) for f in found] == [7, 7, 7, 7, 7, 5]
    whole = stream.assemble(queries, stream.own_descriptors())
    expected = whole.descriptors[whole.place], whole.columns, whole.labels
    for parts, all_at_once in zip(zip(*found, strict=True), expected, strict=True):
        assert torch.equal(torch.cat(parts), all_at_once)


def test_an_error_in_a_thread_reaches_the_reader(scenes):
    stream = make_stream(scenes, 20, 10, batch_size=1, num_workers=2)
    with pytest.raises(IndexError):
        list(stream.batches(np.array([[0, 0], [0, 999]]), stream.own_descriptors()))


def test_chunks_of_a_table_are_its_rows(scenes, monkeypatch):
    monkeypatch.setattr("gcsa.descriptors.table.CHUNK", 16)
    for resident in (False, True):
        table = Table([s.scene for s in scenes], resident=resident)
        sets = [i for s in scenes for i in (s.scene.queries, s.scene.database)]
        everything = np.concatenate([np.asarray(i.descriptors) for i in sets])
        assert len(table) == len(everything)
        numbers = np.flatnonzero(np.random.default_rng(1).random(len(table)) < 0.7)
        found = np.full((len(numbers), 32), np.nan, dtype="f4")
        for part, block in table.chunks(numbers):
            found[part] = block
        np.testing.assert_array_equal(found, everything[numbers])
