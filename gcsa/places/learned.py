"""The posterior of a scene corrected by a network: what it adds to the evidence of candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.special import expit, logit

from gcsa.models.place import PlaceNet
from gcsa.places.affinities import Affinities
from gcsa.places.inputs import Evidence, inputs_of
from gcsa.places.posterior import Posterior
from gcsa.places.weighed import Weighed

# Pairs of a block of queries: few enough for the cache, many enough for each operation.
BLOCK = 1 << 17
# A probability of relevance counts as no less than this.
FAINT = 1e-6


@torch.inference_mode()
def learned(
    network: PlaceNet,
    affinities: Affinities | None,
    similarity: np.ndarray,
    rows: np.ndarray,
    weighed: Weighed,
    none: float,
    device: torch.device | str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood ratios to be added to the evidence, and what to the logits of relevance.

    Both (Q, K), 0 where padded. What the network adds to "none of these", whose logit is ``none``,
    is taken from all others. affinities: None for a network without layers. similarity, rows:
    (Q, K), of the candidates.
    """
    network.eval()
    found = np.zeros((2, *rows.shape))
    step = max(1, BLOCK // ((rows.shape[1] + 2) * (min(network.keys, rows.shape[1]) + 2)))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        known = evidence_of(similarity[part], weighed, part, none, device)
        queries = torch.arange(start, start + len(rows[part]), device=device)
        listed = torch.from_numpy(np.ascontiguousarray(rows[part])).to(device)
        inputs = inputs_of(known, listed, queries, affinities, network.keys)
        change = network(*inputs)
        logits, nowhere = known.corrected(change, network.residual)
        added = (logits - nowhere[:, None]) - (known.total - known.none[:, None])
        found[0, part] = added.cpu().numpy()
        found[1, part] = change.relevance.cpu().numpy()
    evidence, relevance = np.where(weighed.valid, found, 0.0)
    return evidence, relevance


def evidence_of(
    similarity: np.ndarray,
    weighed: Weighed,
    part: slice | np.ndarray,
    none: float,
    device: torch.device | str,
) -> Evidence:
    """What is known of some queries, as tensors; similarity: theirs alone."""

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(device)

    valid = torch.from_numpy(weighed.valid[part]).to(device)
    kinds = {name: tensor(values[part]) for name, values in weighed.kinds.items()}
    alike = tensor(np.where(weighed.valid[part], similarity, 0.0))
    return Evidence(alike, kinds, torch.full((len(alike),), none, device=device), valid)


def with_relevance(found: Posterior, change: np.ndarray, valid: np.ndarray) -> Posterior:
    """Lists in the order of relevance as the network sees it: (Q, K) added to its logits.

    For databases without positions, whose images are places of their own to the posterior.
    """
    chance = found.probability.astype(np.float64).clip(FAINT, 1 - FAINT)
    scores = np.where(valid, expit(logit(chance) + change), 0.0).astype(np.float32)
    keys = np.take_along_axis(np.where(valid, scores, -1.0), found.order, axis=1)
    # Ties in the order of before.
    again = np.argsort(-keys, axis=1, kind="stable")
    order = np.take_along_axis(found.order, again, axis=1)
    best, confidence = order[:, 0], np.take_along_axis(scores, order[:, :1], axis=1)[:, 0]
    return replace(found, order=order, scores=scores, best=best, confidence=confidence)
