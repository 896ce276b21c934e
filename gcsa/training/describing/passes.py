"""Gradients of any loss on descriptors, however many images it is of.

Revaud, Almazan, Rezende, de Souza: "Learning with Average Precision", ICCV 2019, section 3.3: the
images are described without a graph; the loss and its gradient are of the descriptors alone; then
the images are described again, few at a time, each handing its descriptor's gradient on. What needs
memory is one part of the images. Several processes share the images so, too: each computes the loss
of all descriptors, and hands on the gradients of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from gcsa import distributed

Describe = Callable[[slice], Tensor]


def parts(count: int, most: int) -> list[slice]:
    """This process's share of ``count`` images in parts of at most ``most`` (0: all at once)."""
    own = distributed.share(count)
    step = most or max(count, 1)
    return [slice(i, min(i + step, own.stop)) for i in range(own.start, own.stop, step)]


def backward(
    shares: Sequence[slice],
    describe: Describe,
    loss: Callable[[Tensor], Tensor],
    scale: Callable[[Tensor], Tensor],
    trained: Iterable[Tensor],
) -> Tensor:
    """Add the gradient of a loss on all descriptors to the trained parameters; returns the loss.

    shares: this process's parts of the images (:func:`parts`). describe: a part -> (n, D), the same
    each time that it is called. scale: what the loss is scaled by before its gradient is taken.
    """
    if len(shares) == 1:  # what has a graph already needs no second pass
        kept = [describe(shares[0])]
    else:
        with torch.no_grad():
            kept = [describe(share) for share in shares]
    every, own = _gathered(kept)
    every.requires_grad_()
    value = loss(every)
    scale(value).backward()
    gradients = torch.zeros_like(every) if every.grad is None else every.grad
    start = own.start
    for share in shares:
        described = kept[0] if len(shares) == 1 else describe(share)
        described.backward(gradients[start : start + len(described)])
        start += len(described)
    if distributed.size() > 1:
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.sum_of(parameter.grad)
    return value.detach()


def _gathered(kept: Sequence[Tensor]) -> tuple[Tensor, slice]:
    """The descriptors of all processes, and which of them are this one's."""
    own = torch.cat([part.detach() for part in kept]) if kept else None
    if distributed.size() == 1:
        assert own is not None
        return own, slice(0, len(own))
    parts_of_all = distributed.everyone(None if own is None else own.cpu())
    there = [part for part in parts_of_all if part is not None]
    before = [part for part in parts_of_all[: distributed.rank()] if part is not None]
    start = sum(map(len, before))
    device = there[0].device if own is None else own.device
    return torch.cat(there).to(device), slice(start, start + (0 if own is None else len(own)))
