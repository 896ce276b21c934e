"""The quantised AP loss: known answers, explicit loops, limits and gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gcsa.losses import APLoss, LossConfig, make_loss

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "dir.npz")


@pytest.mark.parametrize(
    ("tag", "bins", "value_range"),
    [("nq20", 20, (0, 1)), ("nq25", 25, (0, 1)), ("nq20_m1p1", 20, (-1, 1))],
)
def test_known_answers(tag, bins, value_range):
    scores = torch.from_numpy(GOLDEN["ap_x"])
    if value_range == (-1, 1):
        scores = 2 * scores - 1
    scores.requires_grad_()
    labels, criterion = torch.from_numpy(GOLDEN["ap_label"]), APLoss(bins, value_range)
    loss = criterion(scores, labels)
    loss.backward()
    ap = criterion.average_precision(scores, labels, None).detach()
    assert loss.item() == pytest.approx(GOLDEN[f"ap_{tag}_loss"], abs=1e-6)
    np.testing.assert_allclose(ap, GOLDEN[f"ap_{tag}_AP"], atol=1e-6)
    np.testing.assert_allclose(scores.grad, GOLDEN[f"ap_{tag}_grad"], atol=1e-6)


def looped_ap(scores, labels, bins):
    """The definition, bin by bin."""
    centres = [1 - 2 * m / (bins - 1) for m in range(bins)]
    spacing = 2 / (bins - 1)
    positives = everything = total = 0.0
    for centre in centres:
        share = [max(0.0, 1 - abs(s - centre) / spacing) for s in scores]
        here = sum(w for w, label in zip(share, labels, strict=True) if label)
        positives, everything = positives + here, everything + sum(share)
        total += positives / (everything + 1e-16) * here / sum(labels)
    return total


def random_case(seed, n=30):
    random = np.random.default_rng(seed)
    labels = random.random((3, n)) < 0.3
    labels[:, 0] = True
    return random.uniform(-1, 1, (3, n)), labels


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_loops(seed):
    scores, labels = random_case(seed)
    expected = [looped_ap(s, y, 20) for s, y in zip(scores, labels, strict=True)]
    loss = APLoss()(torch.tensor(scores), torch.tensor(labels))
    assert loss.item() == pytest.approx(1 - np.mean(expected), abs=1e-9)


def test_is_the_true_ap_where_every_score_has_a_bin_of_its_own():
    random = np.random.default_rng(0)
    scores = np.stack([random.choice(201, 30, replace=False) for _ in range(3)]) / 100 - 1
    _, labels = random_case(0)
    ap = APLoss(201).average_precision(torch.tensor(scores), torch.tensor(labels), None)
    for s, y, value in zip(scores, labels, ap, strict=True):
        ranked = y[np.argsort(-s)]
        true = (np.cumsum(ranked) / np.arange(1, len(y) + 1))[ranked].mean()
        assert value.item() == pytest.approx(true, abs=1e-9)


def test_the_query_as_its_own_positive_flatters():
    """One positive at rank 10 of 100: the two values that the method's description names."""
    scores = torch.linspace(0.9, -0.9, 100, dtype=torch.float64)[None]
    labels = torch.zeros(1, 100, dtype=torch.bool)
    labels[0, 9] = True
    own = (torch.cat([torch.ones(1, 1), scores], 1), torch.cat([torch.ones(1, 1), labels], 1))
    alone, with_query = APLoss()(scores, labels), APLoss()(*own)
    assert alone.item() > 0.9 and 0.4 < with_query.item() < 0.5


def test_gradients_by_finite_differences():
    scores, labels = random_case(1, n=8)
    scores = torch.tensor(scores * 0.97 + 0.011, requires_grad=True)  # away from the bin centres
    assert torch.autograd.gradcheck(lambda s: APLoss()(s, torch.tensor(labels)), scores, eps=1e-7)


def test_invalid_entries_change_nothing():
    scores, labels = (torch.tensor(a) for a in random_case(2))
    valid = torch.ones_like(labels)
    valid[:, 20:] = False
    changed, flipped = scores.clone(), labels.clone()
    changed[:, 20:], flipped[:, 20:] = 0.123, ~flipped[:, 20:]
    expected = APLoss()(scores[:, :20], labels[:, :20])
    assert APLoss()(scores, labels, valid) == pytest.approx(expected.item())
    assert APLoss()(changed, flipped, valid) == pytest.approx(expected.item())


def test_without_positives_finite_and_skipped_on_demand():
    scores, labels = (torch.tensor(a) for a in random_case(3))
    labels[1] = False
    scores.requires_grad_()
    full = APLoss()(scores, labels)
    skipped = APLoss(skip_empty=True)(scores, labels)
    kept = APLoss()(scores[[0, 2]], labels[[0, 2]])
    assert full.item() == pytest.approx((2 * kept.item() + 1) / 3)
    assert skipped.item() == pytest.approx(kept.item())
    nothing = APLoss(skip_empty=True)(scores[1:2], labels[1:2])
    nothing.backward()
    assert nothing.item() == 0 and torch.isfinite(scores.grad).all()


def test_scores_a_hair_beyond_one():
    labels = torch.tensor([[True, False]])
    exact = APLoss()(torch.tensor([[1.0, 0.3]]), labels)
    assert APLoss()(torch.tensor([[1.0000002, 0.3]]), labels).item() == exact.item()


@pytest.mark.parametrize("name", ["ap", "dir-ap", "tie-aware-ap"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scores_of_half_precision(name, dtype):
    """No entry near 1: an empty first bin, which must not become 0 / 0."""
    scores = torch.rand(3, 20, generator=torch.Generator().manual_seed(0)).mul(0.5).to(dtype)
    labels = torch.arange(20) % 3 == 0
    loss = make_loss(name, LossConfig(), skip_empty=False)
    found = loss(scores.requires_grad_(), labels.expand(3, -1), None)
    found.backward()
    expected = loss(scores.detach().float(), labels.expand(3, -1), None)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    assert torch.isfinite(scores.grad).all()
