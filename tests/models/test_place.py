"""The network of places: its biases against one dense tensor of all tokens and keys."""

import numpy as np
import torch

from gcsa.models.place import PairBias, Pairs

B, A, K, M = 2, 4, 6, 3


def test_biases_are_those_of_a_dense_tensor_of_pairs():
    """Candidates, the query and "none", each with its flags, read by the two layers in loops."""
    torch.manual_seed(0)
    module = PairBias(A + 3, 5, 8)
    pairs = Pairs(torch.randn(B, A, K, M), torch.randn(B, A, K))
    top = torch.stack([torch.randperm(K)[:M] for _ in range(B)])
    found = module(pairs, top).added_to(torch.zeros(B, 8, 2 + K, 2 + M)).detach().numpy()
    inner, bias, outer = (p.detach().numpy() for p in module.parameters())
    for b, t, s in np.ndindex(B, 2 + K, 2 + M):
        read = np.zeros(A + 3)
        if t >= 2 and s >= 2:
            read[:A] = pairs.among[b, :, t - 2, s - 2]
        elif t >= 2 and s == 0:
            read[:A] = pairs.query[b, :, t - 2]
        elif t == 0 and s >= 2:
            read[:A] = pairs.query[b, :, top[b, s - 2]]
        read[A:] = s == 0, s == 1, t < 2
        expected = outer @ np.maximum(inner @ read + bias, 0)
        np.testing.assert_allclose(found[b, :, t, s], expected, atol=1e-5)
