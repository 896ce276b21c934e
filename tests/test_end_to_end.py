"""The whole way on a tiny miniworld, by the commands of the README."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from commands import call

TINY = {
    "data.train_scenes": "[trondheim,amsterdam]",
    "data.val_scenes": "[cph]",
    "data.test_scenes": "[miami]",
    "data.desc_fn": "global-feats-miniworld.h5",
    "train.device": "cpu",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("miniworld")
    call("gcsa.miniworld", "--out", root, "--size", "tiny", "--workers", 2)
    return root


def test_the_main_job(world):
    dim = json.loads((world / "miniworld.json").read_text())["descriptor"]["dim"]
    settings = {**TINY, "data.root": world / "datasets", "data.outputs": world / "outputs"}
    settings |= {"model.input_dim": dim, "model.proj_dim": 64, "model.output_dim": 64}
    settings |= {"model.K": 60, "model.L": 30, "train.num_epochs": 2, "model.num_heads": 4}
    overrides = [f"{key}={value}" for key, value in settings.items()]
    runs = world / "outputs" / "training"

    call("gcsa.train", "--name", "pre", "--conf", "configs/miniworld_pretrain.yaml", *overrides)
    pretrained = f"train.checkpoint={runs}/pre/checkpoint_best.pth.tar"
    stage_2 = ["--name", "main", "--conf", "configs/miniworld_train.yaml", *overrides, pretrained]
    call("gcsa.train", *stage_2)
    checkpoint = runs / "main" / "checkpoint_2.pth.tar"

    conf = ["--conf", "configs/miniworld_train.yaml", *overrides]
    report = world / "report.json"
    call("gcsa.evaluate", *conf, "--checkpoint", checkpoint, "--json", report)
    result = json.loads(report.read_text())
    assert 0 < result["metrics"]["mAP@10"] < 1 and list(result["scenes"]) == ["cph"]

    challenge = world / "challenge.csv"
    printed = call(
        "gcsa.msls.test", *conf[:2], "--checkpoint", checkpoint, "--output", challenge, *overrides
    )
    table = np.loadtxt(challenge, dtype=str, ndmin=2)
    assert table.shape[1] == 21 and "MSLS test cities" in printed
    with zipfile.ZipFile(world / "challenge.zip") as archive:
        assert archive.namelist() == ["challenge.csv"]


def test_indoors(tmp_path):
    call("gcsa.miniworld.building", "--out", tmp_path, "--size", "tiny", "--workers", 2)
    feats = tmp_path / "outputs" / "lamar" / "{scene}" / "global-feats-miniworld.h5"
    root, scenes = tmp_path / "datasets" / "lamar", ["CAB", "HGE"]
    labels = ["--output", tmp_path / "labels", "--descriptors", feats, "--scenes", *scenes]
    call("gcsa.lamar.labels", "--root", root, *labels)
    world = json.loads((tmp_path / "miniworld-building.json").read_text())
    settings = {"root": "datasets", "outputs": "outputs", "labels": "labels"}
    settings = {f"data.{key}": tmp_path / folder for key, folder in settings.items()}
    settings |= {f"data.{split}_scenes": "[CAB,HGE]" for split in ("train", "val", "test")}
    settings |= {"model.input_dim": world["descriptor"]["dim"], "model.proj_dim": 32}
    settings |= {"model.output_dim": 32, "model.K": 40, "model.L": 20, "train.num_epochs": 1}
    settings |= {"train.checkpoint": "null", "train.init_proj": "pca", "train.device": "cpu"}
    conf = ["--conf", "configs/miniworld_lamar_train.yaml"]
    conf += [f"{key}={value}" for key, value in settings.items()]
    call("gcsa.train", "--name", "indoors", *conf)
    checkpoint = tmp_path / "outputs" / "training" / "indoors" / "checkpoint_1.pth.tar"
    report = tmp_path / "poses.json"
    options = ["--output", tmp_path / "localize", "--submission", "--json", report]
    options += ["--checkpoint", checkpoint, "--method", "mean"]
    call("gcsa.lamar.localize", *conf, *options)
    results = json.loads(report.read_text())["results"]
    assert {"first_round", "reranked"} == set(results["total"])
    call("gcsa.lamar.localize", *conf, *options, "--split", "test")
    with zipfile.ZipFile(tmp_path / "localize" / "submission.zip") as archive:
        names = {f"{s}_query_{d}.txt" for s in scenes for d in ("phone", "hololens")}
        assert set(archive.namelist()) == names | {"description.txt"}
