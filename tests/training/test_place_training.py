"""The place loss in training: GCSA's two stages and CSA, resumed, and ranked."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import STAGE_2, overrides

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.losses import place_loss
from gcsa.models.checkpoint import load_checkpoint
from gcsa.models.gcsa import scores
from gcsa.places.logits import Logits
from gcsa.places.posterior import probabilities
from gcsa.ranking.refine import refine, scored
from gcsa.scoring.ranker import open_ranker
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.trainer import Trainer

PLACE = {"train.loss": "place", "train.own_positive": False}
CSA = {"train.system": "csa", "model.num_layers": 2, "csa.reconstruction": 0.0}
STAGES = {"stage 1": {}, "stage 2": STAGE_2, "csa": CSA}
every_stage = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
PLAIN = {
    "model.input_dropout": 0, "model.attn_dropout": 0, "csa.dropout": 0, "csa.path_dropout": 0,
}  # fmt: skip


def make(world, *settings):
    config = load_config(None, overrides(world, PLACE, {"data.num_workers": 0}, *settings))
    scenes = prepare(config.data, config.fov, config.model.affinity, "train", 65)
    return Trainer(config, scenes, torch.device("cpu"))


def run(world, name, *settings, **options):
    return train(load_config(None, overrides(world, PLACE, *settings)), name, **options)


def file_of(world, name, epoch):
    return f"{world['data.outputs']}/training/{name}/checkpoint_{epoch}.pth.tar"


@every_stage
def test_the_loss_of_a_step(world, stage):
    """Of logits, "none" in the query's place; 60 images, so that lists of 65 are padded."""
    trainer = make(world, PLAIN, stage, {"model.K": 65})
    queries = trainer.sampler.epoch(np.random.default_rng(0))[:8]
    batch = trainer.stream.assemble(queries, trainer.stream.own_descriptors())
    model = trainer.model
    listed = model.project(batch.descriptors[batch.place].float())
    logits = scores(model.refine(listed, batch.columns, batch.valid), model.head, batch.valid)
    expected = place_loss(logits[:, 1:], logits[:, 0], batch.labels[:, 1:], batch.valid[:, :65])
    assert trainer.step(batch).item() == pytest.approx(expected.mean().item(), abs=1e-5)


@every_stage
def test_one_batch_can_be_overfitted(world, stage):
    trainer = make(world, PLAIN, stage, {"train.learning_rate": 3e-3})
    queries = trainer.sampler.epoch(np.random.default_rng(0))[:6]
    batch = trainer.stream.assemble(queries, trainer.stream.own_descriptors())
    losses = [float(trainer.step(batch)) for _ in range(200)]
    assert losses[0] > 0.5 and losses[-1] < 0.1
    assert trainer.model.head.own.abs().max() > 0, "the head is trained"


def test_queries_whose_place_is_not_listed_teach_none_of_these(world):
    trainer = make(world, PLAIN, {"model.K": 2, "model.L": 2, "train.learning_rate": 1e-2})
    order = trainer.sampler.epoch(np.random.default_rng(0))
    batch = trainer.stream.assemble(order, trainer.stream.own_descriptors())
    missing = ~batch.labels[:, 1:].any(dim=1)
    assert 0 < missing.sum() < len(missing)

    def none():
        with torch.no_grad():
            listed = trainer.model.project(batch.descriptors[batch.place].float())
            logits = scores(trainer.model.refine(listed), trainer.model.head, batch.valid)
        return logits.softmax(dim=1)[:, 0]

    before = none()[missing].mean()
    for _ in range(60):
        trainer.step(batch)
    assert none()[missing].mean() > before + 0.2
    assert none()[missing].mean() > none()[~missing].mean() + 0.2


@every_stage
def test_resumed_to_the_bit(world, stage):
    run(world, "whole", stage, {"train.num_epochs": 2})
    run(world, "cut", stage, {"train.num_epochs": 1})
    run(world, "cut", stage, {"train.num_epochs": 2}, resume=True)
    one, two = (load_checkpoint(file_of(world, n, 2))[0].state_dict() for n in ("whole", "cut"))
    assert "head.own" in one and one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_stage_2_starts_from_stage_1_without_its_head(world):
    first = run(world, "first", {"train.num_epochs": 1})
    start_from = {"train.checkpoint": file_of(world, "first", 1), "train.init_proj": "random"}
    rows = run(world, "second", STAGE_2, start_from, {"train.num_epochs": 1})
    assert len(first) == len(rows) == 2
    one, two = (load_checkpoint(file_of(world, n, 1))[0] for n in ("first", "second"))
    torch.testing.assert_close(two.input_proj.weight, one.input_proj.weight, rtol=0, atol=0)
    assert two.head.own.shape == (32,) and one.head.own.shape == (16,)


@pytest.fixture
def trained(world):
    """A checkpoint of stage 2 and its config, with validation cities."""
    run(world, "second", STAGE_2, {"train.num_epochs": 1})
    config = load_config(None, overrides(world, STAGE_2))
    return config, file_of(world, "second", 1)


def test_alone_it_ranks_by_logit(trained):
    config, file = trained
    model, kinds = load_checkpoint(file)
    judged = prepare(config.data, config.fov, kinds, "val", 40)[0]
    given = model, judged.scene, judged.candidates, judged.side
    logits, ranked = scored(*given)[:, 1:], refine(*given)
    order = np.argsort(-logits, axis=1, kind="stable")
    found = np.take_along_axis(judged.candidates.indices, order, axis=1)
    np.testing.assert_array_equal(ranked.indices[:, :40], found)
    np.testing.assert_array_equal(ranked.scores[:, :40], -np.sort(-logits, axis=1))


def test_the_posterior_by_its_logits(trained):
    """The probabilities are those of the loss: softmax of logits and "none of these"."""
    config, file = trained
    ranker = open_ranker(config, file, "posterior")
    judged = prepare(config.data, config.fov, ranker.kinds, "val", 40)[0]
    located = ranker.rank(judged)
    model, _ = load_checkpoint(file)
    raw = torch.from_numpy(scored(model, judged.scene, judged.candidates, judged.side)).double()
    chance = raw.softmax(dim=1).numpy()
    np.testing.assert_allclose(located.none, chance[:, 0], atol=1e-6)
    columns = np.argsort(judged.candidates.indices[:, :40], axis=1)
    by_image = np.take_along_axis(chance[:, 1:], columns, axis=1)
    order = np.argsort(located.indices[:, :40], axis=1)
    found = np.take_along_axis(located.probability[:, :40], order, axis=1)
    np.testing.assert_allclose(found, by_image, atol=1e-6)


def test_logits_are_against_none_of_these():
    raw = np.random.default_rng(0).normal(0, 3, (4, 6)).astype(np.float32)
    found = Logits.of(raw, ["heading"])
    chance, none = probabilities(torch.from_numpy(found.values), 0.0)
    expected = torch.from_numpy(raw).double().softmax(dim=1)
    torch.testing.assert_close(chance.double(), expected[:, 1:], rtol=0, atol=1e-7)
    torch.testing.assert_close(none.double(), expected[:, 0], rtol=0, atol=1e-7)
    kinds = ("looks", "density", "compass", "position", "radio", "local")
    assert [name for name in kinds if found.has_read(name)] == ["looks", "density", "compass"]


def test_evaluation_with_both_says_place_and_confidence(trained):
    config, file = trained
    alone, both = evaluate(config, file), evaluate(config, file, method="posterior")
    assert "ECE" in both["confidence"] and "confidence" not in alone
    assert both["metrics"] != alone["metrics"]
    config.posterior.objective = "recall"
    covering = evaluate(config, file, method="posterior")
    assert covering["metrics"] != both["metrics"]
    assert covering["confidence"] == pytest.approx(both["confidence"], abs=0.2)


def test_cosines_are_no_logits(world):
    train(load_config(None, overrides(world, STAGE_2, {"train.num_epochs": 1})), "ap")
    config, file = load_config(None, overrides(world)), file_of(world, "ap", 1)
    with pytest.raises(InputError, match="gives cosines, and --method posterior with a checkpoint"):
        evaluate(config, file, method="posterior")
    with pytest.raises(InputError, match="only one of them, unless it is posterior"):
        evaluate(config, file, method="dba")


def test_descriptors_have_no_logits():
    with pytest.raises(InputError, match="train.loss: place is of logits"):
        load_config(None, ["train.system=descriptor", "train.loss=place",
                           "train.own_positive=false"])  # fmt: skip


def test_the_query_is_not_its_own_candidate():
    with pytest.raises(InputError, match="train.own_positive: place asks"):
        load_config(None, ["train.loss=place"])


def test_the_row_of_an_epoch_has_the_mean_loss(world):
    run(world, "a", PLAIN, {"train.num_epochs": 1, "train.learning_rate": 1e-12})
    path = Path(world["data.outputs"]) / "training" / "a" / "metrics.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    trainer = make(world, PLAIN)
    order = trainer.sampler.epoch(np.random.default_rng(0))
    batch = trainer.stream.assemble(order, trainer.stream.own_descriptors())
    assert float(rows[1]["loss"]) == pytest.approx(trainer.step(batch).item(), abs=1e-4)
