"""LaMAR in the main job: radio kinds, label files, own images, training with and without radio."""

import logging

import numpy as np
import pytest
from captures import write_scene
from conftest import overrides
from worlds import write_descriptors

from gcsa.config import load_config
from gcsa.datasets.hloc import read_pairs
from gcsa.datasets.lamar.label_files import LabelFile, label_path, save_labels
from gcsa.datasets.lamar.scene import read_scene
from gcsa.datasets.readers import reader
from gcsa.descriptors.table import Table
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.evaluation.truth import labels
from gcsa.pairs import pairs
from gcsa.pairs_from_poses import pairs_from_poses
from gcsa.ranking.batches import Stream
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.scoring.split import prepare
from gcsa.sideinfo import radio
from gcsa.sideinfo.affinity import Lists, SideInformation
from gcsa.sideinfo.fov import FovConfig, overlap_pairs
from gcsa.train import train

SETTINGS = {
    "data.dataset": "lamar",
    "data.desc_fn": "d.h5",
    "data.train_labels": "geometry",
    "data.val_labels": "geometry",
    "data.train_scenes": "[CAB,HGE]",
    "data.val_scenes": "[CAB,HGE]",
    "data.batch_size": 5,
    "data.num_workers": 0,
    "data.radio_dropout": 0.5,
    "fov.radius": 10,
    "model.input_dim": 16,
    "model.proj_dim": 8,
    "model.output_dim": 16,
    "model.K": 12,
    "model.L": 6,
    "model.num_layers": 1,
    "model.num_heads": 2,
    "model.affinity": "[positional-db,radio,radio-db]",
    "train.init_proj": "pca",
    "train.num_epochs": 2,
    "train.device": "cpu",
}


@pytest.fixture
def halls(tmp_path):
    """Two scenes with descriptors and label files; the settings that point at them."""
    random = np.random.default_rng(0)
    for seed, name in enumerate(("CAB", "HGE")):
        write_scene(tmp_path / "datasets/lamar" / name, seed)
        for split in ("train", "val"):
            scene, _ = read_scene(tmp_path / "datasets/lamar", name, split)
            q, n = len(scene.queries), len(scene.database)
            topk = np.stack([random.permutation(n) for _ in range(q)])
            labels = random.random(topk.shape) < 0.3
            num_pos = None if split == "train" else labels.sum(1)
            path = label_path(tmp_path / "labels", name, split, "geometry")
            save_labels(path, LabelFile(topk, labels, num_pos))
        names = [*scene.database.names, *scene.queries.names]
        path = tmp_path / "outputs/lamar" / name / "d.h5"
        write_descriptors(path, names, random.normal(size=(len(names), 16)))
    roots = {"root": "datasets", "outputs": "outputs", "labels": "labels"}
    return SETTINGS | {f"data.{key}": tmp_path / folder for key, folder in roots.items()}


def scenes_of(settings, split="val", num=12):
    config = load_config(None, overrides(settings))
    return prepare(config.data, config.fov, config.model.affinity, split, num)


def test_a_training_query_is_not_its_own_candidate(halls):
    for ranked in scenes_of(halls, "train", num=30):
        n = len(ranked.scene.database)
        own = np.arange(n)[:, None]
        assert list(ranked.scene.queries.names) == list(ranked.scene.database.names)
        assert not (ranked.candidates.indices == own).any()
        assert (np.sort(ranked.candidates.indices[:, : n - 1], axis=1) < n).all()
        assert (ranked.candidates.valid.sum(axis=1) == n - 1).all()


def test_labels_come_from_the_file(halls):
    for ranked in scenes_of(halls):
        judged, candidates = ranked.truth.judged, ranked.candidates.indices
        expected = np.take_along_axis(judged.relevant.toarray(), candidates, axis=1)
        np.testing.assert_array_equal(ranked.labels, expected)
    result = evaluate(load_config(None, overrides(halls)))
    assert "LaMAR" in result["protocol"] and "geometry" in result["protocol"]


def test_a_training_query_is_not_relevant_to_itself_whatever_its_file_says(halls, tmp_path):
    path = label_path(tmp_path / "labels", "CAB", "train", "geometry")
    n = len(read_scene(tmp_path / "datasets/lamar", "CAB", "train")[0].database)
    topk = np.tile(np.arange(n), (n, 1))  # each lists itself, and all are positive
    save_labels(path, LabelFile(topk, np.ones((n, n), dtype=bool)))
    judged = scenes_of(halls, "train")[0].truth.judged
    np.testing.assert_array_equal(judged.relevant.toarray(), ~np.eye(n, dtype=bool))
    assert (judged.num_relevant == n - 1).all()


def test_radio_columns_by_definition(halls):
    for ranked in scenes_of(halls):
        scene, K, L = ranked.scene, 12, 6
        queries, candidates = np.array([0, 3]), ranked.candidates.indices[[0, 3]]
        columns = ranked.side.columns(Lists(queries, candidates, K, L))
        assert columns.shape == (2, 13, 6 + 7 + 6)
        among = radio.pairwise_affinity(scene.database.radio, scene.database.radio, "zero")
        across = radio.pairwise_affinity(scene.queries.radio, scene.database.radio, "zero")
        for b, (q, c) in enumerate(zip(queries, candidates, strict=True)):
            block = among[np.ix_(c[:K], c[:L])]
            np.testing.assert_allclose(columns[b, 1:, 7:13], block, atol=1e-5)
            np.testing.assert_allclose(columns[b, 1:, 13:], block, atol=1e-5)
            np.testing.assert_allclose(columns[b, 0, 7:13], across[q, c[:L]], atol=1e-5)
            np.testing.assert_allclose(columns[b, 1:, 6], across[q, c[:K]], atol=1e-5)
            assert not columns[b, 0, 13:].any()


def test_heights_more_than_3_m_apart_do_not_overlap():
    positions = np.array([[0, 0, 0], [1, 0, 2.9], [0, 1, 3.1]], dtype=float)
    database = ImageSet(np.array(list("abc")), positions=positions, headings=np.zeros(3))
    scene = Scene("s", database, ImageSet(np.array(["q"])))
    config = FovConfig(radius=10.0)
    lists = Lists(np.array([0]), np.array([[0, 1, 2]]), 3, 3)
    found = SideInformation(scene, ["positional-db"], config).columns(lists)[0, 1:]
    flat = overlap_pairs(positions[:, :2], np.zeros(3), **config.kwargs())
    level = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    np.testing.assert_allclose(found, flat * level, atol=1e-6)
    assert (flat > 0.5).all()


def test_radio_dropout_is_seeded_and_by_image(halls):
    scenes = scenes_of(halls)
    queries = np.array([[0, 0], [0, 1], [0, 0], [1, 2]])

    def columns(seed, share):
        table = Table([s.scene for s in scenes])
        stream = Stream(scenes, table, 12, 6, 4, seed=(seed,), radio_dropout=share)
        return stream.assemble(queries, stream.own_descriptors()).columns.numpy()

    whole, some, again, other = (columns(*a) for a in ((0, 0), (1, 0.5), (1, 0.5), (2, 0.5)))
    np.testing.assert_array_equal(some, again)
    assert (some != other).any() and (some[:, :, 6:] != whole[:, :, 6:]).any()
    np.testing.assert_array_equal(some[:, :, :6], whole[:, :, :6])
    np.testing.assert_array_equal(some[0], some[2])  # one query twice: the same images, alike


@pytest.mark.parametrize("lacking", ["nothing", "a session", "everything"])
def test_training_with_whatever_radio_there_is(halls, lacking, tmp_path, caplog):
    if lacking == "a session":
        for name in ("wifi.txt", "bt.txt"):
            path = tmp_path / "datasets/lamar/CAB/sessions/query_val_phone" / name
            path.unlink(missing_ok=True)
    settings = {**halls, "data.radio": lacking != "everything"}
    with caplog.at_level(logging.WARNING):
        rows = train(load_config(None, overrides(settings)), "run")
    assert len(rows) == 3 and np.isfinite(rows[-1]["loss"])
    silent = any("no data for affinity 'radio'" in r.getMessage() for r in caplog.records)
    assert silent == (lacking == "everything")


def test_label_files_that_do_not_fit(halls, tmp_path):
    path = label_path(tmp_path / "labels", "HGE", "val", "geometry")
    scene, _ = read_scene(tmp_path / "datasets/lamar", "HGE")
    q = len(scene.queries)
    shallow = np.tile(np.arange(5), (q, 1))
    save_labels(path, LabelFile(shallow, shallow > 2, np.full(q, 2)))
    with pytest.raises(InputError, match="HGE: its label file judges 5 candidates a query, 12 are"):
        scenes_of(halls)
    save_labels(path, LabelFile(shallow[1:], shallow[1:] > 2, np.full(q - 1, 2)))
    with pytest.raises(InputError, match=f"{q - 1} queries, the scene has {q}"):
        scenes_of(halls)
    path.unlink()
    with pytest.raises(InputError, match="no such label file .gcsa lamar.labels"):
        scenes_of(halls)
    with pytest.raises(InputError, match="no label files for this data set"):
        scene = scenes_of({**halls, "data.val_labels": "dist"})[0]
        config = load_config(None, overrides(halls))
        labels("score", scene.scene, scene.truth, scene.candidates.indices, config.fov)


def test_the_reader_is_known():
    config = load_config(None, ["data.dataset=lamar"])
    assert reader(config.data).scenes["val"] == ["CAB", "HGE", "LIN"]


def test_retrieval_leaves_equal_names_out_and_no_others():
    random = np.random.default_rng(0)
    unit = random.normal(size=(9, 4))
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float16)
    database = ImageSet(np.array([f"{i}.jpg" for i in range(9)]), unit)
    queries = ImageSet(np.array(["7.jpg", "x.jpg"]), unit[[7, 7]])
    found = retrieve(Scene("s", database, queries), 9).indices
    assert found[0, -1] == -1 and set(found[0, :-1]) == set(range(9)) - {7}
    assert found[1, 0] == 7 and set(found[1]) == set(range(9))


def test_pairs_need_no_label_files(halls, tmp_path):
    """They are what the images are matched by, from which labels are made."""
    config = load_config(None, overrides(halls, {"data.labels": tmp_path / "none"}))
    written = pairs(config, str(tmp_path / "{scene}.txt"), num=3)
    written += pairs(config, str(tmp_path / "{scene}_map.txt"), split="train", num=3)
    written += pairs_from_poses(config, str(tmp_path / "{scene}_poses.txt"))
    assert len(written) == 6 and all(len(read_pairs(path)[0]) for path in written)


def test_training_scenes_are_measured_by_the_rule_of_the_metrics(halls, tmp_path):
    """Not by that of training, whose label files say the opposite here."""
    for name in ("CAB", "HGE"):
        path = label_path(tmp_path / "labels", name, "train", "geometry")
        content = dict(np.load(path))
        images = read_scene(tmp_path / "datasets/lamar", name)[0].database.names
        opposite = LabelFile(content["topk"], ~content["labels"].astype(bool), None, images, images)
        save_labels(label_path(tmp_path / "labels", name, "train", "scores"), opposite)
    one, other = (
        evaluate(load_config(None, overrides(halls, {"data.train_labels": rule})), split="train")
        for rule in ("geometry", "score")
    )
    assert one["metrics"] == other["metrics"]
    assert "Queries are the images of the map themselves" in one["protocol"]
