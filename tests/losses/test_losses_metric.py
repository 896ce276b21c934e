"""Losses of descriptors: against explicit loops, and pytorch-metric-learning's own numbers.

tests/data/metric_learning.json holds what pytorch-metric-learning 2.9.0 gives, in double precision,
for the inputs that are made here by a formula. Its reductions: multi-similarity and CosFace average
over all rows; triplet with MeanReducer over all triplets (its default leaves zeros out).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from gcsa.losses import (
    ContrastiveMarginLoss,
    CosFaceLoss,
    LossConfig,
    MultiSimilarityLoss,
    TripletLoss,
    check_loss,
)

KNOWN = json.loads((Path(__file__).parents[1] / "data/metric_learning.json").read_text())
LABELS = torch.arange(12) % 4


def inputs() -> torch.Tensor:
    i, j = np.arange(12)[:, None], np.arange(6)
    x = np.sin(1.7 * i + 0.9 * j * (1 + i % 3)) + 0.4 * np.cos(2.3 * (i % 4) + j)
    return torch.tensor(x / np.linalg.norm(x, axis=1, keepdims=True)).requires_grad_()


def check(name, value, x):
    """Value and gradient are the known ones, the latter along the unit sphere."""
    value.backward()
    assert value.item() == pytest.approx(KNOWN[name]["value"], abs=1e-9)
    expected, unit = torch.tensor(KNOWN[name]["gradient"], dtype=torch.float64), x.detach()
    for gradient in (expected, x.grad):  # the radial part differs with how distances are written
        gradient -= (gradient * unit).sum(dim=1, keepdim=True) * unit
    torch.testing.assert_close(x.grad, expected, rtol=0, atol=1e-9)
    assert x.grad.abs().max() > 1e-3


def batch(x):
    scores = x @ x.T
    return scores, LABELS[:, None] == LABELS, ~torch.eye(12, dtype=torch.bool)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("multi-similarity", MultiSimilarityLoss()),
        ("multi-similarity, no miner", MultiSimilarityLoss(epsilon=None)),
        ("multi-similarity, softer", MultiSimilarityLoss(2.0, 5.0, 0.5)),
    ],
)
def test_multi_similarity_is_that_of_metric_learning(name, loss):
    x = inputs()
    check(name, loss(*batch(x)), x)


def test_the_miner_keeps_as_many_pairs_as_metric_learning():
    near, far = MultiSimilarityLoss().mined(*batch(inputs().detach()))
    assert [int(near.sum()), int(far.sum())] == KNOWN["pairs mined"][::2]


def test_cosface_is_that_of_metric_learning():
    x = inputs()
    row, column = np.arange(6)[:, None], np.arange(4)
    directions = torch.tensor(np.cos(0.8 * row * (1 + column) + column)).requires_grad_()
    scores = x @ functional.normalize(directions, dim=0)
    check("cosface", CosFaceLoss()(scores, functional.one_hot(LABELS, 4).bool()), x)
    expected = torch.tensor(KNOWN["cosface"]["weights gradient"], dtype=torch.float64)
    torch.testing.assert_close(directions.grad, expected, rtol=0, atol=1e-9)


def test_triplets_are_those_of_metric_learning():
    """Query q, positive 4 + q, negatives those of 8 to 11 that have another label."""
    x = inputs()
    listed = torch.tensor([[4 + q, *(k for k in range(8, 12) if k % 4 != q)] for q in range(4)])
    scores = (x[:4, None] * x[listed]).sum(dim=2)
    check("triplet", TripletLoss()(scores, torch.tensor([[True] + [False] * 3] * 4)), x)


def rows(seed=0):
    random = np.random.default_rng(seed)
    labels = torch.tensor(random.random((5, 9)) < 0.4)
    labels[:, 0], labels[:, 1] = True, False
    valid = torch.tensor(random.random((5, 9)) < 0.8)
    valid[:, :2] = True
    labels[3], valid[4] = False, False  # a row without a positive, one without any entry
    return torch.tensor(random.uniform(-1, 1, (5, 9))), labels, valid


def split(scores, labels, valid, row):
    there = [k for k in range(9) if valid[row, k]]
    near = [float(scores[row, k]) for k in there if labels[row, k]]
    return near, [float(scores[row, k]) for k in there if not labels[row, k]]


@pytest.mark.parametrize("reduction", ["pair", "tuple"])
@pytest.mark.parametrize("seed", range(3))
def test_triplet_by_loops(seed, reduction):
    case, sums, pairs = rows(seed), [], 0
    for row in range(5):
        near, far = split(*case, row)
        if near and far:
            hardest = sorted(far, reverse=True)[:3]
            gaps = [0.3 + (2 - 2 * max(near)) - (2 - 2 * s) for s in hardest]
            sums.append(sum(max(0.0, gap) for gap in gaps))
            pairs += len(hardest)
    expected = sum(sums) / (pairs if reduction == "pair" else len(sums))
    assert TripletLoss(0.3, reduction, 3)(*case).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("reduction", ["pair", "tuple"])
@pytest.mark.parametrize("seed", range(3))
def test_contrastive_margin_by_loops(seed, reduction):
    case, sums, pairs = rows(seed), [], 0
    for row in range(5):
        near, far = split(*case, row)
        if near:
            apart = [max(0.0, 1.2 - math.sqrt(2 - 2 * s + 1e-7)) ** 2 for s in far]
            sums.append((sum(2 - 2 * s for s in near) + sum(apart)) / 2)
            pairs += len(near) + len(far)
    expected = sum(sums) / (pairs if reduction == "pair" else len(sums))
    assert ContrastiveMarginLoss(1.2, reduction)(*case).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_multi_similarity_by_loops(seed):
    case, values = rows(seed), []
    for row in range(5):
        near, far = split(*case, row)
        if near:
            kept = [s for s in near if far and s - 0.2 < max(far)]
            pushed = [s for s in far if s + 0.2 > min(near)]
            values.append(
                math.log(1 + sum(math.exp(-2 * (s - 0.1)) for s in kept)) / 2
                + math.log(1 + sum(math.exp(7 * (s - 0.1)) for s in pushed)) / 7
            )
    found = MultiSimilarityLoss(2.0, 7.0, 0.1, 0.2)(*case).item()
    assert found == pytest.approx(np.mean(values), abs=1e-9)


def test_cosface_is_a_softmax_with_a_margin():
    random = np.random.default_rng(1)
    scores, own = torch.tensor(random.uniform(-1, 1, (6, 5))), torch.arange(6) % 5
    moved = scores.clone()
    moved[range(6), own] -= 0.4
    expected = functional.cross_entropy(30 * moved, own)
    found = CosFaceLoss()(scores, functional.one_hot(own, 5).bool())
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"margin": 0.0}, "loss.margin: 0.0 is not a finite number above 0"),
        ({"beta": math.inf}, "loss.beta: inf is not a finite"),
        ({"epsilon": -0.1}, "loss.epsilon: -0.1 is not from 0 to 2"),
        ({"base": 1.5}, "loss.base: 1.5 is not a cosine"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        check_loss("triplet", LossConfig(**settings))
