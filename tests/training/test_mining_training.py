"""Mined tuples in training, and stage 1 with every loss."""

import numpy as np
import pytest
import torch
from conftest import SMALL, STAGE_2, overrides
from worlds import write_world

from gcsa.config import load_config
from gcsa.descriptors.table import Table
from gcsa.errors import InputError
from gcsa.losses import LOSSES, SARELoss
from gcsa.losses.mining import MiningConfig
from gcsa.models.checkpoint import load_checkpoint
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.sampling import Sampler
from gcsa.training.trainer import Trainer
from gcsa.training.tuples import TupleLists

SARE = {"train.loss": "sare", "train.own_positive": False}
MINED = {**SARE, "train.mining": True, "mining.draws": 8, "mining.negatives": 4, "train.remine": 20}


def make(world, *settings):
    config = load_config(None, overrides(world, {"data.num_workers": 0}, *settings))
    scenes = prepare(config.data, config.fov, [], "train", 40)
    return Trainer(config, scenes, torch.device("cpu")), scenes


def metres(ranked):
    queries, database = ranked.truth.positions, ranked.scene.database.positions
    return np.linalg.norm(queries[:, None] - database, axis=2)


def expected_tuple(ranked, query, described, config):
    """Positive and hardest negatives of one query by loops, where all are drawn."""
    own, database = described
    likeness = [float(((own[query] - other) ** 2).sum()) for other in database]
    distance = metres(ranked)[query]
    near = [i for i, d in enumerate(distance) if config.nearest < d <= config.farthest]
    far = [i for i, d in enumerate(distance) if d > config.negative]
    positive = min(near, key=lambda i: likeness[i])
    return [positive, *sorted(far, key=lambda i: likeness[i])[: config.negatives]]


def test_mined_negatives_reach_the_loss(world):
    """With all drawn, no dropout: the batch is the tuples by loops, and the loss that of SARE."""
    trainer, scenes = make(world, MINED, {"mining.draws": 1000, "model.input_dropout": 0})
    trainer.tuples.start(0)
    order = trainer.sampler.epoch(np.random.default_rng(0))
    batch, _, _ = next(trainer._batches(order, 1))
    project = trainer.model.project
    losses = []
    for row, (number, query) in enumerate(order[: len(batch)]):
        scene = scenes[number].scene
        sets = [
            torch.tensor(np.asarray(s.descriptors)).float() for s in (scene.queries, scene.database)
        ]
        own, database = (project(images).detach() for images in sets)
        rows = expected_tuple(scenes[number], query, (own, database), MiningConfig(negatives=4))
        expected = np.asarray(scene.database.descriptors)[rows]
        np.testing.assert_array_equal(batch.descriptors[batch.place[row, 1:]], expected)
        squared = ((own[query] - database[rows]) ** 2).sum(1)
        losses += torch.log1p(torch.exp(squared[0] - squared[1:])).tolist()
    assert batch.labels.tolist() == [[True, True] + [False] * 4] * len(batch)
    assert batch.valid is None and len(losses) == 8 * 4
    assert trainer.step(batch).item() == pytest.approx(np.mean(losses), abs=1e-5)


def test_queries_without_a_positive_are_never_trained_on(world):
    trainer, scenes = make(world, MINED, {"mining.nearest": 3.0, "mining.farthest": 4.5})
    expected = {
        (number, query)
        for number, ranked in enumerate(scenes)
        for query, row in enumerate(metres(ranked))
        if ((row > 3) & (row <= 4.5)).any()
    }
    order = trainer.sampler.epoch(np.random.default_rng(0))
    assert {tuple(pair) for pair in order.tolist()} == expected and 0 < len(expected) < 40
    seen = sum(len(batch) for batch, _, _ in trainer._batches(order, 1))
    assert seen == len(order) == len(trainer.sampler)
    with pytest.raises(InputError, match="no query .* farther than 0.001 m and up to 0.002 m away"):
        make(world, MINED, {"mining.nearest": 0.001, "mining.farthest": 0.002})


def test_descriptors_are_compared_anew_after_so_many_queries(world, monkeypatch):
    """20 of 40 in batches of 8: after three of the five; by the projection as it is then."""
    trainer, _ = make(world, MINED, {"train.learning_rate": 0.1})
    drawn, draw = [], TupleLists.draw

    def noting(self, queries, described):
        assert not described.requires_grad and len(described) == len(self.table)
        weight = trainer.model.input_proj.weight
        images = self.table.gather(np.arange(len(self.table))).float()
        expected = torch.nn.functional.normalize(trainer.model.input_proj(images), dim=1)
        torch.testing.assert_close(described, expected.detach())
        drawn.append((len(queries), weight.detach().clone()))
        return draw(self, queries, described)

    monkeypatch.setattr(TupleLists, "draw", noting)
    losses = [trainer.epoch(number) for number in (1, 2)]
    assert [count for count, _ in drawn] == [24, 16, 24, 16]
    assert not torch.equal(drawn[0][1], drawn[1][1]) and trainer.model.training
    assert np.isfinite(losses).all()


def test_hard_negatives_are_remembered_and_a_run_resumes_with_them(world, monkeypatch):
    settings = overrides(world, MINED, {"train.num_epochs": 3, "train.learning_rate": 0.01})
    train(load_config(None, settings), "whole")
    step, calls = Trainer.step, []

    def failing(self, *batch):
        calls.append(1)
        if len(calls) == 8:  # five an epoch
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(KeyboardInterrupt):
        train(load_config(None, settings), "cut")
    monkeypatch.setattr(Trainer, "step", step)
    kept = torch.load(f"{world['data.outputs']}/training/cut/resume.pth.tar", weights_only=True)
    assert [t.shape for t in kept["tuples"]] == [(20, 4), (20, 4)]
    assert all((t >= 0).any() for t in kept["tuples"])
    train(load_config(None, settings), "cut", resume=True)
    one, two = (
        load_checkpoint(f"{world['data.outputs']}/training/{name}/checkpoint_3.pth.tar")[0]
        for name in ("whole", "cut")
    )
    assert torch.equal(one.input_proj.weight, two.input_proj.weight)


def test_lists_of_tuples_and_of_what_lacks(world):
    """Scenes without a query in turn keep empty lists; a tuple short of negatives is padded."""
    config = load_config(None, overrides(world))
    scenes = prepare(config.data, config.fov, [], "train", 40)
    table = Table([s.scene for s in scenes])
    lists = TupleLists(scenes, table, MiningConfig(negatives=50, draws=1000))
    described = torch.randn(len(table), 5)
    lists.start(0)
    first, second = lists.draw(np.array([[0, 3], [0, 7]]), described)
    assert (second.candidates.indices == -1).all() and not second.labels.any()
    assert set(np.flatnonzero((first.candidates.indices >= 0).any(1))) == {3, 7}
    assert first.labels.sum() == 2 and first.labels[[3, 7], 0].all()
    far = (metres(scenes[0])[[3, 7]] > 25).sum(1)
    assert (first.candidates.valid[[3, 7], 1:].sum(1) == np.minimum(far, 50)).all()


def test_sampler_of_given_queries(world):
    config = load_config(None, overrides(world))
    scenes = prepare(config.data, config.fov, [], "train", 40)
    sampler = Sampler(scenes, 40, True, 3, [np.array([4, 2]), np.array([], dtype=np.int64)])
    assert len(sampler) == 2
    assert sorted(sampler.epoch(np.random.default_rng(0)).tolist()) == [[0, 2], [0, 4]]


@pytest.mark.parametrize("mining", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_batch_can_be_overfitted_with_every_loss(world, loss, mining):
    settings = {"train.loss": loss, "train.own_positive": False, "train.skip_empty": True,
                "train.mining": mining, "model.input_dropout": 0,
                "train.learning_rate": 1e-2}  # fmt: skip
    trainer, _ = make(world, settings)
    if trainer.tuples is not None:
        trainer.tuples.start(0)
    batch, _, _ = next(trainer._batches(trainer.sampler.epoch(np.random.default_rng(0)), 1))
    losses = [trainer.step(batch).item() for _ in range(60)]
    assert np.isfinite(losses).all()
    # A triplet loss can end at 0: nothing is within the margin.
    assert losses[-1] == 0 or losses[-1] < losses[0] - 0.02
    assert losses[-1] < 0.9 * losses[0]


def test_sare_without_mining_takes_the_lists_own_hardest(world):
    trainer, _ = make(world, SARE, {"loss.negatives": 3})
    batch, _, _ = next(trainer._batches(trainer.sampler.epoch(np.random.default_rng(0)), 1))
    assert isinstance(trainer.loss, SARELoss) and batch.labels.shape[1] == 1 + SMALL["model.K"]
    assert np.isfinite(trainer.epoch(1))


def test_where_there_is_nothing_to_mine_with(world, tmp_path):
    def refused(message, *settings):
        with pytest.raises(InputError, match=message):
            load_config(None, overrides(world, MINED, *settings))

    refused("train.mining: tuples train the projection alone", STAGE_2)
    refused("train.mining: CSA has no projection", {"train.system": "csa", "model.num_layers": 1})
    refused("model.K: 4 is less than the 5 images of a mined tuple", {"model.K": 4})
    refused("train.own_positive: sare takes the nearest", {"train.own_positive": True})
    refused("train.remine: 0 is less than 1", {"train.remine": 0})
    grown = {"mining.growth": 2, "train.schedule": "cosine"}
    refused("mining.growth: train.schedule=cosine changes the rate at every step", grown)
    with pytest.raises(InputError, match="mining.farthest: 10.0 is not above mining.nearest, 12.0"):
        make(world, MINED, {"mining.nearest": 12})


def test_two_cities_of_other_sizes(tmp_path):
    """Rows of the table are those of the right scene."""
    world = {**write_world(tmp_path, {"zurich": "train_val"}, database=40, queries=9),
             **write_world(tmp_path, {"boston": "train_val"}, seed=1, database=70, queries=12),
             **SMALL}  # fmt: skip
    trainer, scenes = make(world, MINED, {"mining.draws": 1000, "model.input_dropout": 0})
    trainer.tuples.start(0)
    described = trainer._project(np.arange(len(trainer.stream.table)))
    pairs = trainer.sampler.epoch(np.random.default_rng(0))
    lists = trainer.tuples.draw(pairs, described)
    for number, ranked in enumerate(scenes):
        sets = (ranked.scene.queries, ranked.scene.database)
        own, database = (
            trainer.model.project(torch.tensor(np.asarray(s.descriptors)).float()).detach()
            for s in sets
        )
        for query in pairs[pairs[:, 0] == number, 1]:
            rows = expected_tuple(ranked, query, (own, database), MiningConfig(negatives=4))
            assert lists[number].candidates.indices[query].tolist() == rows


def test_without_negatives_nothing_is_trained(world):
    with pytest.raises(InputError, match="another one beyond 5000.0 m .mining.negative"):
        make(world, MINED, {"mining.negative": 5000})
