"""Training of the network of places: what it reads, resumed, and ranked by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import overrides

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.losses.place import place_loss
from gcsa.models.place_files import load_place
from gcsa.places.calibration import Calibration
from gcsa.places.inputs import FEATURES, KINDS, OF_KINDS, PAIRS
from gcsa.scoring.split import prepare
from gcsa.sideinfo.evidence import tabulated
from gcsa.sideinfo.rules import Rule
from gcsa.train import train
from gcsa.training.placing.augmentation import prepared
from gcsa.training.placing.batches import drawn, list_length
from gcsa.training.placing.course import Placing
from gcsa.training.placing.objective import loss_of
from gcsa.training.placing.questions import own_questions, questions_of
from gcsa.training.placing.variants import variant

PLACE = {
    "train.system": "place", "train.loss": "place", "train.own_positive": False,
    "data.train_labels": "dist", "data.val_labels": "dist", "model.K": 40, "place.width": 16,
    "place.hidden": 4, "place.keys": 12, "place.shortest": 20, "train.learning_rate": 3e-3,
}  # fmt: skip


def config_of(world, *settings):
    return load_config(None, overrides(world, PLACE, *settings))


def test_training_lowers_the_loss_and_ranks(world):
    rows = train(config_of(world, {"train.num_epochs": 4}), "a")
    losses = [row["loss"] for row in rows[1:]]
    assert losses[-1] < losses[0]
    config = config_of(world)
    bare = evaluate(config, method="posterior")
    figures = ("recall@1", "recall@20", "mAP@10", "mAP@20")
    for name in figures:  # the calibration has the digits of its file
        assert rows[0][name] == pytest.approx(bare["metrics"][name], abs=1e-9)
    file = f"{world['data.outputs']}/training/a/checkpoint_4.pth.tar"
    found = evaluate(config, file)
    for name in figures:
        assert rows[4][name] == pytest.approx(found["metrics"][name], abs=1e-9)
    named = replace(config, place=replace(config.place, checkpoint=file))
    assert evaluate(named, method="place")["metrics"] == found["metrics"]
    assert "ECE" in found["confidence"]


def test_resumed_to_the_bit(world):
    train(config_of(world, {"train.num_epochs": 2}), "whole")
    train(config_of(world, {"train.num_epochs": 1}), "cut")
    train(config_of(world, {"train.num_epochs": 2}), "cut", resume=True)
    states = [
        torch.load(f"{world['data.outputs']}/training/{name}/checkpoint_2.pth.tar")["model"]
        for name in ("whole", "cut")
    ]
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=0, atol=0)


def scenes_of(world):
    config = config_of(world)
    return config, prepare(config.data, config.fov, [], "train", 40)


def test_own_questions_leave_out_what_was_taken_together(world):
    config, scenes = scenes_of(world)
    scene = scenes[0].scene
    groups = np.arange(len(scene.database)) // 6
    scene = replace(scene, database=replace(scene.database, sequences=groups))
    own = own_questions(scene, Rule.of("dist"), config.fov, Calibration(), 80)
    assert len(own) == len(scene.database) and own.relevant.shape == own.candidates.indices.shape
    for q, name in enumerate(own.scene.queries.names):
        row = int(np.flatnonzero(own.scene.database.names == name)[0])
        listed = own.candidates.indices[q][own.candidates.indices[q] >= 0]
        assert not (groups[listed] == groups[row]).any() and own.left_out[q, row]


def test_what_a_query_does_not_know_is_zero(world):
    config, scenes = scenes_of(world)
    asked = questions_of(scenes[0], Rule.of("dist"), config.fov, config)[0]
    place = replace(config.place, drop=0.5)
    now = prepared(asked, place, np.random.default_rng(0))
    read = now.read(np.arange(16), 30, 12, True)
    lost = torch.from_numpy(now.unknown["compass"][:16] | now.unknown["headings"][:16])
    compass = read.evidence.kinds["compass"]
    assert lost.any() and not lost.all()
    assert not compass[lost].any() and compass[~lost].any()
    assert torch.equal(read.apart, torch.from_numpy(now.unknown["positions"][:16]))


def test_local_features_are_read_of_what_is_verified(world):
    """Where a scene has some: the evidence of the counts; none to queries that lack the source."""
    config, scenes = scenes_of(world)
    asked = questions_of(scenes[0], Rule.of("dist"), config.fov, config)[0]
    counted = []

    class Features:
        about = "sixty of each pair"

        def inliers(self, a, b):
            counted.extend(zip(a.tolist(), b.tolist(), strict=True))
            return np.full(len(a), 60.0)

    place = replace(config.place, drop=0.5)
    local = replace(asked, scene=replace(asked.scene, local=Features()), verify=3)
    now = prepared(local, place, np.random.default_rng(0))
    read = now.read(np.arange(16), 30, 12, True)
    found, lost = read.evidence.kinds["local"], torch.from_numpy(now.unknown["local"][:16])
    worth = tabulated(np.array(60.0), asked.calibration.inliers_table).item()
    assert worth > 0 and lost.any() and not found[lost].any()
    known = found[~lost]
    assert known.any() and (known != 0).sum(1).max() <= 3
    np.testing.assert_allclose(known[known != 0], worth, rtol=1e-6)
    names = set(asked.scene.queries.names.tolist())
    assert {a for a, _ in counted} <= names and len(counted) == len(set(counted))


def test_the_loss_is_the_weighted_place_loss(world):
    config, scenes = scenes_of(world)
    asked = questions_of(scenes[0], Rule.of("dist"), config.fov, config)[1]
    read = prepared(asked, replace(config.place, drop=0.0), np.random.default_rng(0)).read(
        np.arange(16), 40, 12, True
    )
    course = Placing(config, torch.device("cpu"), True)
    inputs = read.inputs
    change = course.model(*inputs)
    evidence = read.evidence
    each = place_loss(evidence.total, evidence.none, read.relevant, evidence.valid)
    expected = np.average(each.numpy(), weights=asked.weight[:16])
    assert loss_of(change, read, True).item() == pytest.approx(expected, rel=1e-5)


def test_a_variant_describes_the_same_photos_otherwise(world):
    config, scenes = scenes_of(world)
    random = np.random.default_rng(3)
    other = variant(scenes[0], "dist", config.fov, random)
    assert other.labels.shape == scenes[0].labels.shape
    assert not np.array_equal(other.candidates.indices, scenes[0].candidates.indices)
    again = variant(scenes[0], "dist", config.fov, np.random.default_rng(3))
    np.testing.assert_array_equal(other.candidates.indices, again.candidates.indices)


def test_every_query_once_in_batches_of_several_scenes():
    batches = drawn([20, 9], 16, np.random.default_rng(0))
    seen = sorted((scene, int(row)) for batch in batches for scene, rows in batch for row in rows)
    assert seen == [(0, i) for i in range(20)] + [(1, i) for i in range(9)]
    lengths = {list_length(20, 40, np.random.default_rng(i)) for i in range(200)}
    assert min(lengths) >= 20 and max(lengths) <= 40 and len(lengths) > 10


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"train.loss": "ap"}, "whose is place"), ({"train.mining": True}, "train.mining"),
     ({"model.affinity": "[heading]"}, "model.affinity")],
)  # fmt: skip
def test_settings_that_it_has_no_use_for(world, settings, said):
    with pytest.raises(InputError, match=said):
        config_of(world, settings)


def test_a_checkpoint_to_start_from(world):
    train(config_of(world, {"train.num_epochs": 1}), "a")
    file = f"{world['data.outputs']}/training/a/checkpoint_1.pth.tar"
    course = Placing(config_of(world, {"train.checkpoint": file}), torch.device("cpu"), True)
    for name, tensor in load_place(file, FEATURES, PAIRS).state_dict().items():
        torch.testing.assert_close(course.model.state_dict()[name], tensor, rtol=0, atol=0)
    with pytest.raises(InputError, match="has the sizes"):
        other = config_of(world, {"train.checkpoint": file, "place.width": 32})
        Placing(other, torch.device("cpu"), True)


def test_what_training_never_saw_says_nothing(world):
    """The test world has no radio, whose evidence counts in the posterior all the same."""
    train(config_of(world, {"train.num_epochs": 1}), "a")
    net = load_place(f"{world['data.outputs']}/training/a/checkpoint_1.pth.tar", FEATURES, PAIRS)
    column = OF_KINDS.start + 2 * KINDS.index("radio")
    assert not net.embed[0].weight[:, column : column + 2].any()
    seen = OF_KINDS.start + 2 * KINDS.index("compass")
    assert net.embed[0].weight[:, seen].any()
