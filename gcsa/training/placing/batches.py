"""Batches of questions: groups of one scene each, several scenes and descriptors in a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from gcsa import distributed
from gcsa.models.place import Pairs, PlaceConfig, PlaceNet
from gcsa.places.inputs import Evidence, Inputs
from gcsa.training.placing.augmentation import Read, prepared
from gcsa.training.placing.questions import Questions

GROUP = 8  # queries of one scene that stand in a batch together

# (number of the questions, rows of queries)
Group = tuple[int, np.ndarray]


def reads(
    questions: Sequence[Questions],
    config: PlaceConfig,
    network: PlaceNet,
    K: int,
    size: int,
    random: np.random.Generator,
) -> Iterator[tuple[Read, float]]:
    """An epoch of questions, in batches of about ``size`` with lists of at most K candidates.

    Of several processes each has its share of a batch; beside it stands the weight of its mean loss
    among theirs, 0 where there are fewer groups than processes.
    """
    now = [prepared(q, config, random) for q in questions]
    layers, processes = network.pairs is not None, distributed.size()
    for batch in drawn([len(q) for q in questions], size, random):
        length = list_length(config.shortest, K, random)
        own = batch[distributed.share(len(batch))]
        whole = sum(len(rows) for _, rows in batch)
        share = sum(len(rows) for _, rows in own) * processes / whole
        parts = [now[n].read(rows, length, network.keys, layers) for n, rows in own or batch[:1]]
        yield joined(parts), share


def drawn(lengths: Sequence[int], size: int, random: np.random.Generator) -> list[list[Group]]:
    """All queries once, in batches of about ``size``, in a new order.

    lengths: how many queries each scene has.
    """
    groups: list[Group] = []
    for number, length in enumerate(lengths):
        order = random.permutation(length)
        groups += [(number, order[i : i + GROUP]) for i in range(0, length, GROUP)]
    mixed = [groups[i] for i in random.permutation(len(groups))]
    several = max(1, size // GROUP)
    return [mixed[i : i + several] for i in range(0, len(mixed), several)]


def list_length(shortest: int, longest: int, random: np.random.Generator) -> int:
    """Of the candidates of a batch's queries: short lists as often as long ones, by ratio."""
    low, high = math.log(min(shortest, longest)), math.log(longest + 1)
    return min(longest, int(math.exp(random.uniform(low, high))))


def joined(parts: Sequence[Read]) -> Read:
    """Groups of several scenes, whose lists are of one length, as one batch."""
    if len(parts) == 1:
        return parts[0]
    names = {name for part in parts for name in part.evidence.kinds}

    def of_all(value: Callable[[Read], torch.Tensor]) -> torch.Tensor:
        return torch.cat([value(part) for part in parts])

    def kind(part: Read, name: str) -> torch.Tensor:
        nothing = torch.zeros_like(part.evidence.similarity)
        return part.evidence.kinds.get(name, nothing)

    evidence = Evidence(
        of_all(lambda part: part.evidence.similarity),
        {name: torch.cat([kind(part, name) for part in parts]) for name in sorted(names)},
        of_all(lambda part: part.evidence.none),
        of_all(lambda part: part.evidence.valid),
    )
    pairs = [part.inputs.pairs for part in parts if part.inputs.pairs is not None]
    inputs = Inputs(
        of_all(lambda part: part.inputs.tokens),
        Pairs(*map(torch.cat, zip(*pairs, strict=True))) if pairs else None,
        of_all(lambda part: part.inputs.top),
        of_all(lambda part: part.inputs.seen),
    )
    relevant, weight = of_all(lambda part: part.relevant), of_all(lambda part: part.weight)
    return Read(evidence, inputs, relevant, weight, of_all(lambda part: part.apart))
