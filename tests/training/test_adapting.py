"""The network of places adapted to a database: held-out drives, and the guard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import overrides

from gcsa.calibrate import learn
from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.models.place import PlaceNet
from gcsa.models.place_files import save_place
from gcsa.places.inputs import FEATURES, PAIRS
from gcsa.scoring.calibration import network_file, network_for
from gcsa.scoring.split import prepare
from gcsa.sideinfo.rules import Rule
from gcsa.training.placing import adapting
from gcsa.training.placing.adapting import Adapted, Held, adapted, held_out, measured, words
from gcsa.training.placing.questions import own_questions

RULE = Rule.of("dist")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PlaceNet(FEATURES, PAIRS, 8, 1, 2, 4, 8)


def scene_of(world, groups=10):
    config = load_config(None, overrides(world, {"data.val_labels": "dist"}))
    scene = prepare(config.data, config.fov, [], "val", 40)[0].scene
    rows = np.arange(len(scene.database)) % groups
    return config, replace(scene, database=replace(scene.database, sequences=rows))


def test_whole_drives_are_held_out(world):
    config, scene = scene_of(world)
    questions = own_questions(
        scene, RULE, config.fov, adapting.calibrated(scene, RULE, config.fov), 40
    )
    held = held_out(questions, 0)
    names = scene.database.names.tolist()
    rows = np.array([names.index(name) for name in questions.scene.queries.names])
    groups = scene.database.sequences[rows]
    assert not set(groups[held]) & set(groups[~held]) and held.mean() == pytest.approx(0.3)


def test_without_training_nothing_changes(world, network, monkeypatch):
    """At zero weights the network measures exactly as the posterior does."""
    monkeypatch.setattr(adapting, "EPOCHS", 0)
    config, scene = scene_of(world)
    found = adapted(scene, RULE, config.fov, network, 40)
    assert found.posterior == found.before == found.after and not found.better
    monkeypatch.setattr(adapting, "EPOCHS", 1)
    trained = adapted(scene, RULE, config.fov, network, 40)
    assert trained.posterior == found.posterior and trained.after != found.after
    assert not network.head.weight.any(), "what it starts from stays"


@pytest.mark.parametrize(
    ("loss", "recall", "kept"), [(0.9, 0.5, True), (0.9, 0.49, False), (1.0, 0.6, False)]
)
def test_only_what_is_better_is_kept(network, loss, recall, kept):
    found = Adapted(network, Held(1.1, 0.5), Held(1.0, 0.4), Held(loss, recall), 60)
    assert found.better is kept
    assert ("not kept" in words(found)) is not kept


def test_the_measured_loss_is_that_of_the_place(world):
    config, scene = scene_of(world)
    calibration = adapting.calibrated(scene, RULE, config.fov)
    questions = own_questions(scene, RULE, config.fov, calibration, 40)
    found = measured(None, questions, 40)
    locator = adapting.prepared(
        questions,
        adapting.PlaceConfig(drop=0, compass_noise=0, position_noise=0),
        np.random.default_rng(0),
    ).locator
    logits = locator.weigh(questions.candidates, questions.left_out).total
    every = np.concatenate([logits, np.full((len(logits), 1), calibration.none)], axis=1)
    chance = np.exp(every - np.logaddexp.reduce(every, axis=1)[:, None])
    right = np.where(
        questions.relevant.any(1), (chance[:, :-1] * questions.relevant).sum(1), chance[:, -1]
    )
    expected = np.average(-np.log(right), weights=questions.weight)
    assert found.loss == pytest.approx(expected, rel=1e-4)


def test_the_program_writes_what_is_better_and_it_is_found_again(
    world, tmp_path, network, monkeypatch
):
    save_place(tmp_path / "start.pth.tar", network)
    settings = {"data.val_labels": "dist", "place.checkpoint": str(tmp_path / "start.pth.tar")}
    config = load_config(None, overrides(world, settings))
    better = Adapted(network, Held(1, 0.5), Held(1, 0.5), Held(0.5, 0.6), 60)
    monkeypatch.setattr("gcsa.training.placing.adapting.adapted", lambda *_: better)
    (file,) = learn(config)
    assert file == network_file(config, "cph") and file.is_file()
    scene = prepare(config.data, config.fov, [], "val", 40)[0].scene
    free = load_config(None, overrides(world, {"data.val_labels": "dist"}))
    assert network_for(free, scene) == str(file)
    assert network_for(config, scene) == str(tmp_path / "start.pth.tar"), "what is named goes first"
    other = load_config(None, overrides(world, {"data.val_labels": "fov"}))
    assert network_for(other, scene) == "", "another rule"
    worse = replace(better, after=Held(2, 0.1))
    monkeypatch.setattr("gcsa.training.placing.adapting.adapted", lambda *_: worse)
    learn(config)
    assert not file.exists(), "what an earlier call left is outdated"


def test_a_database_of_which_nothing_is_known(world, network):
    config, scene = scene_of(world)
    lost = replace(scene, database=replace(scene.database, positions=None))
    with pytest.raises(InputError, match="--learn needs the positions"):
        adapted(lost, RULE, config.fov, network, 40)
