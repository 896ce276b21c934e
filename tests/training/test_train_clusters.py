"""Labels by cluster, and figures of lists over several scenes, by loops."""

import numpy as np
import pytest

from gcsa.datasets.readers import scene_names
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.evaluation.figures import Figures
from gcsa.evaluation.listed import ListedTruth, rows_to_lists
from gcsa.evaluation.protocols import PROTOCOLS
from gcsa.evaluation.truth import Clusters, Truth, labels, num_relevant
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig


def clustered(seed=0):
    """Queries a, b, ... of which some are images of the database, too; not in its order."""
    random = np.random.default_rng(seed)
    names, queries = np.array(list("abcdefghij")), np.array(list("dxbyjz"))
    database = random.integers(3, size=10)
    own = dict(zip(names, database, strict=True))
    clusters = np.array([own.get(name, number) for number, name in enumerate(queries)])
    scene = Scene("s", ImageSet(names), ImageSet(queries))
    return scene, Truth(np.full((6, 2), np.nan), clusters=Clusters(clusters, database))


@pytest.mark.parametrize("seed", range(5))
def test_relevant_is_what_shows_the_same_but_not_the_image_itself(seed):
    scene, truth = clustered(seed)
    random = np.random.default_rng(seed)
    listed = np.array([[*random.permutation(10), -1] for _ in range(6)])
    found = labels("cluster", scene, truth, listed, FovConfig())
    for q, row in enumerate(listed):
        expected = [
            i >= 0
            and truth.clusters.database[i] == truth.clusters.queries[q]
            and scene.database.names[i] != scene.queries.names[q]
            for i in row
        ]
        assert found[q].tolist() == expected
    assert num_relevant("cluster", scene, truth, FovConfig()).tolist() == found.sum(1).tolist()
    assert found.any() and (truth.clusters.queries > 2).any(), "one query alone shows its thing"


def test_data_without_clusters_or_without_a_split():
    scene, truth = clustered()
    bare = Truth(truth.positions)
    for rule in (labels, num_relevant):
        more = [np.zeros((6, 1), dtype=int)] if rule is labels else []
        with pytest.raises(InputError, match="s: labels 'cluster': its images are not labelled"):
            rule("cluster", scene, bare, *more, FovConfig())
    with pytest.raises(InputError, match="rsfm has nothing of its own for the split 'test'"):
        scene_names(DataConfig(dataset="rsfm"), "test")


def listed_truth(random, queries, images):
    def rows():
        return [random.choice(images, size=random.integers(0, 3)) for _ in range(queries)]

    return ListedTruth({name: rows_to_lists(rows(), images) for name in ("easy", "hard", "junk")})


def test_figures_are_of_all_queries_together():
    """Over scenes of other sizes: each query counts once, however many its scene has."""
    random, names = np.random.default_rng(0), ("revisited-easy", "revisited-hard")
    truths = [listed_truth(random, *size) for size in ((2, 9), (7, 20))]
    orders = [np.array([random.permutation(t.shape[1]) for _ in range(t.shape[0])]) for t in truths]
    parts = list(zip(orders, truths, strict=True))
    found = Figures.joined([Figures.of_lists(names, *part) for part in parts]).summary()
    each = [
        PROTOCOLS["revisited-hard"](order[[q]], ListedTruth(
            {name: rows[[q]] for name, rows in truth.lists.items()}))["mAP"]
        for order, truth in parts for q in range(len(order))
    ]  # fmt: skip
    assert found["metrics"]["hard mAP"] == pytest.approx(np.nanmean(each))
    assert np.isnan(each).any(), "a query without a hard image does not count"
    assert found["counts"]["queries"] == 9 and found["counts"]["database"] == 29
    either = 0
    for truth in truths:
        for q in range(truth.shape[0]):
            easy, hard, junk = (set(truth[n][[q]].indices) for n in ("easy", "hard", "junk"))
            either += bool(easy - hard - junk or hard - easy - junk)
    assert found["counts"]["with_positives"] == either < 9
    assert [key.split()[0] for key in found["metrics"]] == ["easy"] * 4 + ["hard"] * 4
