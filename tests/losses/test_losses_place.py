"""The place loss: an explicit loop, SciPy, gradients, and numbers that a naive one cannot hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from gcsa.losses import PlaceLoss, place_loss


def looped(logits, none, relevant, valid):
    """The definition, of one query: probabilities by plain exponentials, summed."""
    total, right, found = math.exp(none), 0.0, False
    for logit, is_relevant, is_there in zip(logits, relevant, valid, strict=True):
        if is_there:
            total += math.exp(logit)
            if is_relevant:
                right, found = right + math.exp(logit), True
    return -math.log((right if found else math.exp(none)) / total)


def random_case(seed, shape=(6, 9)):
    random = np.random.default_rng(seed)
    relevant = random.random(shape) < 0.3
    relevant[..., 0, :] = False  # "none of these"
    valid = random.random(shape) < 0.8
    return random.normal(0, 3, shape), random.normal(0, 1, shape[:-1]), relevant, valid


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_loop(seed):
    case = random_case(seed)
    expected = [looped(*row) for row in zip(*case, strict=True)]
    found = place_loss(*map(torch.tensor, case))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    logits, none, relevant, valid = map(torch.tensor, case)
    loss = PlaceLoss()(logits, relevant, valid, none)
    assert loss.item() == pytest.approx(np.mean(expected), abs=1e-12)
    right = (case[2] & case[3]).any(axis=1)
    skipped = PlaceLoss(skip_empty=True)(logits, relevant, valid, none)
    assert not right.all()
    assert skipped.item() == pytest.approx(np.mean(np.array(expected)[right]), abs=1e-12)


def test_any_leading_shape():
    logits, none, relevant, valid = map(torch.tensor, random_case(0, (2, 3, 9)))
    found = place_loss(logits, none, relevant, valid)
    assert found.shape == (2, 3)
    for i in range(2):
        torch.testing.assert_close(found[i], place_loss(logits[i], none[i], relevant[i], valid[i]))


def test_gradients_by_finite_differences():
    logits, none, relevant, valid = map(torch.tensor, random_case(1))
    given = logits.requires_grad_(), none.requires_grad_()
    assert torch.autograd.gradcheck(lambda s, n: place_loss(s, n, relevant, valid), given)
    place_loss(*given, relevant, valid).sum().backward()
    assert (logits.grad[~valid] == 0).all()


def test_the_gradient_is_probability_less_responsibility():
    """d/d logit_i = p_i - r_i, r the share of i among what is right: closed form."""
    logits, none, relevant, _ = map(torch.tensor, random_case(2))
    place_loss(logits.requires_grad_(), none.requires_grad_(), relevant).sum().backward()
    every = np.column_stack([logits.detach(), none.detach()])
    chance = np.exp(every - logsumexp(every, axis=1, keepdims=True))
    right = np.column_stack([relevant, ~relevant.any(dim=1)])
    share = chance * right / (chance * right).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(logits.grad, (chance - share)[:, :-1], atol=1e-12)
    np.testing.assert_allclose(none.grad, (chance - share)[:, -1], atol=1e-12)


def test_known_answers():
    nothing = torch.zeros(1, 7), torch.zeros(1)
    first = torch.arange(7)[None] == 0
    assert place_loss(*nothing, first).item() == pytest.approx(math.log(8))
    assert place_loss(*nothing, first | True).item() == pytest.approx(math.log(8 / 7))
    assert place_loss(*nothing, first & False).item() == pytest.approx(math.log(8))
    # A constant added to all logits of a query changes nothing.
    raised = torch.linspace(-1, 1, 7)[None]
    plain = place_loss(raised, torch.zeros(1), first)
    torch.testing.assert_close(place_loss(raised + 5, torch.full((1,), 5.0), first), plain)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_large_logits_lose_nothing(dtype):
    """Beyond what an exponential can hold, -log p of the wrong is the gap of the logits."""
    logits = torch.tensor([[1000.0, -1000.0, 0.0]], dtype=dtype, requires_grad=True)
    relevant = torch.tensor([[False, True, False]])
    loss = place_loss(logits, torch.zeros(1, dtype=dtype), relevant)
    assert loss.item() == pytest.approx(2000, rel=1e-6)
    loss.sum().backward()
    assert logits.grad.tolist() == [[1, -1, 0]]
    sure = place_loss(logits.detach(), torch.zeros(1), torch.tensor([[True, False, False]]))
    assert sure.item() == 0


def test_padding_may_be_anything_and_nothing_may_be_there():
    relevant, valid = torch.tensor([[True, True, False]]), torch.tensor([[True, False, False]])
    for fill in (math.nan, math.inf, -math.inf, 7.0):
        logits = torch.tensor([[1.0, fill, fill]], requires_grad=True)
        loss = place_loss(logits, torch.zeros(1), relevant, valid)
        assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))
        loss.sum().backward()
        assert torch.isfinite(logits.grad).all() and (logits.grad[0, 1:] == 0).all()
    alone = place_loss(torch.full((1, 3), math.nan), torch.zeros(1), relevant, valid & False)
    assert alone.item() == 0
