"""DIR's AP and tie-aware AP: published values, the definitions bin by bin, and gradients.

The published values are float32: values agree to 2e-7 and gradients, of size up to 0.5, to 5e-6.
"""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcsa.losses import DirAPLoss, TieAwareAPLoss
from gcsa.losses.bins import soft_bins
from gcsa.losses.tie_aware_ap import MARGIN

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "dir.npz")
CASES = {
    "ap_nq25": DirAPLoss(),
    "ap_nq20": DirAPLoss(20),
    "ap_nq20_m1p1": DirAPLoss(20, (-1.0, 1.0)),
    "apdist_nq25": DirAPLoss(by_distance=True),
    "tap_nq25": TieAwareAPLoss(),
    "tap_nq20": TieAwareAPLoss(20),
    "taps_nq25": TieAwareAPLoss(simplified=True),
    "tapdist_nq25": TieAwareAPLoss(by_distance=True),
}


def golden_inputs(tag):
    scores = torch.from_numpy(GOLDEN["ap_x"])
    scores = 2 * scores - 1 if tag.endswith("m1p1") else scores.clone()
    return scores.requires_grad_(), torch.from_numpy(GOLDEN["ap_label"]).bool()


@pytest.mark.parametrize("tag", CASES)
def test_published_values_and_gradients(tag):
    scores, labels = golden_inputs(tag)
    loss = CASES[tag](scores, labels)
    loss.backward()
    ap = CASES[tag].average_precision(scores, labels, None).detach()
    assert loss.item() == pytest.approx(GOLDEN[f"{tag}_loss"], abs=2e-7)
    np.testing.assert_allclose(ap, GOLDEN[f"{tag}_AP"], rtol=0, atol=2e-7)
    np.testing.assert_allclose(scores.grad, GOLDEN[f"{tag}_grad"], rtol=0, atol=5e-6)


def test_published_values_in_double_precision():
    scores, labels = golden_inputs("ap_nq25_f64")
    scores = scores.detach().double().requires_grad_()
    loss = DirAPLoss()(scores, labels)
    loss.backward()
    assert loss.item() == pytest.approx(GOLDEN["ap_nq25_f64_loss"], abs=1e-14)
    np.testing.assert_allclose(scores.grad, GOLDEN["ap_nq25_f64_grad"], rtol=0, atol=1e-13)


def test_published_query_weights():
    scores, labels = golden_inputs("ap_nq25_qw")
    loss = DirAPLoss()(scores, labels, weights=torch.from_numpy(GOLDEN["ap_qw"]))
    loss.backward()
    assert loss.item() == pytest.approx(GOLDEN["ap_nq25_qw_loss"], abs=2e-7)
    np.testing.assert_allclose(scores.grad, GOLDEN["ap_nq25_qw_grad"], rtol=0, atol=5e-6)


def test_published_values_on_the_edges():
    """Scores on bin centres, between bins, outside the range."""
    labels = torch.from_numpy(GOLDEN["edge_label"]).bool()
    scores = torch.from_numpy(GOLDEN["edge_x"]).requires_grad_()
    loss = DirAPLoss()(scores, labels)
    loss.backward()
    assert loss.item() == pytest.approx(GOLDEN["edge_ap_loss"], abs=2e-7)
    np.testing.assert_allclose(scores.grad, GOLDEN["edge_ap_grad"], rtol=0, atol=2e-6)
    tied = TieAwareAPLoss()(torch.from_numpy(GOLDEN["edge_x"]), labels)
    assert tied.item() == pytest.approx(GOLDEN["edge_tap_loss"], abs=2e-7)


def test_published_gradient_through_descriptors():
    inputs = torch.from_numpy(GOLDEN["ms_inp"])
    weight = torch.from_numpy(GOLDEN["ms_W"]).requires_grad_()
    classes = torch.from_numpy(GOLDEN["ms_cls"])
    descriptors = torch.nn.functional.normalize(inputs @ weight, dim=1)
    descriptors.retain_grad()
    scores = descriptors @ descriptors.T
    # A descriptor's product with itself stands on a bin's centre, where the last bit, which differs
    # between processors, chooses the slope: the bits of the golden scores are taken.
    scores = scores + (torch.from_numpy(GOLDEN["ms_S"]) - scores).detach()
    loss = DirAPLoss(20, (-1.0, 1.0))(scores, classes[:, None] == classes)
    loss.backward()
    assert loss.item() == pytest.approx(GOLDEN["ms_loss"], abs=2e-7)
    np.testing.assert_allclose(descriptors.grad, GOLDEN["ms_gradD"], rtol=0, atol=5e-7)
    np.testing.assert_allclose(weight.grad, GOLDEN["ms_gradW"], rtol=0, atol=5e-7)


def test_published_shares():
    shares = soft_bins(torch.from_numpy(GOLDEN["ap_x"]), 25, 0.0, 1.0)
    np.testing.assert_allclose(shares, GOLDEN["ap_nq25_soft"], rtol=0, atol=2e-6)


@given(st.floats(-1e3, 1e3), st.integers(2, 40), st.floats(-3, 0), st.floats(0.1, 3))
def test_shares_sum_to_one_inside_and_outside_the_range(score, bins, low, width):
    scores = torch.tensor([[score]], dtype=torch.float64)
    shares = soft_bins(scores, bins, low, low + width)[0, :, 0]
    assert shares.sum().item() == pytest.approx(1, abs=1e-8)
    assert (shares >= 0).all() and (shares > 0).sum() <= 2


def looped_shares(score, centres):
    """Triangles by hand, the outer halves of the first and the last replaced by 1."""
    spacing = centres[0] - centres[1]
    shares = [max(0.0, 1 - abs(score - c) / spacing) for c in centres]
    shares[0] = 1.0 if score >= centres[0] else shares[0]
    shares[-1] = 1.0 if score <= centres[-1] else shares[-1]
    return shares


def looped(scores, labels, kind, bins=25, low=0.0, high=1.0):
    centres = [mpmath.mpf(high) - k * (high - low) / mpmath.mpf(bins - 1) for k in range(bins)]
    shares = [looped_shares(s, centres) for s in scores]
    above = relevant_above = total = 0.0
    for k in range(bins):
        c = sum(share[k] for share in shares)
        p = sum(share[k] for share, label in zip(shares, labels, strict=True) if label)
        if kind == "ap":
            total += p * (relevant_above + p) / (1e-16 + above + c)
        elif kind == "simplified":
            total += p * (2 * relevant_above + p + 1) / (2 * above + c + 1)
        else:
            rho = max(p - 1, 0) / (max(c - 1, 0) + 1e-8)
            spread = relevant_above + 1 - rho * (above + 1)
            total += p / (c + 1e-8) * (c * rho + spread * mpmath.log((above + c + 1) / (above + 1)))
        above, relevant_above = above + c, relevant_above + p
    return total / sum(labels)


LOOPED = {
    "ap": DirAPLoss(),
    "simplified": TieAwareAPLoss(simplified=True),
    "tied": TieAwareAPLoss(),
}


@pytest.mark.parametrize("kind", LOOPED)
def test_equals_the_loops_outside_the_range_too(kind):
    random = np.random.default_rng(4)
    scores, labels = random.uniform(-1, 1.4, (5, 60)), random.random((5, 60)) < 0.3
    expected = [float(looped(s, y, kind)) for s, y in zip(scores, labels, strict=True)]
    loss = LOOPED[kind](torch.tensor(scores), torch.tensor(labels))
    assert loss.item() == pytest.approx(1 - np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("loss", [*LOOPED.values(), DirAPLoss(by_distance=True)])
def test_gradients_by_finite_differences(loss):
    random = np.random.default_rng(5)
    # Crowded: no bin holds between 1 and 1 + MARGIN entries, where the slope is bounded on purpose.
    scores = torch.tensor(random.uniform(0.82, 0.94, (2, 40)), requires_grad=True)
    labels = torch.tensor(random.random((2, 40)) < 0.6)
    content = soft_bins(scores.detach(), 25, 0.0, 1.0).sum(-1)
    if isinstance(loss, TieAwareAPLoss):
        assert not ((content > 1) & (content < 1 + MARGIN)).any() and (content > 2).any()
    assert torch.autograd.gradcheck(lambda s: loss(s, labels), scores, eps=1e-8, atol=1e-6)


@pytest.mark.parametrize("excess", [0.0, 1e-9, 1e-6, 1e-3])
def test_slope_of_the_tie_aware_loss_is_bounded(excess):
    """A relevant entry on a centre and a sliver of another: theirs grows to 1e8 here."""
    scores = torch.tensor([[0.5, 0.5 + (1 - excess) / 24, 0.9]], dtype=torch.float64)
    scores.requires_grad_()
    labels = [True, True, False]
    loss = TieAwareAPLoss()(scores, torch.tensor([labels]))
    loss.backward()
    assert loss.item() == pytest.approx(
        float(1 - looped(scores[0].tolist(), labels, "tied")), abs=1e-6
    )
    assert 0.1 < scores.grad.abs().max() < 24 / MARGIN


def contents(scores, labels):
    """Entries and relevant ones of each bin: two of shape (25,)."""
    shares = soft_bins(scores.detach()[None], 25, 0.0, 1.0)[0]
    return shares.sum(-1), (shares * labels).sum(-1)


def differences(scores, labels, kind):
    """The gradient of 1 - AP by central differences of the loops, in 50 digits."""
    with mpmath.workdps(50):
        values, step = [mpmath.mpf(s) for s in scores.tolist()], mpmath.mpf(10) ** -20
        found = []
        for k in range(len(values)):
            by = [step * (i == k) for i in range(len(values))]
            above, below = (
                looped([v + sign * b for v, b in zip(values, by, strict=True)], labels, kind)
                for sign in (1, -1)
            )
            found.append(float((below - above) / (2 * step)))
    return found


@pytest.mark.parametrize("kind", LOOPED)
def test_values_and_gradients_of_double_precision(kind):
    """As near as docs/protocols.md says: the definitions in 50 digits, with DIR's guards."""
    random = np.random.default_rng(7)
    scores = torch.tensor(random.uniform(0.7, 0.99, 24), requires_grad=True)
    labels = torch.tensor(random.random(24) < 0.5)
    every, relevant = contents(scores, labels)
    outside = (every - 1 > MARGIN) | (every < 1)
    assert outside.all() and ((relevant > 1) & (every > relevant)).sum() > 3
    loss = LOOPED[kind](scores[None], labels[None])
    loss.backward()
    with mpmath.workdps(50):
        expected = float(1 - looped(scores.tolist(), labels.tolist(), kind))
    assert loss.item() == pytest.approx(expected, abs=1e-14)
    expected = differences(scores, labels.tolist(), kind)
    np.testing.assert_allclose(scores.grad, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("excess", [0.003, 0.02, 0.09])
def test_gradients_where_all_of_a_nearly_single_bin_are_relevant(excess):
    """There the share of relevant entries is 1 whatever the content: nothing to bound."""
    scores = torch.tensor([0.5, 0.5 + (1 - excess) / 24, 0.9, 0.21, 0.33], dtype=torch.float64)
    labels = torch.tensor([True, True, False, True, False])
    every, relevant = contents(scores, labels)
    near = (every > 1) & (every < 1 + MARGIN)
    assert near.any() and (every == relevant)[near].all()
    scores.requires_grad_()
    loss = TieAwareAPLoss()
    loss(scores[None], labels[None]).backward()
    # DIR's guard of 1e-8 has a slope of its own, which grows as the excess falls and is left out.
    guard = 24 * 1e-8 / excess**2
    # The entries on no centre: on one the loss has a kink.
    for k in (1, 2, 3, 4):
        up, down = (scores.detach() + sign * 1e-7 * torch.eye(5)[k] for sign in (1, -1))
        slope = (loss(up[None], labels[None]) - loss(down[None], labels[None])) / 2e-7
        assert scores.grad[k].item() == pytest.approx(slope.item(), abs=guard + 1e-6)


def test_empty_rows_have_an_ap_of_zero_or_are_skipped():
    scores, labels = golden_inputs("ap_nq25")
    labels[2] = False
    rest = [0, 1, 3, 4, 5, 6, 7]
    for kind in (DirAPLoss, TieAwareAPLoss):
        kept = kind()(scores[rest], labels[rest]).item()
        assert kind()(scores, labels).item() == pytest.approx((7 * kept + 1) / 8)
        assert kind(skip_empty=True)(scores, labels).item() == pytest.approx(kept)
