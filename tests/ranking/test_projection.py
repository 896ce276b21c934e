"""The ways to project in training: the same function, another sharing of chance."""

import numpy as np
import pytest
import torch
from conftest import STAGE_2, overrides

from gcsa.config import load_config
from gcsa.models import dropout
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.trainer import Trainer

EXACT = {"model.input_dropout": 0, "model.attn_dropout": 0}


def make_trainer(world, *settings):
    config = load_config(None, overrides(world, *settings))
    scenes = prepare(config.data, config.fov, config.model.affinity, "train", 40)
    return Trainer(config, scenes, torch.device("cpu"))


def gradients(trainer):
    """Loss and gradients of the first batch of an epoch."""
    trainer.model.train()
    order = trainer.sampler.epoch(np.random.default_rng(0))[:8]
    (batch, projected, weight), *_ = trainer._batches(order, 1)
    loss = trainer.step(batch, projected, weight)
    return loss, {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("stage", [{}, STAGE_2, {**STAGE_2, "train.freeze_input_proj": False}])
def test_without_dropout_the_ways_are_one(world, stage):
    found = [
        gradients(make_trainer(world, EXACT, stage, {"train.projection": way}))
        for way in ("per-candidate", "shared")
    ]
    torch.testing.assert_close(found[0][0], found[1][0])
    assert found[0][1].keys() == found[1][1].keys() and found[0][1]
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][name], atol=1e-6, rtol=1e-4)


def test_a_frozen_projection_is_kept_for_so_many_steps(world):
    trainer = make_trainer(world, STAGE_2, {
        "train.projection": "shared", "train.refresh": 2, "model.input_dropout": 0.5})  # fmt: skip
    trainer.model.train()
    order = trainer.sampler.epoch(np.random.default_rng(0))
    tables = [projected for _, projected, _ in trainer._batches(order, 1)]
    assert len(tables) == 5 and tables[0] is tables[1] and tables[2] is tables[3]
    assert tables[1] is not tables[2]
    # Other masks: an image in two windows is projected in two ways.
    images = [np.unique(trainer.stream.numbers(order[i : i + 16])) for i in (0, 16)]
    both = np.intersect1d(*images)
    rows = [tables[2 * i][np.searchsorted(images[i], both)] for i in (0, 1)]
    assert len(both) > 10 and ((rows[0] - rows[1]).abs().amax(1) > 1e-3).all()


def test_an_image_has_one_dropout_in_a_batch_or_one_in_each_list(world):
    """What the network sees of an image that stands in several lists."""
    seen = {}
    for way in ("shared", "per-candidate"):
        trainer = make_trainer(world, {"train.projection": way, "model.input_dropout": 0.5})
        trainer.model.train()
        order = trainer.sampler.epoch(np.random.default_rng(0))[:8]
        batch = trainer.stream.assemble(order, trainer.stream.own_descriptors())
        keep = {}
        trainer.model.refine = lambda x, *_, keep=keep: keep.setdefault("listed", x)
        trainer.network(batch.place, batch.columns, batch.valid, batch.descriptors, None)
        twice = next(p for p in batch.place.unique() if (batch.place == p).sum() > 1)
        seen[way] = keep["listed"][batch.place == twice]
    assert (seen["shared"] == seen["shared"][0]).all()
    assert (seen["per-candidate"] != seen["per-candidate"][0]).any()


@pytest.mark.parametrize("way", ["per-candidate", "shared"])
def test_compiled_training_is_training(world, way, monkeypatch):
    """Traced as ever, run without a compiler: seconds instead of minutes."""
    settings = EXACT, STAGE_2, {"train.num_epochs": 1, "train.projection": way}
    plain = train(load_config(None, overrides(world, *settings)), "plain")
    monkeypatch.setattr(dropout, "_mask", dropout._draw)  # compiling changes it for good
    calls = []
    original = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda m, **o: calls.append(m) or original(m, backend="eager", **o)
    )
    compiled = train(load_config(None, overrides(world, *settings, {"train.compile": True})), "c")
    assert len(calls) == 1
    assert compiled[1]["loss"] == pytest.approx(plain[1]["loss"], abs=1e-5)
    assert compiled[1]["mAP@10"] == pytest.approx(plain[1]["mAP@10"], abs=1e-3)


def test_descriptors_on_the_device_train_alike(world):
    losses = [
        train(load_config(None, overrides(world, {"train.num_epochs": 1, "data.on_device": d})),
              str(d))[1]["loss"]
        for d in (False, True)
    ]  # fmt: skip
    assert losses[0] == losses[1]
