"""CSA from retrieval-SfM files to ROxford's figures, by the programs and by plain loops."""

import csv
import json
import pickle

import numpy as np
import pytest
import torch
from commands import call
from conftest import overrides
from landmarks import DIM, NETWORKS, write_landmarks

from gcsa.config import load_config
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluate import evaluate
from gcsa.evaluation.truth import num_relevant
from gcsa.models.checkpoint import load_checkpoint
from gcsa.report.outcomes import study
from gcsa.scoring.report import show
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.trainer import Trainer

NETWORK = "gem-b"
SMALL = {
    "model.input_dim": DIM, "model.output_dim": 32, "model.K": 12, "model.L": 9,
    "model.num_layers": 2, "model.num_heads": 4, "data.batch_size": 16, "data.num_workers": 0,
    "data.val_scenes": f"[{NETWORK}]", "train.device": "cpu", "train.precision": "fp32",
}  # fmt: skip


@pytest.fixture
def landmarks(tmp_path):
    return written(tmp_path)


def written(tmp_path, **sizes):
    write_landmarks(tmp_path / "landmarks", **sizes)
    roots = {"data.root": tmp_path / "landmarks", "data.outputs": tmp_path / "outputs"}
    return {**SMALL, **roots, "data.train_scenes": f"[{','.join(NETWORKS)}]"}


def settings(*parts, conf="csa_augrsfm120k"):
    return load_config(f"configs/{conf}.yaml", overrides(*parts))


def test_by_the_programs(tmp_path):
    """Three networks train, the loss falls; roxford5k is scored with more candidates."""
    several = written(tmp_path, images=200, landmarks=20, noise=0.6)
    conf = ["--conf", "configs/csa_augrsfm120k.yaml"]
    faster = {"train.num_epochs": 3, "train.warmup_epochs": 1, "train.learning_rate": 0.01,
              "data.batch_size": 8, "csa.dropout": 0, "csa.path_dropout": 0,
              "model.K": 24, "model.L": 15}  # fmt: skip
    call("gcsa.train", *conf, "--name", "csa", *overrides(several, faster))
    folder = tmp_path / "outputs" / "training" / "csa"
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["loss"]) < float(rows[1]["loss"]) - 0.1
    # That network alone takes part in validation and in the test.
    checkpoint, report = folder / "checkpoint_3.pth.tar", tmp_path / "report.json"
    test = [*overrides(several, {"model.L": 15}), "data.dataset=roxford5k", "--json", report]
    printed = call("gcsa.evaluate", *conf, "--checkpoint", checkpoint, "model.K=30", *test)
    figures = json.loads(report.read_text())
    assert list(figures["scenes"]) == [f"roxford5k: {NETWORK}"]
    assert f"{100 * figures['metrics']['hard mAP']:.2f}" in printed
    call("gcsa.evaluate", *conf, *test)
    before = json.loads(report.read_text())["metrics"]
    assert figures["metrics"] != before and figures["counts"]["queries"] == 20


def unit(path, role):
    array = pickle.loads(path.read_bytes())[role].astype(np.float16).astype(np.float32)
    return array


def by_hand(root, ranking, level):
    """mAP and mP@k by the definition, in loops."""
    gnd = pickle.loads((root / "annotations/roxford5k/gnd_roxford5k.pkl").read_bytes())["gnd"]
    kinds = {"easy": (["easy"], ["junk", "hard"]), "medium": (["easy", "hard"], ["junk"]),
             "hard": (["hard"], ["junk", "easy"])}[level]  # fmt: skip
    precisions, points = [], {k: [] for k in (1, 5, 10)}
    for lists, order in zip(gnd, ranking, strict=True):
        good, junk = ({row for kind in part for row in lists[kind]} for part in kinds)
        if not good:
            continue
        kept = [row for row in order if row not in junk]
        ranks = [rank for rank, row in enumerate(kept) if row in good]
        area = 0.0
        for j, rank in enumerate(ranks):
            area += ((j / rank if rank else 1) + (j + 1) / (rank + 1)) / 2
        precisions.append(area / len(good))
        for k, values in points.items():
            depth = min(ranks[-1] + 1, k)
            values.append(sum(rank < depth for rank in ranks) / depth)
    return {"mAP": np.mean(precisions)} | {f"mP@{k}": np.mean(v) for k, v in points.items()}


@pytest.mark.parametrize("K", [12, 25, 40])
def test_the_figures_by_loops(landmarks, tmp_path, K):
    """The whole database is ranked: the first K by the model, the others in their old order."""
    config = settings(landmarks, {"train.num_epochs": 1, "train.learning_rate": 0.3})
    train(config, "a")
    checkpoint = tmp_path / "outputs" / "training" / "a" / "checkpoint_1.pth.tar"
    test = {**landmarks, "data.dataset": "roxford5k", "model.K": K}
    found = evaluate(settings(test), str(checkpoint), overrides=[f"model.K={K}"])
    root = tmp_path / "landmarks"
    features = root / "test" / "roxford5k" / f"{NETWORK}.pkl"
    queries, database = unit(features, "query"), unit(features, "db")
    order = np.argsort(-(queries @ database.T), axis=1, kind="stable")
    model = load_checkpoint(checkpoint)[0]
    model.K = K
    for row, first in enumerate(order):
        listed = torch.tensor(np.concatenate([queries[row : row + 1], database[first]]))[None]
        refined = model(listed)[0]
        scores = (refined[1:] @ refined[0]).detach().numpy()
        order[row, :K] = first[:K][np.argsort(-scores, kind="stable")]
    for level in ("easy", "medium", "hard"):
        for name, value in by_hand(root, order.tolist(), level).items():
            assert found["metrics"][f"{level} {name}"] == pytest.approx(value, abs=1e-9)
    assert found["counts"] == {"queries": 8, "with_positives": 8, "database": 40}
    plain = evaluate(settings(test))["metrics"]
    assert plain != found["metrics"]


def test_several_networks_distractors_and_the_classic_protocol(landmarks):
    several = {**landmarks, "data.val_scenes": "[gem-a,gem-c]", "data.dataset": "roxford5k"}
    both = evaluate(settings(several))
    assert both["counts"]["queries"] == 16
    parts = [part["metrics"]["hard mAP"] for part in both["scenes"].values()]
    assert both["metrics"]["hard mAP"] == pytest.approx(np.mean(parts))
    harder = evaluate(settings(several, {"data.distractors": True}))
    assert harder["counts"]["database"] == 2 * 70
    assert harder["metrics"]["medium mAP"] < both["metrics"]["medium mAP"]
    classic = evaluate(settings(several, {"data.dataset": "oxford5k"}))  # from an .npz
    assert list(classic["metrics"]) == ["mAP"] and "protocols classic" in classic["protocol"]
    assert "roxford5k: gem-a" in show(both) and "medium mP@10" in show(both)


def test_scenes_of_rsfm_by_loops(landmarks):
    config = settings(landmarks)
    scenes = prepare(config.data, config.fov, [], "train", 20)
    assert [s.scene.name for s in scenes] == [f"{name}: train" for name in NETWORKS]
    path = f"{config.data.root}/annotations/retrieval-SfM-120k.pkl"
    with open(path, "rb") as file:
        clusters = np.array(pickle.load(file)["train"]["cluster"])
    for ranked in scenes:
        for image, listed in enumerate(ranked.candidates.indices):
            assert image not in listed
            assert (ranked.labels[image] == (clusters[listed] == clusters[image])).all()
        numbers = num_relevant("cluster", ranked.scene, ranked.truth, config.fov)
        assert numbers.tolist() == [(clusters == c).sum() - 1 for c in clusters]


def test_lists_are_not_mixed_between_networks(landmarks):
    config = settings(landmarks)
    trainer = Trainer(
        config, prepare(config.data, config.fov, [], "train", 12), torch.device("cpu")
    )
    order = trainer.sampler.epoch(np.random.default_rng(0))
    assert len(order) == 180 and len(set(order[:16, 0])) == 3, "a batch mixes them, a list never"
    batch = trainer.stream.assemble(order[:16], trainer.stream.own_descriptors())
    for row, (network, query) in enumerate(order[:16]):
        ranked = trainer.stream.scenes[network]
        images = np.append(query, ranked.candidates.indices[query])
        expected = np.asarray(ranked.scene.database.descriptors)[images]
        np.testing.assert_array_equal(batch.descriptors[batch.place[row]], expected)


def test_a_run_resumes_bit_for_bit(landmarks, monkeypatch, tmp_path):
    config = settings(landmarks, {"train.num_epochs": 3, "train.warmup_epochs": 1})
    train(config, "whole")
    step, calls = Trainer.step, []

    def failing(self, *batch):
        calls.append(1)
        if len(calls) == 20:  # twelve an epoch
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(KeyboardInterrupt):
        train(config, "cut")
    monkeypatch.setattr(Trainer, "step", step)
    train(config, "cut", resume=True)
    files = [tmp_path / "outputs/training" / n / "checkpoint_3.pth.tar" for n in ("whole", "cut")]
    one, two = (load_checkpoint(file)[0].state_dict() for file in files)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_there_is_no_report_of_protocols(landmarks, tmp_path):
    train(settings(landmarks, {"train.num_epochs": 1}), "a")
    path = str(tmp_path / "outputs/training/a/checkpoint_1.pth.tar")
    config = settings(landmarks, {"data.dataset": "roxford5k"})
    with pytest.raises(InputError, match="roxford5k is judged by protocols of its own"):
        study(config, path, "val")


def test_what_has_no_truth_or_no_file(landmarks):
    roxford = {**landmarks, "data.dataset": "roxford5k"}
    with pytest.raises(InputError, match="roxford5k has nothing of its own for the split"):
        train(settings(roxford, {"data.train_scenes": "[]"}), "a")
    with pytest.raises(MissingFileError, match=r"roxford5k/gem-x\.pkl: no such feature file"):
        evaluate(settings(roxford, {"data.val_scenes": "[gem-x]"}))
    with pytest.raises(InputError, match="labels .dist. need the positions of the database"):
        evaluate(settings(landmarks, {"data.val_labels": "dist"}))
    with pytest.raises(InputError, match="model.K: 0 is less than 1"):
        settings(roxford, {"model.K": 0})
