"""CSA in the frame of training that it shares with GCSA: a city, one batch."""

import numpy as np
import pytest
import torch
from conftest import SMALL, overrides

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.losses import ContrastiveLoss
from gcsa.models.checkpoint import load_checkpoint, read_settings
from gcsa.models.csa_loss import reconstruction_loss
from gcsa.models.csa_state import ARGUMENTS
from gcsa.models.gcsa import scores
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.network import build_model
from gcsa.training.trainer import Trainer

CSA = {
    "train.system": "csa", "train.loss": "contrastive", "train.optimizer": "sgd",
    "train.schedule": "cosine", "train.learning_rate": 0.02, "train.warmup_epochs": 1,
    "model.num_layers": 2,
}  # fmt: skip
PLAIN = {"csa.dropout": 0, "csa.path_dropout": 0, "model.attn_dropout": 0}


def make(world, *settings):
    config = load_config(None, overrides(world, CSA, {"data.num_workers": 0}, *settings))
    scenes = prepare(config.data, config.fov, [], "train", 70)
    return Trainer(config, scenes, torch.device("cpu"))


def first_batch(trainer, size=8):
    order = trainer.sampler.epoch(np.random.default_rng(0))[:size]
    return next(trainer._batches(order, 1))[:2]


def test_every_setting_reaches_the_network():
    config = load_config(None, overrides(CSA, {
        "model.input_dim": 11, "model.output_dim": 6, "model.K": 4, "model.L": 3,
        "model.num_heads": 3, "model.attn_dropout": 0.1, "csa.dropout": 0.2,
        "csa.path_dropout": 0.3, "csa.mlp_ratio": 5, "csa.qkv_bias": False,
        "csa.reconstruction": 0}))  # fmt: skip
    model = build_model(config, [])
    assert {name: getattr(model, name) for name in ARGUMENTS} == {
        "input_dim": 11, "output_dim": 6, "K": 4, "L": 3, "num_layers": 2, "num_heads": 3,
        "mlp_dim": 30, "qkv_bias": False, "reconstructs": False, "dropout_p": 0.2,
        "attn_dropout_p": 0.1, "path_dropout_p": 0.3,
    }  # fmt: skip
    assert model.blocks[0].attn.qkv.bias is None and model.blocks[0].mlp.fc1.out_features == 30


@pytest.mark.parametrize("weight", [0, 0.2, 3])
@pytest.mark.parametrize("sizes", [{}, {"model.K": 65, "model.L": 62}])
def test_the_loss_of_a_step(world, weight, sizes):
    """Contrastive plus so many times the reconstruction, of the rows that the step sees."""
    trainer = make(world, PLAIN, sizes, {"csa.reconstruction": weight})
    batch, _ = first_batch(trainer)
    assert (batch.valid is None) == (not sizes), "60 images: lists of 65 are padded"
    model, listed = trainer.model, batch.descriptors[batch.place].float()
    valid = torch.ones(8, max(model.K, model.L), dtype=torch.bool)
    valid = valid if batch.valid is None else batch.valid
    seen = torch.nn.functional.pad(valid, (1, 0), value=True)
    refined = model(listed, valid=valid)
    expected = ContrastiveLoss()(scores(refined), batch.labels, seen[:, : 1 + model.K])
    if weight:
        affinity = listed[:, : 1 + model.K] @ listed[:, : 1 + model.L].mT
        affinity = affinity * seen[:, None, : 1 + model.L]
        again = model.feature_align(model._tokens(affinity, valid)) * seen[:, None, : 1 + model.L]
        distance = reconstruction_loss(affinity, again, seen[:, : 1 + model.K])
        expected = expected + weight * distance
    else:
        assert model.feature_align is None, "no head that nothing trains"
    assert trainer.step(batch).item() == pytest.approx(expected.item(), abs=1e-5)


def test_one_batch_can_be_overfitted(world):
    adam = {"train.optimizer": "adam", "train.schedule": "step", "train.learning_rate": 3e-3}
    trainer = make(world, PLAIN, adam, {
        "loss.temperature": 0.1, "csa.reconstruction": 0.01, "train.own_positive": False,
        "train.skip_empty": True})  # fmt: skip
    batch = first_batch(trainer)
    losses = [trainer.step(*batch).item() for _ in range(120)]
    assert losses[0] > 1.2 and losses[-1] < 0.1


def test_sharing_descriptors_changes_nothing(world):
    """CSA projects nothing and has no dropout there: the two ways are one."""
    rows = []
    for projection in ("per-candidate", "shared"):
        config = overrides(world, CSA, {"train.num_epochs": 2, "train.projection": projection})
        rows.append(train(load_config(None, config), projection))
    for one, two in zip(*rows, strict=True):
        assert one == pytest.approx(two)


def test_a_run_and_its_checkpoint(world, tmp_path):
    """Its K stays that of training, unless the command line says otherwise."""
    settings = overrides(world, CSA, {"train.num_epochs": 2, "train.keep_best": True})
    rows = train(load_config(None, settings), "a")
    path = tmp_path / "outputs" / "training" / "a" / "checkpoint_2.pth.tar"
    model, kinds = load_checkpoint(path)
    assert kinds == [] and (model.K, model.L, model.input_dim) == (40, 20, 32)
    assert [block.path_p for block in model.blocks] == pytest.approx([0, 0.1])
    assert read_settings(path)["config"]["train"]["system"] == "csa"
    plain = load_config(None, overrides({**world, "model.K": 7}))
    found = evaluate(plain, str(path))["metrics"]
    assert found == {name: rows[2][name] for name in found}
    few = evaluate(plain, str(path), overrides=["model.K=7"])["metrics"]
    assert few["recall@20"] != found["recall@20"] or few["mAP@20"] != found["mAP@20"]
    # A file without our keys gets what it lacks from the settings.
    content = torch.load(path, weights_only=True)
    torch.save({key: content[key] for key in ("epoch", "state_dict")}, tmp_path / "theirs.pth")
    theirs = load_config(None, overrides(world))
    assert evaluate(theirs, str(tmp_path / "theirs.pth"))["metrics"] == found


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"model.affinity": "[heading]"},
            "model.affinity: CSA has no projection and reads no side",
        ),
        ({"train.init_proj": "pca"}, "train.init_proj: CSA has no projection"),
        ({"train.freeze_input_proj": True}, "train.freeze_input_proj: CSA has no projection"),
        ({"csa.dropout": 1}, "csa.dropout: 1.0 is not a share"),
        ({"csa.mlp_ratio": 0}, "csa.mlp_ratio: 0 is less than 1"),
    ],
)
def test_settings_that_csa_has_no_use_for(settings, message):
    with pytest.raises(InputError, match=message):
        load_config(None, overrides(SMALL, CSA, settings))


def test_sizes_that_do_not_fit(world):
    with pytest.raises(InputError, match="model.num_layers: CSA has at least 1"):
        make(world, {"model.num_layers": 0})
    with pytest.raises(InputError, match="length 32, the model reads 99"):
        make(world, {"model.input_dim": 99})
