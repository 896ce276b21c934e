"""SARE and the contrastive loss: published values and gradients, explicit loops, options."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gcsa.losses import ContrastiveLoss, SARELoss
from gcsa.losses.sare import KERNELS, MODES

# Query at 0, positive at 30, negatives at 60 and 90 degrees, as published: loss, and its
# gradients at the positive and at the query. Six digits.
PUBLISHED = {
    ("gaussian", "independent"): (0.555567, (-0.127295, 0.475070), (-0.498101, 0.388055)),
    ("gaussian", "joint"): (0.505517, (-0.793613, 0.0), (-0.397200, 0.319077)),
    ("cauchy", "independent"): (0.843537, (-0.144775, 0.540307), (-0.247280, -0.006235)),
    ("cauchy", "joint"): (0.721066, (-0.108572, 0.405195), (-0.182563, -0.001230)),
    ("exponential", "independent"): (0.822918, (-0.173784, 0.648570), (-0.221951, -0.113125)),
    ("exponential", "joint"): (0.705712, (-0.131025, 0.488993), (-0.163815, -0.082586)),
}
KINDS = list(PUBLISHED)


def on_circle(*degrees):
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.mark.parametrize("kind", KINDS)
def test_published_values_and_gradients(kind):
    value, at_positive, at_query = PUBLISHED[kind]
    query, entries = on_circle(0).requires_grad_(), on_circle(30, 60, 90).requires_grad_()
    if kind == ("gaussian", "joint"):  # published in dot products, the others in distances
        scores = query @ entries.T
    else:
        scores = 1 - (query - entries).square().sum(1)[None] / 2
    labels = torch.tensor([[True, False, False]])
    loss = SARELoss(*kind, reduction="tuple")(scores, labels)
    loss.backward()
    assert loss.item() == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(entries.grad[0], at_positive, atol=1e-6)
    np.testing.assert_allclose(query.grad[0], at_query, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_published_value_at_equal_distances_and_least_value(kind):
    labels = torch.arange(11)[None] == 0
    loss = SARELoss(*kind, reduction="tuple")
    chance = {"independent": 10 * math.log(2), "joint": math.log(11)}[kind[1]]
    assert loss(torch.full((1, 11), 0.3), labels).item() == pytest.approx(chance, abs=1e-5)
    least = {"gaussian": (0.181, 0.168), "exponential": (1.269, 0.856), "cauchy": (1.823, 1.099)}
    apart = torch.where(labels, 1.0, -1.0)
    found = loss(apart, labels).item()
    assert found == pytest.approx(least[kind[0]][MODES.index(kind[1])], abs=2e-3)


def looped_sare(scores, labels, kernel, mode, temperature, reduction, num):
    similarity = {
        "gaussian": lambda d: math.exp(-(d**2)),
        "cauchy": lambda d: 1 / (1 + d**2),
        "exponential": lambda d: math.exp(-d),
    }[kernel]
    total = pairs = tuples = 0
    for row, relevant in zip(scores, labels, strict=True):
        distances = [math.sqrt(2 - 2 * s) for s in row]
        positive = min((d for d, y in zip(distances, relevant, strict=True) if y), default=None)
        hardest = sorted(d for d, y in zip(distances, relevant, strict=True) if not y)
        hardest = hardest[: num or None]
        if positive is None or not hardest:
            continue
        ratios = [(similarity(d) / similarity(positive)) ** (1 / temperature) for d in hardest]
        joint = math.log(1 + sum(ratios))
        total += joint if mode == "joint" else sum(math.log(1 + r) for r in ratios)
        pairs, tuples = pairs + len(hardest), tuples + 1
    return total / {"pair": pairs, "tuple": tuples}[reduction]


def random_case(seed=0, rows=6, n=15):
    random = np.random.default_rng(seed)
    labels = random.random((rows, n)) < 0.3
    labels[1], labels[2], labels[3, :-3] = False, True, True  # none, all, and few negatives
    return random.uniform(-0.95, 0.95, (rows, n)), labels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [(1.0, "pair", 4), (0.14, "tuple", 4), (3.0, "pair", 0)])
def test_sare_equals_the_loops(kind, options):
    temperature, reduction, num = options
    scores, labels = random_case()
    loss = SARELoss(*kind, temperature, reduction, num)
    expected = looped_sare(scores, labels, *kind, *options)
    found = loss(torch.tensor(scores), torch.tensor(labels)).item()
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_sare_gradients_by_finite_differences(kind):
    scores, labels = random_case(1)
    scores = torch.tensor(scores, requires_grad=True)
    loss = SARELoss(*kind, 0.5, num_negatives=5)
    assert torch.autograd.gradcheck(lambda s: loss(s, torch.tensor(labels)), scores)


def test_the_pair_reduction_is_the_published_smaller_step():
    scores, labels = torch.zeros(4, 11), (torch.arange(11) == 0).expand(4, 11)
    by_tuple = SARELoss(mode="joint", reduction="tuple")(scores, labels)
    by_pair = SARELoss(mode="joint", reduction="pair")(scores, labels)
    assert by_tuple.item() == pytest.approx(10 * by_pair.item())


@pytest.mark.parametrize("kernel", KERNELS)
def test_sare_gradient_at_equal_descriptors_is_finite(kernel):
    point = torch.nn.functional.normalize(torch.ones(1, 8), dim=1)
    query, entries = point.clone().requires_grad_(), point.repeat(5, 1).requires_grad_()
    loss = SARELoss(kernel)(query @ entries.T, torch.arange(5)[None] == 0)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), abs=1e-3)
    for grad in (query.grad, entries.grad):
        assert torch.isfinite(grad).all() and grad.abs().max() < 1e4


def test_only_the_hardest_negatives_and_the_nearest_positive_have_a_gradient():
    scores = torch.tensor([[0.9, 0.5, 0.8, 0.7, 0.6]], requires_grad=True)
    labels = torch.tensor([[True, True, False, False, False]])
    SARELoss(num_negatives=2)(scores, labels).backward()
    assert (scores.grad[0] != 0).tolist() == [True, False, True, True, False]
    assert scores.grad[0, 0] < 0 < scores.grad[0, 2]


def test_contrastive_published_values():
    cosines = torch.deg2rad(torch.tensor([[0.0, 30.0, 90.0, 180.0]])).cos()
    loss = ContrastiveLoss()(cosines, torch.tensor([[True, True, False, False]]))
    assert loss.item() == pytest.approx(0.407807, abs=1e-6)
    e = [1.648721, 1.646840, 1.635596, 1.613781, 1.573367, 1.530424, 1.470170, 1.460356]
    loss = ContrastiveLoss()(2 * torch.tensor([e]).log(), torch.arange(8)[None] < 4)
    assert loss.item() == pytest.approx(0.653357, abs=1e-6)


def looped_contrastive(scores, labels, temperature):
    losses = []
    for row, relevant in zip(scores, labels, strict=True):
        e = [math.exp(s / temperature) for s in row]
        above = sum(v for v, y in zip(e, relevant, strict=True) if y)
        if above:
            losses.append(-math.log(above / sum(e)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [2.0, 0.05])
def test_contrastive_equals_the_loops_and_finite_differences(temperature):
    scores, labels = random_case(2)
    loss = ContrastiveLoss(temperature)
    found = loss(torch.tensor(scores), torch.tensor(labels)).item()
    assert found == pytest.approx(looped_contrastive(scores, labels, temperature), abs=1e-9)
    scores = torch.tensor(scores, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: loss(s, torch.tensor(labels)), scores)


def test_contrastive_least_value():
    labels = torch.arange(100)[None] < 5
    loss = ContrastiveLoss()(torch.where(labels, 1.0, -1.0), labels)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1) * 0.95 / 0.05), abs=1e-5)
