"""The reconstruction loss of CSA: refined rows should still know the affinities they came from.

Ouyang et al., NeurIPS 2021 (arXiv 2110.13430). The paper calls it a mean squared error; what its
published code minimises, and what is here, is the distance itself between unit vectors.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

# Bounds of a squared distance: below, the gradient of its root would grow without end. A row that
# is reconstructed to within 0.01 gives no gradient any more.
SMALLEST, LARGEST = 1e-4, 1e4


def reconstruction_loss(
    affinity: Tensor, reconstructed: Tensor, keep: Tensor | None = None
) -> Tensor:
    """Mean over rows of the L2 distance of the two, each brought to unit length: in [0.01, 2].

    affinity, reconstructed: (B, T, 1+L). keep: (B, T) bool, False for rows that are padding.
    """
    expected = functional.normalize(affinity.float(), dim=-1)
    found = functional.normalize(reconstructed.float(), dim=-1)
    distance = (expected - found).square().sum(-1).clamp(SMALLEST, LARGEST).sqrt()
    if keep is None:
        return distance.mean()
    return distance.where(keep, 0).sum() / keep.sum()
