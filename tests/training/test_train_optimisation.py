"""Learning rates by their tables, weight decay and clipping by hand, and resuming with them."""

import numpy as np
import pytest
import torch
from conftest import STAGE_2, overrides

from gcsa.config import TrainConfig, load_config
from gcsa.errors import InputError
from gcsa.models.checkpoint import load_checkpoint
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.optimisation import make_optimizer, make_schedule
from gcsa.training.trainer import Trainer

COSINE = {"train.optimizer": "sgd", "train.schedule": "cosine", "train.learning_rate": 0.05}


def rates(settings, steps, count):
    """Learning rates of the first ``count`` steps, epochs of ``steps``."""
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(2, 2))], settings)
    schedule, found = make_schedule(optimizer, settings, steps), []
    for step in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if settings.schedule == "cosine" or (step + 1) % steps == 0:
            schedule.step()
    return np.array(found), optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(
    ("warm", "epochs", "steps"), [(20, 100, 7), (2, 3, 1), (1, 2, 5), (0, 4, 3)]
)
def test_warm_up_and_cosine_by_the_table(warm, epochs, steps):
    settings = TrainConfig(optimizer="sgd", schedule="cosine", learning_rate=0.1, warmup_lr=0.001,
                           warmup_epochs=warm, num_epochs=epochs)  # fmt: skip
    down = (epochs - warm) * steps
    rising = np.linspace(0.001, 0.1, warm * steps)
    table = np.concatenate([rising, 0.05 * (1 + np.cos(np.pi * np.arange(down) / down))])
    found, after = rates(settings, steps, epochs * steps)
    np.testing.assert_allclose(found, table, rtol=1e-12)
    assert found[-1] > 0 and after == 0, "all steps of the table, and not one more"
    if warm > 0:
        assert (np.isclose(found, 0.1, rtol=1e-12).sum()) == 2, (
            "the highest ends one part, begins the other"
        )


def test_only_warm_up_and_no_rate_at_all():
    never = TrainConfig(optimizer="sgd", schedule="cosine", learning_rate=0.1, num_epochs=2,
                        warmup_epochs=3)  # fmt: skip
    np.testing.assert_allclose(rates(never, 2, 4)[0], np.linspace(0, 0.1, 6)[:4])
    assert (rates(TrainConfig(schedule="cosine", learning_rate=0.0), 2, 3)[0] == 0).all()


def test_steps_by_epoch():
    settings = TrainConfig(learning_rate=1.0, lr_step=2, lr_gamma=0.5)
    np.testing.assert_allclose(rates(settings, 3, 15)[0], [1.0] * 6 + [0.5] * 6 + [0.25] * 3)


def test_sgd_by_hand():
    """Momentum without Nesterov; weight decay on matrices alone."""
    random = np.random.default_rng(0)
    starts = [random.normal(size=shape) for shape in ((3, 2), (3,))]
    tensors = [torch.nn.Parameter(torch.tensor(s)) for s in starts]
    settings = TrainConfig(optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.3)
    optimizer = make_optimizer(tensors, settings)
    moved = [np.zeros_like(s) for s in starts]
    for _ in range(4):
        for i, (tensor, decay) in enumerate(zip(tensors, (0.3, 0.0), strict=True)):
            gradient = random.normal(size=tensor.shape)
            tensor.grad = torch.tensor(gradient)
            moved[i] = 0.9 * moved[i] + gradient + decay * starts[i]
            starts[i] = starts[i] - 0.1 * moved[i]
        optimizer.step()
    for tensor, expected in zip(tensors, starts, strict=True):
        np.testing.assert_allclose(tensor.detach(), expected, rtol=1e-10)


def test_adam_is_as_it_was():
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(2))], TrainConfig(weight_decay=0.1))
    group = optimizer.param_groups[0]
    assert isinstance(optimizer, torch.optim.Adam) and len(optimizer.param_groups) == 1
    assert (group["lr"], group["betas"], group["weight_decay"], group["fused"]) == (
        1e-4, (0.9, 0.999), 0.1, True)  # fmt: skip


def test_clipping_by_the_length_of_all_gradients(world):
    """With SGD of no momentum a step moves the weights by the learning rate times the gradient."""
    moved = {}
    for clip in (0, 1e-3):
        config = load_config(None, overrides(
            world, {"train.optimizer": "sgd", "train.learning_rate": 1, "train.momentum": 0,
                    "train.clip_norm": clip, "model.input_dropout": 0}))  # fmt: skip
        scenes = prepare(config.data, config.fov, [], "train", 40)
        trainer = Trainer(config, scenes, torch.device("cpu"))
        before = [p.detach().clone() for p in trainer.model.parameters()]
        queries = trainer.sampler.epoch(np.random.default_rng(0))[:8]
        trainer.step(trainer.stream.assemble(queries, trainer.stream.own_descriptors()))
        pairs = zip(trainer.model.parameters(), before, strict=True)
        moved[clip] = torch.cat([(a.detach() - b).ravel() for a, b in pairs]).norm().item()
    assert moved[0] > 0.01 and moved[1e-3] == pytest.approx(1e-3, rel=1e-3)


def weights(world, name, epoch):
    path = f"{world['data.outputs']}/training/{name}/checkpoint_{epoch}.pth.tar"
    return load_checkpoint(path)[0].state_dict()


@pytest.mark.parametrize("steps_before", [3, 12])
def test_a_run_with_sgd_and_cosine_resumes_bit_for_bit(world, monkeypatch, steps_before):
    settings = overrides(world, STAGE_2, COSINE, {"train.num_epochs": 4, "train.warmup_epochs": 1,
                                                  "train.clip_norm": 0.5})  # fmt: skip
    train(load_config(None, settings), "whole")
    step, calls = Trainer.step, []

    def failing(self, *batch):
        calls.append(1)
        if len(calls) == steps_before:  # five an epoch
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(KeyboardInterrupt):
        train(load_config(None, settings), "cut")
    monkeypatch.setattr(Trainer, "step", step)
    rows = train(load_config(None, settings), "cut", resume=True)
    whole, cut = weights(world, "whole", 4), weights(world, "cut", 4)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    expected = [0.0, 0.05, 0.05 * 0.75, 0.05 * 0.25]
    assert [row["learning_rate"] for row in rows[1:]] == pytest.approx(expected)


def test_a_cosine_run_is_not_resumed_to_another_length(world):
    """Its learning rates would have been others all along; steps by epoch go on."""
    settings = overrides(world, COSINE, {"train.num_epochs": 1})
    train(load_config(None, settings), "a")
    with pytest.raises(InputError, match="train.num_epochs was 1, is 2"):
        train(load_config(None, [*settings, "train.num_epochs=2"]), "a", resume=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.optimizer=adamax", "train.optimizer: 'adamax' is not a choice.*'adam'"),
        ("train.schedule=cosin", "train.schedule: 'cosin' .*did you mean 'cosine'"),
        ("train.system=gsca", "train.system: 'gsca' .*did you mean 'gcsa'"),
        ("train.momentum=1", "train.momentum: 1.0 is not a share"),
        ("train.warmup_epochs=-1", "train.warmup_epochs: -1 is less than 0"),
        ("train.clip_norm=-1", "train.clip_norm: -1.0 is less than 0"),
    ],
)
def test_settings_that_cannot_be(override, message):
    with pytest.raises(InputError, match=message):
        load_config(None, [override])
