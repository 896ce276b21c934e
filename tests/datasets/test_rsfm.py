"""retrieval-SfM-120k: tiny files in the real formats, read back, and what is said of wrong ones."""

import pickle

import numpy as np
import pytest

from gcsa.datasets.landmarks.rsfm import num_relevant, read_clusters, read_scenes, same_cluster
from gcsa.errors import InputError
from gcsa.ranking.retrieval import retrieve

CLUSTERS = [3, 3, 7, 1, 3, 7]


def annotations_content():
    part = {"cids": list("abcdef"), "cluster": CLUSTERS, "qidxs": [0], "pidxs": [1]}
    return {"train": part, "val": {"cids": ["x", "y"], "cluster": [0, 0]}}


def dump(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


@pytest.fixture
def annotations(tmp_path):
    return dump(tmp_path / "retrieval-SfM-120k.pkl", annotations_content())


def network(folder, name, seed, rows=6, width=4):
    random = np.random.default_rng(seed)
    arrays = {"train": random.normal(size=(rows, width)), "val": random.normal(size=(2, width))}
    arrays = {k: a / np.linalg.norm(a, axis=1, keepdims=True) for k, a in arrays.items()}
    return dump(folder / f"{name}.pkl", arrays), arrays


def test_every_image_is_a_query_of_each_network(tmp_path, annotations):
    first, second = (network(tmp_path, f"gem{seed}", seed) for seed in (0, 1))
    scenes, clusters = read_scenes(annotations, [first[0], second[0]])
    assert [s.name for s in scenes] == ["gem0: train", "gem1: train"]
    assert clusters.tolist() == CLUSTERS and clusters.dtype == np.int64
    for scene, (_, arrays) in zip(scenes, (first, second), strict=True):
        assert scene.queries is scene.database and list(scene.database.names) == list("abcdef")
        assert scene.database.descriptors.dtype == np.float16
        np.testing.assert_allclose(scene.database.descriptors, arrays["train"], atol=1e-3)
        candidates = retrieve(scene, 6)
        assert not (candidates.indices == np.arange(6)[:, None]).any(), "its own candidate"
        assert (candidates.valid.sum(axis=1) == 5).all()
    assert len(read_scenes(annotations, [first[0]], "val")[0][0].database) == 2


def test_images_of_one_cluster_are_relevant_but_not_to_themselves():
    clusters, random = np.array(CLUSTERS), np.random.default_rng(0)
    candidates = np.array([[*random.permutation(6), -1] for _ in clusters])
    labels = same_cluster(clusters, candidates)
    for i, row in enumerate(candidates):
        expected = [j >= 0 and j != i and CLUSTERS[j] == CLUSTERS[i] for j in row]
        assert labels[i].tolist() == expected
    assert num_relevant(clusters).tolist() == labels.sum(axis=1).tolist() == [2, 2, 1, 0, 2, 1]


def test_names_that_come_again_get_their_number(tmp_path):
    content = annotations_content()
    content["train"]["cids"] = list("abcabc")
    path = dump(tmp_path / "a.pkl", content)
    names, _ = read_clusters(path, "train")
    assert names.tolist() == ["a", "b", "c", "a#3", "b#4", "c#5"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("train"), "has no 'train'; expected dicts train and val"),
        (lambda c: c["train"].pop("cluster"), "'train' has no 'cluster', only cids, qidxs, pidxs"),
        (lambda c: c["train"]["cluster"].append(1), "'train' has 6 names (cids), 7 clusters"),
        (lambda c: c["train"].update(cluster=[0.5] * 6), "'train': clusters are whole numbers"),
        (lambda c: c["train"].update(cluster=["a"] * 6), "'train': clusters are whole numbers"),
    ],
)
def test_wrong_annotations(tmp_path, change, message):
    content = annotations_content()
    content["train"]["cluster"] = list(CLUSTERS)
    change(content)
    path = dump(tmp_path / "wrong.pkl", content)
    with pytest.raises(InputError) as error:
        read_clusters(path, "train")
    assert str(error.value).startswith(f"{path}: {message}")


def test_wrong_features(tmp_path, annotations):
    good = network(tmp_path, "good", 0)[0]
    with pytest.raises(
        InputError, match=r"wide\.pkl: 'train': descriptors of length 5, expected 4"
    ):
        read_scenes(annotations, [good, network(tmp_path, "wide", 0, width=5)[0]])
    with pytest.raises(InputError, match=r"few\.pkl: 'train': 5 descriptors for 6 images"):
        read_scenes(annotations, [network(tmp_path, "few", 0, rows=5)[0]])
    turned = dump(tmp_path / "turned.pkl", {"train": network(tmp_path, "t", 0)[1]["train"].T})
    with pytest.raises(InputError, match=r"turned\.pkl: 'train': shape \(4, 6\) .*transpose"):
        read_scenes(annotations, [turned])
    with pytest.raises(InputError, match=r"turned\.pkl: has no 'val', only train"):
        read_scenes(annotations, [turned], "val")
