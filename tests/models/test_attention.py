"""Attention with its own dropout is torch's, up to the draw."""

import torch
from torch.nn import functional

from gcsa.models import attention


def test_attention_without_chance_is_torch_s(monkeypatch):
    monkeypatch.setattr(attention, "dropout", lambda x, p, training: x)
    q, k, v = torch.randn(3, 2, 4, 7, 5)
    some = torch.rand(2, 7) > 0.3
    some[:, 0] = True
    for keep in (None, some):
        mask = None if keep is None else keep[:, None, None, :]
        expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        torch.testing.assert_close(attention.attend(q, k, v, keep, 0.5), expected)


def test_attention_drops_weights_of_the_softmax(monkeypatch):
    seen = []
    monkeypatch.setattr(attention, "dropout", lambda x, p, training: seen.append((x, p)) or x * 0)
    out = attention.attend(*torch.randn(3, 1, 2, 6, 4), None, 0.25)
    (weights, p), *_ = seen
    assert p == 0.25 and (out == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 6))
