"""Parameters of re-rankers: chosen on training scenes, by every combination, and on them alone."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from benchmark_worlds import CPU, KINDS, checkpoint, mean_ap
from conftest import overrides

from gcsa.benchmark import benchmark
from gcsa.benchmark.contenders import FUSION_GRID, Trained, contenders
from gcsa.benchmark.tuning import check_relevant, training_scenes, tune
from gcsa.config import load_config
from gcsa.datasets.readers import READERS
from gcsa.errors import InputError
from gcsa.models.checkpoint import load_checkpoint
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers import RERANKERS, Method
from gcsa.rerankers.similarity import FromDescriptors
from gcsa.scoring.ranker import rerank
from gcsa.scoring.split import prepare


@pytest.fixture
def config(world):
    return load_config(None, overrides(world, {"data.num_workers": 0}))


@pytest.fixture(autouse=True)
def small_grids(monkeypatch):
    """The grids themselves are tested with the re-rankers."""
    grids = {"alpha-qe": {"k": [1, 3, 9], "alpha": [0.0, 3.0]}, "dba": {"k": [6, 2]}}
    for name, grid in grids.items():
        monkeypatch.setitem(RERANKERS, name, replace(RERANKERS[name], grid=grid))


def chosen(result):
    return {row.name: row.settings for row in result.rows}


def test_parameters_are_the_best_of_all_on_training_scenes(config):
    result = benchmark(config, methods=["alpha-qe"], candidates=30, tune_queries=10_000)
    scenes = prepare(config.data, config.fov, [], "train", 30)
    assert [s.scene.name for s in scenes] == ["zurich", "boston"]
    scores = {}
    for k, alpha in product([1, 3, 9], [0.0, 3.0]):
        settings = RERANKERS["alpha-qe"].config(k=k, alpha=alpha)
        parts = [
            RERANKERS["alpha-qe"].rerank(FromDescriptors(s.scene), s.candidates, settings)
            for s in scenes
        ]
        values = [mean_ap(s.scene, s.truth, r) for s, r in zip(scenes, parts, strict=True)]
        scores[k, alpha] = np.mean(values)  # both have 20 queries, each with a relevant image
    k, alpha = max(scores, key=scores.get)
    assert len(set(scores.values())) > 3
    assert chosen(result)["alpha-qe"] == {"k": k, "alpha": alpha}
    assert "40 training queries (zurich, boston)" in result.source


def shuffle_truth(root, city):
    """Give the queries of a city each other's positions."""
    path = root / "datasets/msls/train_val" / city / "query/postprocessed.csv"
    table = pd.read_csv(path, index_col=0)
    order = np.random.default_rng(1).permutation(len(table))
    table[["easting", "northing"]] = table[["easting", "northing"]].to_numpy()[order]
    table.to_csv(path, lineterminator="\n")


def move_away(root, city):
    """Let the queries of a city be 10 km from where its database is."""
    path = root / "datasets/msls/train_val" / city / "query/postprocessed.csv"
    table = pd.read_csv(path, index_col=0)
    table["northing"] += 10_000
    table.to_csv(path, lineterminator="\n")


def test_the_reported_split_has_no_say_in_the_parameters(config, tmp_path):
    file = checkpoint(tmp_path / "c.pth.tar", config)

    def run():
        return benchmark(config, {"Net": file}, "val", ["alpha-qe", "dba"], 12, 15)

    before = run()
    shuffle_truth(tmp_path, "cph")
    after = run()
    assert chosen(after) == chosen(before)
    assert after.rows[0].metrics != before.rows[0].metrics, "the labels did change"
    shuffle_truth(tmp_path, "zurich")
    shuffle_truth(tmp_path, "boston")
    assert chosen(run()) != chosen(before), "labels of the training scenes do have a say"


def test_tuning_is_done_without_the_reported_split(config, monkeypatch):
    """Nothing of it is read while parameters are chosen, and nothing of it is handed over."""
    reader, read = READERS["msls"], []

    def noting(data, name, split):
        read.append((name, split, data.train_labels))
        return reader.read(data, name, split)

    monkeypatch.setitem(READERS, "msls", replace(reader, read=noting))
    scenes = training_scenes(config, 30, 10, CPU)
    for contender in contenders(["alpha-qe", "dba"], [], 30, CPU, config):
        tune(contender, scenes, config)
    assert read == [("zurich", "train", "dist"), ("boston", "train", "dist")], (
        "the rule of validation"
    )


def test_queries_without_a_relevant_image_are_left_out(config, tmp_path, caplog):
    (contender,) = contenders(["alpha-qe"], [], 30, CPU, config)
    caplog.set_level("INFO")
    move_away(tmp_path, "zurich")
    scenes = training_scenes(config, 30, 10_000, CPU)
    settings = tune(contender, scenes, config)
    check_relevant(scenes, config)
    zurich, boston = scenes
    ranking = contender.start(boston)(**settings)
    expected = mean_ap(boston.scene, boston.truth, ranking)
    assert f"mAP@10 {100 * expected:.2f} % on training queries, best of 6" in caplog.text
    move_away(tmp_path, "boston")
    with pytest.raises(InputError, match="no training query has a relevant image to tune by"):
        benchmark(config, methods=["dba"])


def test_scenes_in_both_parts_are_refused(config):
    pattern = "zurich: query 'query/images/.*' would be tuned on and reported; .*--no_tuning"
    both = replace(config, data=replace(config.data, val_scenes=["zurich"]))
    with pytest.raises(InputError, match=pattern):
        benchmark(both, methods=["dba"])
    with pytest.raises(InputError, match=pattern):
        benchmark(config, methods=["dba"], split="train")
    assert len(benchmark(config, methods=["dba"], split="train", tune_queries=0).rows) == 2


def test_random_queries_of_all_training_scenes(config):
    def names(count, seed=0):
        seeded = replace(config, train=replace(config.train, seed=seed))
        scenes = training_scenes(seeded, 30, count, CPU)
        return {s.scene.name: s.scene.queries.names.tolist() for s in scenes}, scenes

    some, scenes = names(13)
    assert sum(map(len, some.values())) == 13 and set(some) == {"zurich", "boston"}
    assert some == names(13)[0] and some != names(13, seed=1)[0]
    assert len(names(1)[1]) == 1, "a scene without a chosen query is left out"
    whole = {s.scene.name: s for s in prepare(config.data, config.fov, [], "train", 30)}
    for part in scenes:
        full = whole[part.scene.name]
        known = full.scene.queries.names.tolist()
        rows = np.array([known.index(name) for name in part.scene.queries.names])
        assert (np.diff(rows) > 0).all()
        assert (part.candidates.indices == full.candidates.indices[rows]).all()
        assert (part.truth.positions == full.truth.positions[rows]).all()
        assert (part.truth.headings == full.truth.headings[rows]).all()
        assert (part.scene.queries.headings == full.scene.queries.headings[rows]).all()


def test_one_similarity_for_all_settings_of_a_scene_the_first_key_outermost(config, monkeypatch):
    tried, similarities = [], []

    def note(similarity, candidates, settings):
        tried.append((settings.k, settings.qe_k))
        similarities.append(similarity)
        return candidates

    grid = {"k": [9, 1], "qe_k": [0, 5]}
    monkeypatch.setitem(RERANKERS, "dba", Method(RERANKERS["dba"].config, note, grid))
    scenes = training_scenes(config, 30, 10_000, CPU)
    (contender,) = contenders(["dba"], [], 30, CPU, config)
    settings = tune(contender, scenes, config)
    assert tried == 2 * [(9, 0), (9, 5), (1, 0), (1, 5)] and len(set(map(id, similarities))) == 2
    assert settings["k"] == 9 and settings["qe_k"] == 0, "of equals the first"


def test_grid_of_the_fusion(config, tmp_path):
    trained = Trained("t", load_checkpoint(checkpoint(tmp_path / "c", config))[0], KINDS, config)
    fusion = contenders([], [trained], 40, CPU, config)[-1]
    assert fusion.grid is FUSION_GRID and fusion.settings == {"weight": 0.5, "normalise": "min-max"}
    (scene,) = prepare(config.data, config.fov, KINDS, "val", 40)
    tried = fusion.start(scene)
    first = retrieve(scene.scene, 40)
    assert (tried(weight=0.0, normalise="z").indices == first.indices).all()
    refined = rerank(trained.model, [scene], config.data)[0]
    assert (tried(weight=1.0, normalise="z").indices == refined.indices).all()
