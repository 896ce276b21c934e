"""What holds for every loss, the choice by name, and its settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gcsa.errors import InputError
from gcsa.losses import LOSSES, APLoss, LossConfig, SARELoss, check_loss, make_loss

CONFIGS = {
    "ap": [LossConfig()],
    "dir-ap": [LossConfig(), LossConfig(distance=True)],
    "tie-aware-ap": [LossConfig(), LossConfig(simplified=True), LossConfig(distance=True)],
    "contrastive": [LossConfig(), LossConfig(temperature=0.05)],
    "triplet": [LossConfig(negatives=3), LossConfig(margin=0.5, reduction="tuple")],
    "contrastive-margin": [LossConfig(), LossConfig(margin=0.7, reduction="pair")],
    "multi-similarity": [LossConfig(), LossConfig(epsilon=None, base=0.5)],
    "cosface": [LossConfig(), LossConfig(scale=5.0, margin=0.2)],
    "place": [LossConfig()],
    "sare": [
        LossConfig(kernel=kernel, mode=mode, reduction=reduction, negatives=3)
        for kernel in ("gaussian", "cauchy", "exponential")
        for mode, reduction in (("independent", "pair"), ("joint", "tuple"))
    ],
}
ALL = [(name, config, skip) for name in CONFIGS for config in CONFIGS[name] for skip in (0, 1)]
every_loss = pytest.mark.parametrize(("name", "config", "skip"), ALL)


def random_case(seed=0, n=12):
    random = np.random.default_rng(seed)
    scores = torch.tensor(random.uniform(-1, 1, (4, n)), dtype=torch.float32)
    labels = torch.tensor(random.random((4, n)) < 0.4)
    labels[:, 0], labels[:, 1] = True, False
    return scores, labels


def value_and_gradient(loss, scores, labels, valid=None):
    scores = scores.clone().requires_grad_()
    value = loss(scores, labels, valid)
    value.backward()
    return value.item(), scores.grad


def test_every_loss_is_tested():
    assert set(CONFIGS) == set(LOSSES)


@every_loss
def test_padding_changes_nothing(name, config, skip):
    loss = make_loss(name, config, skip)
    scores, labels = random_case()
    expected, gradient = value_and_gradient(loss, scores, labels)
    padded = torch.cat([scores, torch.full((4, 3), 0.7)], dim=1)
    for fill in (0.7, 1.0, -1.0, np.nan):
        padded[:, 12:] = fill
        for mark in (True, False):
            marks = torch.cat([labels, torch.full((4, 3), mark)], dim=1)
            valid = torch.arange(15).expand(4, 15) < 12
            value, grad = value_and_gradient(loss, padded, marks, valid)
            assert value == pytest.approx(expected, abs=1e-6)
            torch.testing.assert_close(grad[:, :12], gradient)
            assert (grad[:, 12:] == 0).all()


@every_loss
@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("rows", [slice(None), slice(1, 2)])
def test_all_or_no_positives_leave_the_gradient_finite(name, config, skip, mark, rows):
    loss = make_loss(name, config, skip)
    scores, labels = random_case(1)
    labels[rows] = mark
    value, gradient = value_and_gradient(loss, scores, labels)
    assert np.isfinite(value) and torch.isfinite(gradient).all()
    if not mark and (name != "place" or skip):  # place learns "none of these" there
        assert (gradient[rows] == 0).all()


@every_loss
def test_rows_without_any_entry(name, config, skip):
    loss = make_loss(name, config, skip)
    scores, labels = random_case(2)
    valid = torch.ones_like(labels)
    valid[2] = False
    value, gradient = value_and_gradient(loss, scores, labels, valid)
    assert np.isfinite(value) and torch.isfinite(gradient).all() and (gradient[2] == 0).all()
    others = loss(scores[[0, 1, 3]], labels[[0, 1, 3]]).item()
    alone = make_loss(name, config, True)(scores, labels, valid).item()
    assert alone == pytest.approx(others, abs=1e-6)


@every_loss
@pytest.mark.parametrize("score", [1.0, 0.0, -1.0, 1.0000001, 1.7, -1.7, 1e4, -1e4])
def test_equal_scores_and_scores_outside_the_range(name, config, skip, score):
    loss = make_loss(name, config, skip)
    _, labels = random_case(3)
    value, gradient = value_and_gradient(loss, torch.full((4, 12), score), labels)
    assert np.isfinite(value) and torch.isfinite(gradient).all()
    assert gradient.abs().max() < 1e4
    mixed = random_case(3)[0]
    mixed[:, 5] = score
    value, gradient = value_and_gradient(loss, mixed, labels)
    assert np.isfinite(value) and torch.isfinite(gradient).all()


@every_loss
def test_descent_puts_the_positives_first(name, config, skip):
    """Gradient steps on descriptors from a random start: what a loss is for."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(20, 8, generator=generator).add(1).requires_grad_()
    labels = torch.arange(20)[:, None] % 4 == torch.arange(20) % 4
    # Each query's own entry counts as padding.
    valid = ~torch.eye(20, dtype=torch.bool)
    loss, optimizer = make_loss(name, config, skip), torch.optim.Adam([points], lr=0.05)

    def precision():
        unit = torch.nn.functional.normalize(points.detach(), dim=1)
        first = (unit @ unit.T).masked_fill(~valid, -2).topk(4).indices
        return labels.gather(1, first).float().mean().item()

    before = precision()
    for _ in range(60):
        unit = torch.nn.functional.normalize(points, dim=1)
        optimizer.zero_grad()
        loss(unit @ unit.T, labels, valid).backward()
        optimizer.step()
    assert before < 0.4 and precision() > before + 0.3


def test_the_settings_reach_the_losses():
    ap = make_loss("ap", LossConfig(bins=7, lowest=-0.5), True)
    assert isinstance(ap, APLoss) and (ap.num_bins, ap.low, ap.high) == (7, -0.5, 1.0)
    assert ap.skip_empty and not make_loss("ap", LossConfig(), False).skip_empty
    default = make_loss("ap", LossConfig(), False)
    assert (default.num_bins, default.low) == (20, -1.0)
    theirs = make_loss("dir-ap", LossConfig(), True)
    assert (theirs.num_bins, theirs.low, theirs.high, theirs.skip_empty) == (25, 0.0, 1.0, True)
    assert make_loss("tie-aware-ap", LossConfig(simplified=True, distance=True), True).by_distance
    assert make_loss("contrastive", LossConfig(), False).temperature == 2
    sare = make_loss("sare", LossConfig(None, None, True, True, 0.5, "cauchy", "joint"), False)
    assert isinstance(sare, SARELoss) and sare.temperature == 0.5
    assert (sare.kernel, sare.mode, sare.reduction) == ("cauchy", "joint", "pair")
    assert make_loss("sare", LossConfig(), False).temperature == 1


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("sar", LossConfig(), "train.loss: 'sar' is not a choice (did you mean 'sare'?)"),
        ("sare", LossConfig(kernel="gausian"), "loss.kernel: 'gausian' is not a choice "
         "(did you mean 'gaussian'?)"),
        ("sare", LossConfig(mode="x"), "loss.mode: 'x' is not a choice "
         "(choose from independent, joint)"),
        ("sare", LossConfig(reduction="pairs"), "loss.reduction: 'pairs' is not a choice "
         "(did you mean 'pair'?)"),
        ("sare", LossConfig(negatives=-1), "loss.negatives: -1 is less than 0"),
        ("ap", LossConfig(bins=1), "loss.bins: 1 is less than 2"),
        ("ap", LossConfig(lowest=1.0), "loss.lowest: 1.0 is not a cosine from -1 to below 1"),
        ("ap", LossConfig(temperature=0.0), "loss.temperature: 0.0 is not above 0"),
    ],
)  # fmt: skip
def test_bad_settings_are_named(name, config, message):
    with pytest.raises(InputError) as error:
        make_loss(name, config, False)
    assert str(error.value) == message


def test_place_is_refused_with_the_query_in_its_own_list():
    with pytest.raises(InputError, match="train.own_positive: place"):
        check_loss("place", LossConfig(), own_positive=True)
    check_loss("place", LossConfig(), own_positive=False)


def test_sare_is_refused_with_the_query_in_its_own_list():
    with pytest.raises(InputError, match="train.own_positive: sare"):
        check_loss("sare", LossConfig(), own_positive=True)
    check_loss("sare", LossConfig(), own_positive=False)
    check_loss("contrastive", LossConfig(), own_positive=True)
