"""Dropout: the right share, unbiased, repeatable, and its gradient."""

import numpy as np
import pytest
import torch

from gcsa.models import dropout as module
from gcsa.models.dropout import dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.7])
def test_share_and_scale(p):
    torch.manual_seed(0)
    x = torch.ones(1000, 1003)
    y = dropout(x, p, training=True)
    assert set(np.unique(y)) == {0.0, np.float32(1 / (1 - p))}
    assert float((y == 0).float().mean()) == pytest.approx(p, abs=0.002)
    # Rows and columns alike, and neighbours independent.
    dropped = (y == 0).float()
    assert float(dropped.mean(0).std()) == pytest.approx((p * (1 - p) / 1000) ** 0.5, rel=0.1)
    together = (dropped[:, 1:] * dropped[:, :-1]).mean()
    assert float(together) == pytest.approx(p * p, abs=0.003)


def test_not_in_evaluation_and_not_without_probability():
    x = torch.randn(5)
    assert dropout(x, 0.5, training=False) is x and dropout(x, 0.0, training=True) is x


def test_it_follows_from_the_seed():
    x = torch.randn(3, 77)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(torch.stack([dropout(x, 0.5, training=True) for _ in range(2)]))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1]), "each call draws anew"


def test_the_gradient_is_the_mask():
    torch.manual_seed(0)
    x = torch.randn(40, 40, requires_grad=True)
    y = dropout(x, 0.3, training=True)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0.0, 1 / 0.7))


@pytest.mark.parametrize("apart", [True, False])
def test_compiled(apart, monkeypatch):
    """Kept out of graphs the draws are those of plain code; else torch's, of the same share."""
    # As in a process that has compiled no network yet; another test's training may have done so.
    monkeypatch.setattr(module, "_mask", module._draw)
    if apart:
        module.keep_out_of_graphs()
    torch.compiler.reset()  # code compiled before knows the other way
    x = torch.ones(100, 1003)
    compiled = torch.compile(lambda x: dropout(x, 0.3, training=True), backend="eager")
    draws = []
    for function in (compiled, lambda x: dropout(x, 0.3, training=True)):
        torch.manual_seed(0)
        draws.append(function(x))
    assert torch.equal(*draws) is apart
    assert float((draws[0] == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
