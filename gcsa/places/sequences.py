"""Frames of one sequence strengthen each other: a chain over their candidates.

The camera moves little between frames, so a candidate of one frame that lies near a likely one of
the next is likelier. Forward-backward (Baum et al., 1970) over the frames; what the other frames
say is discounted, as frames of one sequence err together. Positions are metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ChainConfig:
    """step: metres along an axis between two frames (standard deviation). jumps: weight of a
    transition anywhere, against 1 for one to the same place. discount: power of what the other
    frames say. online: the past alone."""

    step: float = 15.0
    jumps: float = 0.02
    discount: float = 0.6
    online: bool = False


def chain(
    evidence: np.ndarray,
    none: float,
    positions: np.ndarray,
    sequence: np.ndarray,
    frame: np.ndarray,
    config: ChainConfig | None = None,
) -> np.ndarray:
    """What the other frames of a query's sequence say of its candidates: (Q, N), to be added.

    evidence: (Q, N) of each frame by itself, -inf where padded; none: the logit of "none of these".
    positions: (Q, N, 2) of the candidates, NaN unknown. sequence: (Q,) int64, negative for a query
    by itself; frame: (Q,) numbers in time, a frame apart each step. 0 where nothing is said.
    """
    config, result = config or ChainConfig(), np.zeros(evidence.shape)
    for name in np.unique(sequence[sequence >= 0]):
        rows = np.flatnonzero(sequence == name)
        rows = rows[np.argsort(frame[rows], kind="stable")]
        result[rows] = _pass(evidence[rows], none, positions[rows], frame[rows], config)
        if not config.online:
            back = rows[::-1]
            result[back] += _pass(evidence[back], none, positions[back], frame[back], config)
    return np.where(np.isfinite(evidence), config.discount * result, 0.0)


def _pass(
    evidence: np.ndarray,
    none: float,
    positions: np.ndarray,
    frame: np.ndarray,
    config: ChainConfig,
) -> np.ndarray:
    """Messages (F, N) from the frames before, in the order given; log, of mean ratio 1."""
    messages = np.zeros(evidence.shape)
    for k in range(1, len(evidence)):
        chance = _softmax(np.append(evidence[k - 1] + messages[k - 1], none))
        apart = max(1.0, abs(float(frame[k] - frame[k - 1])))
        near = transition(positions[k - 1], positions[k], config.step * apart)
        # "None of these" says nothing of where the next frame is; neither does a jump.
        reached = chance[:-1] @ near + config.jumps
        valid = np.isfinite(evidence[k])
        messages[k, valid] = np.log(reached[valid] / reached[valid].mean())
    return messages


def transition(before: np.ndarray, after: np.ndarray, step: float) -> np.ndarray:
    """exp(-d^2 / 2 step^2) from (N, 2) to (M, 2): (N, M), 0 where a position is unknown."""
    squared = ((before[:, None] - after[None]) ** 2).sum(-1)
    return np.nan_to_num(np.exp(-0.5 * squared / step**2), nan=0.0)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()
