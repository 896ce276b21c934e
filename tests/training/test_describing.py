"""Runs that train a descriptor network: from photos to a checkpoint that gcsa extract reads."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import overrides
from describing_worlds import config_of, photo_world

from gcsa.__main__ import main
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.networks import load_network
from gcsa.errors import InputError
from gcsa.train import train
from gcsa.training.describing.describing import Describing

CPU = torch.device("cpu")
PLACES = {
    "train.loss": "multi-similarity",
    "descriptor.batches": "places",
    "descriptor.places": 3,
    "descriptor.images": 2,
    "descriptor.cell": 20.0,
    "descriptor.sector": 360.0,
}
GROUPS = {
    "train.loss": "cosface",
    "descriptor.batches": "groups",
    "descriptor.cell": 20.0,
    "descriptor.sector": 360.0,
    "descriptor.apart": 1,
    "descriptor.turned": 1,
    "descriptor.least": 2,
}
AP = {**PLACES, "train.loss": "ap", "descriptor.chunk": 4}
# The rate decays, and the cache's interval grows, behind the epoch that a run is resumed after.
GROWING = {"train.remine": 4, "mining.growth": 2, "train.lr_gamma": 0.5}
WAYS = {"tuples": {}, "growing": GROWING, "places": PLACES, "groups": GROUPS, "AP": AP}


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """A ResNet-18 of few channels: the same layers and names in a hundredth of the time."""
    monkeypatch.setattr("gcsa.descriptors.networks.resnet.WIDTHS", (8, 8, 16, 16))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return photo_world(tmp_path_factory.mktemp("photos"))


def outputs(world, tmp_path):
    return {**world, "data.outputs": tmp_path / "out"}


def tensors(folder, epoch):
    content = torch.load(folder / f"checkpoint_{epoch}.pth.tar", weights_only=True)
    return content["state_dict"]


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_run_is_the_uninterrupted_one(world, tmp_path, way):
    """To the bit, by every way of choosing batches, with augmentation."""
    changed = {**outputs(world, tmp_path), **WAYS[way], "descriptor.flip": 0.5}
    two = {"train.num_epochs": 2}
    whole = train(config_of(changed, two), "whole")
    train(config_of(changed), "half")
    rows = train(config_of(changed, two), "half", resume=True)
    assert rows == whole and [row["epoch"] for row in rows] == [0, 1, 2]
    folder = tmp_path / "out" / "training"
    first, second = tensors(folder / "whole", 2), tensors(folder / "half", 2)
    assert all(torch.equal(first[name], second[name]) for name in first)
    start = tensors(folder / "whole", 1)
    assert any(not torch.equal(first[name], start[name]) for name in first)


def test_a_checkpoint_describes_as_the_training_did(world, tmp_path, monkeypatch):
    """load_network, and gcsa extract --weights, with the size and whitening of the training."""
    changed = {**outputs(world, tmp_path), "descriptor.whiten": 5, "train.keep_best": True}
    config = config_of(changed)
    train(config, "run")
    file = tmp_path / "out/training/run/checkpoint_best.pth.tar"
    course = Describing(config, CPU, fresh=True)
    course.epoch(1)
    paths = course.collection.paths[:3]
    expected = course.describe(paths)
    network = load_network(file)
    assert network.length == 5 and network.name == "cosplace over ResNet18, trained by gcsa"
    pixels = torch.stack([course.photos.read(np.array([row]))[0] for row in range(3)])
    found = network(network.normalise(network.resize(pixels))).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert load_network(file, whiten=False).length == 8

    photos = paths[0].parent
    output = tmp_path / "d.h5"
    words = f"gcsa extract --images {photos} --weights {file} --output {output} --dtype float32"
    monkeypatch.setattr("sys.argv", [*words.split(), "--orientation", "ignore"])
    main()
    pack = open_pack(output)
    row = list(pack.names).index(paths[0].name)
    np.testing.assert_allclose(np.asarray(pack.array[row], np.float32), expected[0], atol=1e-3)


def test_a_run_goes_on_from_its_checkpoint(world, tmp_path, caplog):
    """Where resume.pth.tar is lost: the network of the last epoch, and a fresh optimiser."""
    changed = outputs(world, tmp_path)
    train(config_of(changed), "run")
    folder = tmp_path / "out/training/run"
    (folder / "resume.pth.tar").unlink()
    rows = train(config_of(changed, {"train.num_epochs": 2}), "run", resume=True)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert "goes on from checkpoint_1.pth.tar, with a fresh optimiser" in caplog.text


def test_training_helps(world, tmp_path):
    """On photos that say where they are, the loss of the tuples falls."""
    changed = {**outputs(world, tmp_path), "train.num_epochs": 3, "descriptor.steps": 5}
    rows = train(config_of(changed, {"train.learning_rate": 1e-3}), "run")
    losses = [row["loss"] for row in rows[1:]]
    assert losses[-1] < 0.8 * losses[0]


def test_a_loss_that_is_not_finite_stops(world, tmp_path):
    huge = {"train.learning_rate": 1e30, "train.optimizer": "sgd", "descriptor.steps": 5}
    with pytest.raises(InputError, match=r"epoch 1, step \d: the loss is (nan|inf)"):
        train(config_of(outputs(world, tmp_path), huge), "run")


@pytest.mark.parametrize("head", ["cosplace", "netvlad"])
def test_what_is_frozen_is_computed_once_and_changes_nothing(world, head):
    prefix = "backbone" if head == "cosplace" else "encoder"
    settings = {"descriptor.head": head, "descriptor.clusters": 4, "descriptor.sampled": 20}
    config = config_of(world, settings, {"descriptor.freeze": f"{prefix}.6"})
    kept, plain = Describing(config, CPU, True), Describing(config, CPU, True)
    assert kept.frozen is not None
    plain.frozen = None
    frozen = {name: p.clone() for name, p in kept.model.named_parameters() if not p.requires_grad}
    assert frozen and kept.epoch(1) == pytest.approx(plain.epoch(1), abs=1e-6)
    for (name, one), other in zip(
        kept.model.named_parameters(), plain.model.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-5)
        if name in frozen:
            assert torch.equal(one, frozen[name])


def test_netvlad_starts_from_centres_of_the_photos(world):
    settings = {"descriptor.head": "netvlad", "descriptor.clusters": 4, "descriptor.sampled": 20}
    pool = Describing(config_of(world, settings), CPU, True).model.body.pool
    weights = pool.conv.weight.flatten(1)
    directions = torch.nn.functional.normalize(pool.centroids, dim=1)
    alpha = weights.norm(dim=1)
    torch.testing.assert_close(weights, alpha[:, None] * directions)
    assert alpha.std() < 1e-3 * alpha.mean() and alpha.mean() > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"descriptor.head": "netvlat"}, "descriptor.head: 'netvlat' .*did you mean 'netvlad'"),
        ({"descriptor.backbone": "dinov2-b"}, "descriptor.backbone: cosplace stands on vgg16"),
        ({"descriptor.freeze": "backbone.9"}, "descriptor.freeze: no layer 'backbone.9'"),
        ({"descriptor.size": "32"}, "descriptor.size: '32', expected HEIGHTxWIDTH"),
        ({"descriptor.jitter": "[0.1]"}, "descriptor.jitter: .* expected four numbers"),
        ({"train.checkpoint": "c.pth"}, "train.checkpoint: .* from descriptor.weights"),
        ({"train.compile": True}, "train.compile: descriptors have no use for it"),
        ({"train.loss": "cosface"}, "train.loss: cosface with descriptor.batches=tuples"),
        ({"descriptor.whiten": 100}, "descriptor.whiten: 100 numbers of 60 photos"),
        ({"mining.farthest": 1.1}, "train.mining: no query of the training scenes"),
        ({**PLACES, "descriptor.images": 50}, "descriptor.images: 0 places"),
        ({**GROUPS, "descriptor.least": 50}, "descriptor.least: no group has two classes"),
        (
            {"descriptor.batch_norm": "train", "descriptor.chunk": 4},
            "descriptor.batch_norm=train: the statistics are of a batch",
        ),
    ],
)
def test_what_cannot_be_trained_is_said(world, changes, message):
    with pytest.raises(InputError, match=message):
        Describing(config_of(world, changes), CPU, True).epoch(1)


def test_a_missing_photo_is_named(world, tmp_path):
    other = photo_world(tmp_path)
    gone = next((tmp_path / "datasets/msls/train_val/boston/query/images").iterdir())
    gone.unlink()
    with pytest.raises(InputError, match=f"{gone.name}: no such photo, nor 0 others"):
        Describing(config_of(other), CPU, True)


PROGRAM = """
import sys
from gcsa.descriptors.networks import resnet
resnet.WIDTHS = (8, 8, 16, 16)
from gcsa.errors import run_program
from gcsa.train import main
run_program(main)
"""


def test_two_processes_train_as_one_does(world, tmp_path):
    """In parts, with augmentation, each describing its share of every batch."""
    program, conf = tmp_path / "program.py", tmp_path / "c.yaml"
    program.write_text(PROGRAM)
    conf.write_text("train: {optimizer: sgd}\n")
    changed = {**outputs(world, tmp_path), **AP, "descriptor.flip": 0.5, "train.learning_rate": 0.1}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    rdzv = ["--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0"]
    for name, launch in (
        ("one", []),
        ("two", ["-m", "torch.distributed.run", "--nproc_per_node=2", *rdzv]),
    ):
        command = [sys.executable, *launch, str(program), "--name", name, "--conf", str(conf)]
        done = subprocess.run(
            [*command, *overrides(changed)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("epoch 1: loss") == 1, "one process speaks"
    folder = tmp_path / "out" / "training"
    one, two = tensors(folder / "one", 1), tensors(folder / "two", 1)
    start = dict(Describing(config_of(changed), CPU, True).model.body.state_dict())
    assert any(not torch.equal(one[name], start[name]) for name in one)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5)
