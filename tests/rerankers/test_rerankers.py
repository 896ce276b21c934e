"""What holds for every re-ranker: padding, short lists, K, batches, descriptors or matrices."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from reranker_scenes import (
    by_index,
    descriptors_of,
    distances_of,
    first_round,
    make_scene,
    matrices_of,
    pad,
    random_scene,
    unit,
)

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers import RERANKERS, method
from gcsa.rerankers import lists as lists_module
from gcsa.rerankers import similarity as similarity_module
from gcsa.rerankers.similarity import FromDescriptors
from gcsa.scene import ImageSet, Scene

# Small neighbourhoods, so that lists of a dozen have some structure.
SMALL = {
    "average-qe": {"k": 3},
    "alpha-qe": {"k": 3, "alpha": 2.0},
    "dba": {"k": 3, "qe_k": 2},
    "k-reciprocal": {"k1": 4, "k2": 2},
    "icfrr": {"KG": 6, "KQ": 3},
    "affinity": {"L": 5},
    "diffusion": {"k": 4, "alpha": 0.9},
}
# Those that see the candidates as a set: their order among themselves says nothing.
OF_SETS = {"k-reciprocal": {}, "diffusion": {}, "affinity": {"L": 0}}
ALL = pytest.mark.parametrize("name", RERANKERS)
OF_MATRICES = pytest.mark.parametrize("name", [name for name in RERANKERS if name != "dba"])
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def config_of(name, **more):
    return RERANKERS[name].config(**{**SMALL[name], **more})


def run(name, similarity, candidates, **more):
    return RERANKERS[name].rerank(similarity, candidates, config_of(name, **more))


def same(found, expected, width):
    """The first ``width`` entries are the same, but for rounding."""
    assert (found.indices[:, :width] == expected.indices[:, :width]).all()
    np.testing.assert_allclose(found.scores[:, :width], expected.scores[:, :width], atol=2e-6)


@ALL
def test_something_moves_and_nothing_is_lost(name):
    scene = random_scene(0, queries=10)
    first = first_round(scene, 12)
    found = run(name, descriptors_of(scene), first)
    assert (np.sort(found.indices) == np.sort(first.indices)).all()
    assert (found.indices != first.indices).any()
    assert (np.diff(found.scores) <= 0).all() and found.scores.dtype == np.float32


@ALL
def test_padding_changes_nothing_and_stays_last(name):
    scene = random_scene(1)
    first = first_round(scene, 12)
    found = run(name, descriptors_of(scene), pad(first, 5))
    same(found, run(name, descriptors_of(scene), first), 12)
    assert (found.indices[:, 12:] == -1).all() and np.isneginf(found.scores[:, 12:]).all()


@ALL
def test_padding_is_not_compared(name, monkeypatch):
    """Lists of 30 candidates, padded to 2000, stay within the bound that lists of 40 pass."""
    scene = random_scene(1)
    monkeypatch.setattr(lists_module, "LARGEST_LIST", 41 * (4 * 12 + lists_module.ARRAYS * 4 * 41))
    expected = run(name, descriptors_of(scene), first_round(scene, 30))
    same(run(name, descriptors_of(scene), pad(first_round(scene, 30), 1970)), expected, 30)


@ALL
def test_what_stands_behind_padding_changes_nothing(name):
    """Neither the score there, nor any image that is not listed (padding reads one or other)."""
    scene = random_scene(2, queries=1)
    first = pad(first_round(scene, 8), 4)
    expected = run(name, descriptors_of(scene), first)
    loud = Ranking(first.indices, np.where(first.valid, first.scores, np.float32(9)))
    same(run(name, descriptors_of(scene), loud), expected, 12)
    if name not in ("dba", "icfrr"):  # these look for neighbours in all the database
        database = scene.database.descriptors.copy()
        database[np.setdiff1d(np.arange(30), first.indices)] = scene.queries.descriptors[0]
        changed = make_scene(scene.queries.descriptors, database)
        same(run(name, descriptors_of(changed), first), expected, 12)


@ALL
def test_lists_of_different_lengths_do_not_disturb_each_other(name):
    scene = random_scene(3)
    first = first_round(scene, 12)
    lengths = np.array([12, 1, 0, 7])
    missing = np.arange(12) >= lengths[:, None]
    mixed = Ranking(np.where(missing, -1, first.indices), np.where(missing, -np.inf, first.scores))
    found = run(name, descriptors_of(scene), mixed)
    for query, length in enumerate(lengths):
        one = make_scene(scene.queries.descriptors[query : query + 1], scene.database.descriptors)
        alone = Ranking(
            first.indices[query : query + 1, :length], first.scores[query : query + 1, :length]
        )
        expected = run(name, descriptors_of(one), alone)
        assert found.indices[query, :length].tolist() == expected.indices[0].tolist()
        np.testing.assert_allclose(found.scores[query, :length], expected.scores[0], atol=2e-6)
        assert (found.indices[query, length:] == -1).all()


@ALL
def test_a_single_candidate_stays(name):
    scene = random_scene(4)
    first = first_round(scene, 1)
    assert (run(name, descriptors_of(scene), first).indices == first.indices).all()


@ALL
def test_nothing_but_padding(name):
    scene = random_scene(4)
    empty = Ranking(np.full((4, 3), -1), np.full((4, 3), -np.inf, dtype=np.float32))
    found = run(name, descriptors_of(scene), empty)
    assert (found.indices == -1).all() and np.isneginf(found.scores).all()


@ALL
def test_lists_without_entries(name):
    scene = random_scene(4)
    none = Ranking(np.zeros((4, 0), dtype=np.int64), np.zeros((4, 0), dtype=np.float32))
    assert run(name, descriptors_of(scene), none).indices.shape == (4, 0)


@ALL
def test_beyond_k_first_round_order_stays(name):
    scene = random_scene(5)
    first = first_round(scene, 12)
    found = run(name, descriptors_of(scene), first, K=7)
    assert (found.indices[:, 7:] == first.indices[:, 7:]).all()
    assert np.isneginf(found.scores[:, 7:]).all() and np.isfinite(found.scores[:, :7]).all()
    assert (np.sort(found.indices[:, :7]) == np.sort(first.indices[:, :7])).all()
    same(run(name, descriptors_of(scene), first, K=99), run(name, descriptors_of(scene), first), 12)


@OF_MATRICES
@pytest.mark.parametrize("source", [matrices_of, distances_of])
def test_matrices_serve_as_well_as_descriptors(name, source):
    scene = random_scene(6)
    first = pad(first_round(scene, 12), 2)
    same(run(name, source(scene), first), run(name, descriptors_of(scene), first), 12)


@ALL
def test_batches_of_any_size_give_the_same(name, monkeypatch):
    scene = random_scene(7, queries=9)
    first = pad(first_round(scene, 12), 2)
    whole = run(name, descriptors_of(scene), first)
    for work in (1, 20_000):
        monkeypatch.setitem(similarity_module.WORK_BYTES, "cpu", work)
        same(run(name, descriptors_of(scene), first), whole, 14)


@pytest.mark.parametrize("name", OF_SETS)
def test_the_order_of_the_candidates_says_nothing(name):
    scene = random_scene(8)
    first = first_round(scene, 12)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(12), (4, 1)), axis=1)
    shuffled = Ranking(np.take_along_axis(first.indices, order, axis=1), first.scores)
    found = run(name, descriptors_of(scene), first, **OF_SETS[name])
    again = run(name, descriptors_of(scene), shuffled, **OF_SETS[name])
    for query in range(4):
        assert by_index(again, query) == pytest.approx(by_index(found, query), abs=2e-6)


# ICFRR and diffusion see which of equals is listed among the nearest.
@pytest.mark.parametrize("name", [n for n in RERANKERS if n not in ("icfrr", "diffusion")])
def test_equals_keep_first_round_order(name):
    rows = np.ones((9, 4), dtype=np.float32) / 2
    scene = make_scene(rows[:2], rows)
    first = Ranking(np.array([[3, 1, 8, 0, 5], [6, 5, 4, 3, 2]]), np.ones((2, 5), dtype=np.float32))
    assert (run(name, descriptors_of(scene), first).indices == first.indices).all()


@ALL
def test_copies_of_the_query_in_the_database(name):
    """A database image is a query, too: retrieval leaves it out, and nothing brings it back."""
    rows = unit(np.random.default_rng(9), 20)
    rows[7] = rows[3]
    names = np.array([f"d{i}" for i in range(20)])
    database = ImageSet(names, descriptors=rows)
    scene = Scene("s", database, ImageSet(names[:5], descriptors=rows[:5]))
    found = run(name, FromDescriptors(scene), retrieve(scene, 20))
    for query in range(5):
        assert query not in found.indices[query]
        assert len(set(found.indices[query].tolist())) == 20, "19 others and a padding"
    assert found.indices[3, 0] == 7


@ALL
def test_candidates_must_be_of_the_scene(name):
    scene = random_scene(0)
    first = first_round(scene, 5)
    with pytest.raises(InputError, match="candidates: 3 lists, but 4 queries"):
        run(name, descriptors_of(scene), Ranking(first.indices[:3], first.scores[:3]))
    with pytest.raises(InputError, match="candidates: database row 30 of 30"):
        run(name, descriptors_of(scene), Ranking(np.full((4, 5), 30), first.scores))


@ALL
def test_settings_and_grid(name):
    """Every setting can come from a config file, and every value of the grid is allowed."""
    cls, grid = RERANKERS[name].config, RERANKERS[name].grid
    keys = {f.name for f in fields(cls)}
    assert "K" in keys and cls().K == 0 and set(grid) < keys
    assert OmegaConf.to_object(OmegaConf.structured(cls)) == cls()
    for key, values in grid.items():
        assert [getattr(replace(cls(), **{key: v}), key) for v in values] == values
    with pytest.raises(InputError, match=rf"{name}.K: -1 is not a number of 0 or more"):
        cls(K=-1)


@pytest.mark.parametrize("name", ["k-reciprocal", "diffusion", "affinity"])
def test_lists_too_long_to_compare_all_pairs(name, monkeypatch):
    monkeypatch.setattr(lists_module, "LARGEST_LIST", 3000)
    scene = random_scene(0)
    run(name, matrices_of(scene), first_round(scene, 7), K=6)
    with pytest.raises(InputError, match="candidates: 12 a list take .* set K lower"):
        run(name, matrices_of(scene), first_round(scene, 12))


def test_unknown_names():
    assert method("icfrr") is RERANKERS["icfrr"]
    with pytest.raises(InputError, match="no re-ranker 'alfa-qe' .did you mean 'alpha-qe'"):
        method("alfa-qe")


@ALL
def test_descriptors_held_as_tensors(name):
    """As a GPU holds them."""
    scene = random_scene(10)
    first = pad(first_round(scene, 12), 2)
    held = descriptors_of(scene)
    held._queries = torch.from_numpy(scene.queries.descriptors)
    held._database = torch.from_numpy(scene.database.descriptors)
    same(run(name, held, first), run(name, descriptors_of(scene), first), 14)


@pytest.mark.parametrize("device", DEVICES)
@ALL
def test_devices_agree(name, device):
    scene = random_scene(10)
    first = pad(first_round(scene, 12), 2)
    found = run(name, FromDescriptors(scene, device), first)
    same(found, run(name, descriptors_of(scene), first), 14)
